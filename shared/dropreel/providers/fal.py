"""fal queue: submit, status and result are three addresses, and COMPLETED means only ended.

Source: fal queue, model errors, request errors and common parameters docs, and the schema of
luma/agent/ray/v3.2/image-to-video, 2026-11. A failed job shows as COMPLETED with `error_type`,
or as a 4xx of the result with fal's own error. 5xx is not billed, 422 may be. A 5xx of the result
is a failed call: one of a gateway reads the same as one of the job.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

import httpx

from dropreel.jobs.failure import FailureKind
from dropreel.providers import parse
from dropreel.providers.base import (
    Busy,
    CancelOutcome,
    ClipRequest,
    Failed,
    Failure,
    KeySource,
    Phase,
    Ready,
    Refused,
    StatusOutcome,
    SubmitOutcome,
)
from dropreel.providers.classify import (
    cancel_outcome,
    http_failure,
    key_outcome,
    no_answer,
    pending_outcome,
    refused_unsent,
    status_row,
    submit_outcome,
    without_clip,
)
from dropreel.providers.client import LIST_CAP, Answer, Api, Reply
from dropreel.providers.config import ApiAddress, Options
from dropreel.providers.search import Search, field_of, iso_time, rows_of
from dropreel.providers.verdicts import Call, Sign, Verdict, verdict_of

PHASES = {"IN_QUEUE": Phase.QUEUED, "IN_PROGRESS": Phase.RUNNING}

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
_NOT_ENDED = re.compile(r"still in progress|not (yet )?(completed|finished|ready)", re.IGNORECASE)


def _key_headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Key {key}"}


class FalOptions(Options):
    """`result_lifetime_s` is how long fal keeps the clip (None: its own default);
    `server_retries` lets fal's queue retry on its side, which is not billed; `api_base_url` is
    the platform API, where past requests are listed."""

    base_url: ApiAddress = "https://queue.fal.run"
    api_base_url: ApiAddress = "https://api.fal.ai"
    endpoint: str = "luma/agent/ray/v3.2/image-to-video"
    result_lifetime_s: int | None = 604800
    server_retries: bool = True


class Fal:
    """Adapter for the fal queue."""

    name = "fal"
    options_model = FalOptions

    def __init__(self, options: FalOptions, keys: KeySource, http: httpx.Client) -> None:
        self._options = options
        self._endpoint = options.endpoint.strip("/").split("/")
        # After submit the queue knows an app by its first two segments only.
        self._app = self._endpoint[:2]
        self._queue = Api(self.name, options.base_url, _key_headers, keys, http)
        self._platform = Api(self.name, options.api_base_url, _key_headers, keys, http)

    def check_key(self) -> Refused | Busy | None:
        return key_outcome(self._queue.key_fault())

    def submit(self, request: ClipRequest) -> SubmitOutcome:
        if request.reference_image_urls:
            return refused_unsent("fal takes no reference images beside a start image")
        if request.loop and request.duration != "5s":
            return refused_unsent("fal loops 5s clips only")
        reply = self._queue.call(
            "POST", *self._endpoint, body=_body(request), headers=self._preferences()
        )
        return submit_outcome(
            reply,
            lambda data: parse.at(data, "request_id"),
            target=f"endpoint {self._options.endpoint}",
            failure_of=_failure_of,
        )

    def status(self, provider_job_id: str) -> StatusOutcome:
        found = status_row(self._job("GET", provider_job_id, "status"), "status")
        if not isinstance(found, tuple):
            return found
        answer, row, status = found
        if status != "COMPLETED":
            return pending_outcome(answer, status, PHASES)
        if row.get("error") or row.get("error_type"):
            return Failed(_status_failure(answer, row))
        return _result(self._job("GET", provider_job_id), status)

    def cancel(self, provider_job_id: str) -> CancelOutcome:
        reply = self._job("PUT", provider_job_id, "cancel")
        if isinstance(reply, Answer):
            status = parse.at(reply.data, "status")
            refused = reply.ok and parse.at(reply.data, "success") is False
            if refused or (reply.status == 400 and status == "ALREADY_COMPLETED"):
                return CancelOutcome.TOO_LATE
        return cancel_outcome(reply)

    def find_orders(
        self, request: ClipRequest, since: datetime, until: datetime
    ) -> list[str] | None:
        search = Search(request, since, until)
        wanted = self._history_of(search)
        for _ in search.pages():
            reply = self._platform.call(
                "GET", "v1", "models", "requests", "by-endpoint", params=wanted, cap=LIST_CAP
            )
            rows = rows_of(reply)
            if rows is None:
                break
            for row in rows:
                _check(row, search)
            more, cursor = field_of(reply, "has_more"), parse.text(field_of(reply, "next_cursor"))
            at_end = more is False or (not cursor and more is not True)
            if at_end or search.is_past([parse.at(row, "sent_at") for row in rows]):
                return search.ids()
            if not cursor or cursor == wanted.get("cursor"):
                break
            wanted = {**wanted, "cursor": cursor}
        search.mark_incomplete()
        return search.ids()

    def _history_of(self, search: Search) -> dict[str, str]:
        """Without `end`: whether it bounds the sending or the ending of a request is not
        documented."""
        return {
            "endpoint_id": self._options.endpoint.strip("/"),
            "start": iso_time(search.since),
            "expand": "payloads",
            "limit": "100",
        }

    def _job(self, method: str, provider_job_id: str, *rest: str) -> Reply:
        return self._queue.call(method, *self._app, "requests", provider_job_id, *rest)

    def _preferences(self) -> dict[str, str]:
        headers = {}
        if self._options.result_lifetime_s is not None:
            lifetime = {"expiration_duration_seconds": self._options.result_lifetime_s}
            headers["X-Fal-Object-Lifecycle-Preference"] = json.dumps(lifetime)
        if not self._options.server_retries:
            headers["X-Fal-No-Retry"] = "1"
        return headers


def _body(request: ClipRequest) -> dict[str, object]:
    body: dict[str, object] = {
        "prompt": request.prompt,
        "aspect_ratio": request.aspect_ratio,
        "resolution": request.resolution,
        "duration": request.duration,
    }
    if request.duration == "5s":
        body["image_url"] = request.image_url
    else:
        # 10s is for keyframes only; one keyframe at 0 is the same as a start image.
        body |= {"keyframes": [request.image_url], "keyframe_indexes": [0]}
    if request.loop:
        body["loop"] = True
    return body


def _check(row: object, search: Search) -> None:
    sent = parse.at(row, "json_input")
    image = parse.at(sent, "image_url") or parse.at(sent, "keyframes")
    listed_id, created = parse.at(row, "request_id"), parse.at(row, "sent_at")
    search.check(listed_id, created, parse.at(sent, "prompt"), image)


def _error_types(answer: Answer) -> list[str]:
    """The machine-readable types in a body; endpoints differ in how far they migrated."""
    detail = parse.at(answer.data, "detail")
    entries = detail if isinstance(detail, list) else [detail]
    found = [parse.at(entry, "type") for entry in entries]
    found.append(parse.at(answer.data, "error_type"))
    return [text for value in found if (text := answer.short_word(value))]


def _error_type(answer: Answer) -> str:
    """The type that tells most, from the body or the header."""
    header = answer.short_word(answer.headers.get("X-Fal-Error-Type"))
    words = [*_error_types(answer), *([header] if header else [])]
    return next((text for text in words if text in TYPES), words[0] if words else "")


def _failure_of(answer: Answer) -> Failure:
    """The failure in an error status, of a submit or of a job's result."""
    failure = http_failure(answer)
    type_ = _error_type(answer)
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


def _status_failure(answer: Answer, row: Mapping[str, object]) -> Failure:
    """The failure that a COMPLETED status tells by itself."""
    code = answer.short_word(row.get("error_type")) or _error_type(answer) or None
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
    types = _error_types(answer)
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


def _result(reply: Reply, word: str) -> StatusOutcome:
    """Judge the result of a job that has ended: the clip, or the job's own error status."""
    if not isinstance(reply, Answer):
        return no_answer(reply)
    address = parse.url(parse.at(reply.data, "video", "url"))
    match verdict_of(Call.RESULT, reply.status, _result_sign(reply, address)):
        case Verdict.READY if address:
            return Ready(address)
        case Verdict.WITHOUT_CLIP:
            return without_clip(reply, word)
        case Verdict.FAILED:
            return Failed(_failure_of(reply))
        case _:
            return no_answer(reply)


def _result_sign(answer: Answer, address: str | None) -> Sign:
    """What a result shows. A type makes an error fal's own; in a header it needs a body of fal."""
    if answer.ok:
        return Sign.CLIP if address else Sign.NOTHING if answer.data is None else Sign.NO_CLIP
    type_ = _error_type(answer)
    own = type_ and (_error_types(answer) or parse.at(answer.data, "detail"))
    passing = type_ == "concurrent_requests_limit" or _NOT_ENDED.search(answer.message)
    return Sign.FAILED if own and not passing else Sign.NOTHING
