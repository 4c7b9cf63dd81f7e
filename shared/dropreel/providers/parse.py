"""Careful reading of provider answers: nothing here raises, whatever a value turns out to be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

MESSAGE_LENGTH = 300
RETRY_AFTER_CAP_S = 3600.0

_REDACTED = "[...]"
_READ_AT_MOST = 4000  # characters of a text that are looked at, so that patterns stay cheap
_SECRET_PART = 8  # a piece of a key this long is a secret by itself (fal: `<id>:<secret>`)
_ID = re.compile(r"[!-~]{1,200}")
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_TAGS = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^<>]*>", re.IGNORECASE | re.DOTALL)
_SECRETS = (
    (re.compile(r"(?<=://)[^\s/@]+@"), ""),
    (re.compile(r"\?[^\s\"'<>]+"), "?" + _REDACTED),
    (re.compile(r"%(?:25)*3f\S+", re.IGNORECASE), "?" + _REDACTED),
    (
        re.compile(
            r"\b(x-amz-[\w-]+|x-goog-[\w-]+|signature|awsaccesskeyid|api[-_]?key|token|password)"
            r"(\"?\s*[=:]\s*\"?|%3d)[^\s&\"']+",
            re.IGNORECASE,
        ),
        rf"\1={_REDACTED}",
    ),
    (re.compile(r"\b(bearer|basic|key)\s+[\w.~+/:=-]{16,}", re.IGNORECASE), rf"\1 {_REDACTED}"),
    (re.compile(r"\b(?:smk_|luma-api-|sk-|fal_)[\w-]{4,}"), _REDACTED),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}:[0-9a-f]{8,}\b"), _REDACTED),
)

# Texts of a content filter, and of one that could not even read the image: a fault of access.
MODERATED = (
    r"content[ _-]?polic(y|ies)|moderated|moderation|nsfw|flagged"
    r"|safety[ _-](system|filter|checker|polic)|inappropriate content"
)
NOT_MODERATED = r"(failed|unable) to moderate|could not (be )?moderate"
_MODERATED = re.compile(MODERATED, re.IGNORECASE)
_NOT_MODERATED = re.compile(NOT_MODERATED, re.IGNORECASE)

_REASON_KEYS = (
    *("error", "title", "detail", "details", "msg", "message"),
    *("error_message", "failure_reason", "reason", "status_message"),
)
_URL_KEYS = ("url", "video", "video_url", "output")


def at(data: object, *path: str | int) -> object:
    """Follow keys and list positions; None where the way ends."""
    for step in path:
        if isinstance(step, str) and isinstance(data, dict):
            data = data.get(step)
        elif isinstance(step, int) and isinstance(data, list) and step < len(data):
            data = data[step]
        else:
            return None
    return data


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def one_line(value: str) -> str:
    """One line of printable characters; lone surrogates and control characters become blanks."""
    return " ".join("".join(c if c.isprintable() else " " for c in value).split())


def shortened(value: str, length: int) -> str:
    return value if len(value) <= length else value[: length - 1] + "…"


def short_word(value: str) -> str:
    """A status word or an error code, short enough to be shown and logged."""
    return shortened(one_line(value[:_READ_AT_MOST]), 40)


def usable_id(value: object) -> str | None:
    """An ID that can be stored and put into a path again; None for anything else."""
    if isinstance(value, str) and _ID.fullmatch(value) and value not in {".", ".."}:
        return value
    return None


def url(value: object) -> str | None:
    """A web address without credentials in it; None for anything else."""
    if not isinstance(value, str) or not 0 < len(value) <= 8192:
        return None
    if "\\" in value or not value.isprintable() or " " in value:
        return None
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return value if usable and "@" not in parts.netloc else None


def first_url(value: object, depth: int = 4) -> str | None:
    """The clip's address in a string, a list or an object, whichever the model answers."""
    if depth == 0:
        return None
    if isinstance(value, list):
        inner: Sequence[object] = value[:100]
    elif isinstance(value, dict):
        inner = [value.get(key) for key in _URL_KEYS]
    else:
        return url(value)
    return next((hit for item in inner if (hit := first_url(item, depth - 1))), None)


def usd(value: object) -> Decimal | None:
    """An amount of money, to a millionth; None unless it is a plain number in a sane range."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value)[:40])
    except (InvalidOperation, ValueError):
        return None
    if not amount.is_finite() or not 0 <= amount < 1_000_000:
        return None
    rounded = amount.quantize(Decimal("0.000001"))
    return amount if amount and amount == rounded else rounded


def timestamp(value: object) -> datetime | None:
    """A time given as ISO 8601 (UTC when it names no zone) or in seconds since 1970."""
    try:
        if isinstance(value, str):
            read = datetime.fromisoformat(value)
            return read if read.tzinfo else read.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)
    except (ValueError, OverflowError):
        pass
    return None


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds to wait, from seconds or an HTTP date; None for the past and for nonsense."""
    value = (header or "").strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), RETRY_AFTER_CAP_S)
    try:
        then = parsedate_to_datetime(value)
        seconds = (then if then.tzinfo else then.replace(tzinfo=UTC)) - now
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    wait = seconds.total_seconds()
    return min(wait, RETRY_AFTER_CAP_S) if wait >= 0 else None


def tells_of_moderation(reason: str) -> bool:
    """Whether a reason is that of a content filter, and not that it could not read the image."""
    return bool(_MODERATED.search(reason)) and not _NOT_MODERATED.search(reason)


def reason_in(data: object, depth: int = 4) -> str:
    """The reason for people in an error body, wherever a provider puts it."""
    if isinstance(data, str):
        return data
    if depth == 0:
        return ""
    if isinstance(data, list):
        inner = [reason_in(item, depth - 1) for item in data[:3]]
    elif isinstance(data, dict):
        inner = [reason_in(data.get(key), depth - 1) for key in _REASON_KEYS]
    else:
        return ""
    return ": ".join(dict.fromkeys(part for part in inner if part.strip()))


def without_tags(markup: str) -> str:
    return _TAGS.sub(" ", markup[: 2 * _READ_AT_MOST])


def without_keys(value: str, secrets: Sequence[str]) -> str:
    """The text without the keys themselves, whole or in their parts."""
    for secret in secrets:
        for part in (secret, *secret.split(":")):
            if len(part) >= _SECRET_PART:
                value = value.replace(part, _REDACTED)
    return value


def safe_text(value: str, secrets: Sequence[str] = ()) -> str:
    """A provider's text that may be stored and mailed: one short line, without any secret.

    Query strings go because providers echo the image's presigned address in their errors.
    """
    value = without_keys(value, secrets)[:_READ_AT_MOST].replace("\\/", "/").replace("\\u0026", "&")
    for pattern, instead in _SECRETS:
        value = pattern.sub(instead, value)
    return shortened(one_line(value), MESSAGE_LENGTH)
