"""What a storage host answers for one clip: whole, in ranges, or damaged as a fault asks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace

from local.simulators.faults import Fault
from local.simulators.jobs import Job
from local.simulators.render import ClipSpec
from local.simulators.studio import Studio
from local.simulators.wire import Answer, Request, html_answer

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_HUGE_HEADER = 256 * 1024  # beyond what any client takes, however it arrives
_OTHERS: dict[str, Callable[[ClipSpec], ClipSpec]] = {
    "wrong-video": lambda _: ClipSpec(width=320, height=180, frames=24),
    "other-length": lambda spec: replace(spec, frames=spec.frames // 2),
    "other-shape": lambda spec: ClipSpec(
        *((360, 640) if spec.width >= spec.height else (640, 360)), frames=spec.frames
    ),
}
_DAMAGE: dict[str, Callable[[Answer, Fault], Answer]] = {
    "drop": lambda whole, fault: replace(whole, send_only=int(fault.argument)),
    "truncated": lambda whole, _: replace(whole, body=whole.body[: len(whole.body) // 2]),
    "html": lambda _, __: html_answer(),
    "empty": lambda whole, _: replace(whole, body=b""),
    "not-mp4": lambda whole, _: replace(whole, body=b"GIF89a" + bytes(4090)),
    "slow": lambda whole, fault: replace(whole, trickle=fault.number),
    "no-length": lambda whole, _: replace(whole, chunked=True, headers={}),
    "huge-header": lambda whole, _: replace(whole, headers={"X-Padding": "x" * _HUGE_HEADER}),
    "big": lambda whole, fault: replace(whole, padding=int(fault.argument) << 20),
}
_CODES = {
    403: ("AccessDenied", "Access Denied"),
    404: ("NoSuchKey", "The specified key does not exist."),
    429: ("SlowDown", "Please reduce your request rate."),
    500: ("InternalError", "We encountered an internal error. Please try again."),
    503: ("SlowDown", "Please reduce your request rate."),
}


def answer(request: Request, job: Job, studio: Studio, fault: Fault | None) -> Answer:
    """The clip of a job that has succeeded."""
    if fault and fault.http_status:
        code, message = _CODES.get(fault.http_status, ("Error", "Error"))
        return storage_error(fault.http_status, code, message)
    if fault and fault.kind in ("html", "not-mp4", "empty"):
        return _DAMAGE[fault.kind](Answer(content_type="video/mp4"), fault)
    if fault and fault.kind in _OTHERS and job.image and job.order.spec:
        other = _OTHERS[fault.kind](job.order.spec)
        return _ranged(request, studio.shelf.clip(job.image, other).read_bytes())
    whole = _ranged(request, studio.clip_of(job).read_bytes())
    return _DAMAGE[fault.kind](whole, fault) if fault else whole


def storage_error(status: int, code: str, message: str) -> Answer:
    """An error as S3 words it."""
    text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
    return Answer(status, body, content_type="application/xml")


def expired() -> Answer:
    return storage_error(403, "AccessDenied", "Request has expired")


def redirect(location: str) -> Answer:
    return Answer(302, headers={"Location": location}, content_type="text/plain")


def _ranged(request: Request, content: bytes) -> Answer:
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"Accept-Ranges": "bytes", "ETag": etag}
    whole = Answer(200, content, "video/mp4", headers)
    wanted = _RANGE.fullmatch(request.headers.get("range", ""))
    if not wanted or request.headers.get("if-range", etag) != etag:
        return whole
    span = _span(wanted[1], wanted[2], len(content))
    if span is None:
        return Answer(416, b"", "video/mp4", {"Content-Range": f"bytes */{len(content)}"})
    first, last = span
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return Answer(206, content[first : last + 1], "video/mp4", headers)


def _span(first: str, last: str, size: int) -> tuple[int, int] | None:
    """The bytes of `first-last`, `first-` or `-last`; None if there are none."""
    if not first:
        start, end = size - int(last or 0), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
    return (max(start, 0), end) if start <= end else None
