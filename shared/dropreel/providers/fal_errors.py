"""fal's errors: their types, and which of them are free.

Source: fal model errors, request errors and queue docs, 2026-11. 5xx is not billed, 422 may be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from dropreel.jobs.failure import FailureKind
from dropreel.providers import parse
from dropreel.providers.base import Failure
from dropreel.providers.classify import http_failure
from dropreel.providers.client import Answer

_BAD = FailureKind.BAD_INPUT
_PASSING = FailureKind.TRANSIENT

# `type` of a model error or `error_type` of a platform error: kind, whether a new submit may
# succeed, and the HTTP status it comes with (0: 400 or 500, the documents contradict one another).
# An unlisted type is a 422 that stays one.
TYPES: dict[str, tuple[FailureKind, bool, int]] = {
    "content_policy_violation": (FailureKind.MODERATED, False, 422),
    "no_media_generated": (_PASSING, True, 422),
    "image_too_small": (_BAD, False, 422),
    "image_too_large": (_BAD, False, 422),
    "file_too_large": (_BAD, False, 422),
    "unsupported_image_format": (_BAD, False, 422),
    "image_load_error": (_BAD, False, 422),
    "file_download_error": (_BAD, False, 422),
    "face_detection_error": (_BAD, False, 422),
    "one_of": (_BAD, False, 422),
    "greater_than": (_BAD, False, 422),
    "greater_than_equal": (_BAD, False, 422),
    "feature_not_supported": (_BAD, False, 422),
    "bad_request": (_BAD, False, 400),
    "internal_server_error": (_PASSING, True, 500),
    "downstream_service_unavailable": (_PASSING, True, 500),
    "downstream_service_error": (_PASSING, True, 0),
    "generation_timeout": (_PASSING, True, 504),
    "request_timeout": (_PASSING, True, 504),
    "startup_timeout": (_PASSING, True, 504),
    "runner_scheduling_failure": (_PASSING, True, 503),
    "runner_connection_timeout": (_PASSING, True, 503),
    "runner_connection_refused": (_PASSING, True, 503),
    "runner_connection_error": (_PASSING, True, 503),
    "runner_disconnected": (_PASSING, True, 503),
    "runner_incomplete_response": (_PASSING, True, 502),
    "runner_server_error": (_PASSING, True, 500),
    "internal_error": (_PASSING, True, 500),
    "client_disconnected": (FailureKind.CANCELLED, False, 499),
    "client_cancelled": (FailureKind.CANCELLED, False, 499),
    "concurrent_requests_limit": (FailureKind.THROTTLED, True, 429),
}

RETRY_HINTS = ("X-Fal-Needs-Retry", "X-Fal-Retryable")

_LOCKED = re.compile(r"user is locked|exhausted balance", re.IGNORECASE)
NOT_ENDED = re.compile(r"still in progress|not (yet )?(completed|finished|ready)", re.IGNORECASE)


def error_types(answer: Answer) -> list[str]:
    """The machine-readable types in a body; endpoints differ in how far they migrated."""
    detail = parse.at(answer.data, "detail")
    entries = detail if isinstance(detail, list) else [detail]
    found = [parse.at(entry, "type") for entry in entries]
    found.append(parse.at(answer.data, "error_type"))
    return [text for value in found if (text := answer.short_word(value))]


def error_type(answer: Answer) -> str:
    """The type that tells most, from the body or the header."""
    header = answer.short_word(answer.headers.get("X-Fal-Error-Type"))
    words = [*error_types(answer), *([header] if header else [])]
    return next((text for text in words if text in TYPES), words[0] if words else "")


def failure_of(answer: Answer) -> Failure:
    """The failure in an error status, of a submit or of a job's result."""
    failure = http_failure(answer)
    type_ = error_type(answer)
    kind, retryable = failure.kind, failure.retryable or answer.status >= 500
    if type_ in TYPES:
        kind, retryable, _ = TYPES[type_]
    elif answer.status == 403 and _LOCKED.search(failure.message):
        kind = FailureKind.NO_CREDIT
    return replace(
        failure,
        kind=kind,
        code=type_ or failure.code,
        retryable=_hinted(answer, retryable),
    )


def status_failure(answer: Answer, row: Mapping[str, object]) -> Failure:
    """The failure that a COMPLETED status tells by itself."""
    code = answer.short_word(row.get("error_type")) or error_type(answer) or None
    kind, retryable, _ = TYPES.get(code or "", (FailureKind.UNEXPECTED, False, 0))
    reason = answer.safe(parse.reason_in([row.get("error"), row.get("detail")]))
    return Failure(
        kind,
        reason or code or "ended with an error",
        code=code,
        retryable=_hinted(answer, retryable),
        billed=False if _is_free(answer) else None,
    )


def _is_free(answer: Answer) -> bool:
    """Whether all types in the body come with 5xx, which is not billed, and so does what the
    model behind fal answered."""
    types = error_types(answer)
    behind = _downstream_statuses(answer.data)
    return (
        bool(types)
        and all(TYPES.get(type_, (None, None, 0))[2] >= 500 for type_ in types)
        and all(isinstance(status, int) and status >= 500 for status in behind)
    )


def _downstream_statuses(data: object, depth: int = 5) -> Iterator[object]:
    """Every `downstream_status` in a body, wherever it stands."""
    inner = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    if isinstance(data, dict) and data.get("downstream_status") is not None:
        yield data["downstream_status"]
    for value in inner if depth else ():
        yield from _downstream_statuses(value, depth - 1)


def _hinted(answer: Answer, otherwise: bool) -> bool:
    """What a retry header says, or else what the table says."""
    hints = (answer.headers.get(name, "").strip().lower() for name in RETRY_HINTS)
    said = next((hint for hint in hints if hint in {"1", "true", "0", "false"}), None)
    return otherwise if said is None else said in {"1", "true"}
