"""Names that are made from an image's key: job id, execution, and where its clip lies."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

MAX_KEY_BYTES = 1024  # of an S3 key, in UTF-8
_MAX_NAME_BYTES = 180  # with number and ending a legal name on every desktop


def stem(key: str) -> str:
    """The key without its ending: `a/photo.tar.jpg` gives `a/photo.tar`."""
    return split_ending(key)[0]


def clip_key(image_key: str, job: str) -> str:
    return f"{output_folder(image_key)}/{job}.mp4"


def clip_name(image_key: str, take: int, group_take: int = 0) -> str:
    """What a downloaded clip is called: `lighthouse-take2.mp4`, of at most 200 bytes.

    `group_take` is its number among the takes of one sidecar, which may all be take 1 of different
    settings; 0 if it was asked for alone.
    """
    name = stem(image_key).rpartition("/")[2]
    shown = "".join(char if char.isprintable() else "_" for char in name)
    cut = shown.encode(errors="replace")[:_MAX_NAME_BYTES].decode(errors="ignore").strip()
    number = f"-take{group_take or take}" if group_take or take > 1 else ""
    return f"{cut or 'clip'}{number}.mp4"


def content_disposition(kind: str, name: str) -> str:
    """The header that names a download (`inline` or `attachment`): RFC 6266, RFC 8187.

    Old programs take the plain name, all others the one in UTF-8.
    """
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    legal = re.sub(r'[\x00-\x1f"\\%\x7f]', "_", ascii_name)
    return f"{kind}; filename=\"{legal}\"; filename*=UTF-8''{quote(name, safe='')}"


def job_id(bucket: str, key: str, content: str, asked: dict[str, Any]) -> str:
    """24 hexadecimal digits: the same image with the same settings is the same job.

    `content` is the SHA-256 of the image's bytes (in versions up to 0.2: its ETag). `asked` is the
    sidecar in full (with its defaults), not what the stack made of it, so that a change of the
    operator's defaults does not turn an old event into a new job.
    """
    identity = json.dumps([bucket, key, content, asked], sort_keys=True, ensure_ascii=True)
    return _digits(identity)


def group_id(bucket: str, key: str, dropped_at: str, job_ids: Sequence[str]) -> str:
    """24 hexadecimal digits: the same jobs of one drop are the same group."""
    identity = json.dumps([bucket, key, dropped_at, sorted(job_ids)])
    return hashlib.sha256(identity.encode()).hexdigest()[:24]


def rejection_id(bucket: str, key: str, dropped_at: str, problems: Sequence[str]) -> str:
    """Of the mail that tells, once, what is wrong with a file that was dropped then."""
    facts = json.dumps([bucket, key, dropped_at, list(problems)])
    return f"rejected-{hashlib.sha256(facts.encode()).hexdigest()[:24]}"


def rejection_record(key: str, rejection_id: str) -> str:
    """Where the record of that rejection lies, beside where the clip of the file would be."""
    return f"{output_folder(key)}/{rejection_id}.json"


def dry_run_id(dropped_at: str, jobs: Sequence[str]) -> str:
    """Of the mail that tells, once, what a drop of that time would order."""
    facts = json.dumps([dropped_at, *jobs])
    return f"dry-run-{hashlib.sha256(facts.encode()).hexdigest()[:24]}"


def execution_name(key: str, job: str, run: int) -> str:
    """A legal name (0-9 A-Z a-z - _, at most 80) in which people recognise their file."""
    name = stem(key).rpartition("/")[2]
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    legible = re.sub(r"[^0-9A-Za-z_]+", "-", plain).strip("-")[:40].strip("-")
    parts = [legible, job, str(run) if run > 1 else ""]
    return "-".join(part for part in parts if part)


def output_folder(image_key: str) -> str:
    """`clips/<path>/<stem>` of an image, legal in S3, in URLs and on every desktop.

    Parts that a path would swallow (empty, `.`, `..`) become `_`; what is too long for a key is
    cut and marked with a hash of the whole, so that two long keys do not meet.
    """
    parts = ["_" if part in ("", ".", "..") else part for part in stem(image_key).split("/")]
    folder = "clips/" + "/".join(parts)
    room = MAX_KEY_BYTES - 64  # the file's own name follows
    encoded = folder.encode()
    if len(encoded) <= room:
        return folder
    mark = hashlib.sha256(image_key.encode()).hexdigest()[:16]
    return encoded[: room - len(mark) - 1].decode(errors="ignore").rstrip("/") + f"~{mark}"


def folder_of(key: str) -> str:
    """The folder of a file, with its last slash: `a/photo.jpg` gives `a/`, `photo.jpg` nothing."""
    return "".join(key.rpartition("/")[:2])


def folder_id(folder: str) -> str:
    """24 hexadecimal digits: the folder, as links and the ledger's index of folders name it."""
    return _digits(f"folder {folder}")


def image_id(key: str) -> str:
    """24 hexadecimal digits: the image, whatever its content, as links and that index name it."""
    return _digits(f"image {key}")


def _digits(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def split_ending(key: str) -> tuple[str, str]:
    """`a/photo.JPG` gives `a/photo` and `.jpg`; the ending is empty where there is none."""
    folder, slash, name = key.rpartition("/")
    base, dot, ending = name.rpartition(".")
    if not dot:
        return key, ""
    return f"{folder}{slash}{base}", f".{ending.lower()}"
