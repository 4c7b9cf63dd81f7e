"""Luma Agents API: one POST with a nested `video`, then GET until `completed` or `failed`.

Source: Luma Agents API docs (video generation, error handling, rate limits) and its OpenAPI,
2026-11. There is no list, no cancel and no cost; failed and moderated jobs are refunded; every
GET mints a fresh result address that lives one hour.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

import httpx

from dropreel.jobs.failure import FailureKind
from dropreel.providers import parse
from dropreel.providers.base import (
    IMAGE_NOT_FETCHED,
    NO_ADDRESSES,
    Access,
    Addresses,
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
    access_outcome,
    http_failure,
    key_outcome,
    pending_outcome,
    refused_unsent,
    status_row,
    submit_outcome,
    without_clip,
)
from dropreel.providers.client import Answer, Api, bearer, trace_headers
from dropreel.providers.config import ApiAddress, Options
from dropreel.providers.verdicts import Sign

PHASES = {"queued": Phase.QUEUED, "processing": Phase.RUNNING}

# `failure_code` of a failed generation: what it means, and whether a new submit may succeed.
FAILURE_CODES: dict[str, tuple[FailureKind, bool]] = {
    "generation_failed": (FailureKind.TRANSIENT, True),
    "output_not_found": (FailureKind.TRANSIENT, True),
    "content_moderated": (FailureKind.MODERATED, False),
    "budget_exhausted": (FailureKind.NO_CREDIT, False),
    "rate_limited": (FailureKind.THROTTLED, True),
    "image_too_large": (FailureKind.BAD_INPUT, False),
    "unsupported_format": (FailureKind.BAD_INPUT, False),
    "corrupt_input": (FailureKind.BAD_INPUT, False),
    "invalid_request": (FailureKind.BAD_INPUT, False),
}

_FETCH_FAILED = re.compile(r"failed to fetch", re.IGNORECASE)
_INGESTION = re.compile(r"fetch proxy|ingestion", re.IGNORECASE)


class LumaOptions(Options):
    base_url: ApiAddress = "https://agents.lumalabs.ai/v1"
    model: str = "ray-3.2"


class Luma:
    """Adapter for the Luma Agents API."""

    name = "luma"
    options_model = LumaOptions

    def __init__(self, options: LumaOptions, keys: KeySource, http: httpx.Client) -> None:
        self._model = options.model
        self._api = Api(self.name, options.base_url, bearer, keys, http)

    def check_key(self) -> Refused | Busy | None:
        return key_outcome(self._api.key_fault())

    def submit(self, request: ClipRequest) -> SubmitOutcome:
        if request.reference_image_urls:
            return refused_unsent("Luma takes no reference images beside a start image")
        if request.loop and request.duration != "5s":
            return refused_unsent("Luma loops 5s clips only")
        reply = self._api.call(
            "POST",
            "generations",
            body=self._body(request),
            headers=trace_headers(request.job_id),
        )
        return submit_outcome(
            reply,
            lambda data: parse.at(data, "id"),
            target=f"model {self._model}",
            failure_of=_failure_of,
            sign_of=_sign_of,
        )

    def status(self, provider_job_id: str, _: Addresses = NO_ADDRESSES, /) -> StatusOutcome:
        found = status_row(self._api.call("GET", "generations", provider_job_id), "state")
        if not isinstance(found, tuple):
            return found
        answer, row, state = found
        if state == "completed":
            return _result(answer, row.get("output"))
        if state == "failed":
            return Failed(_job_failure(answer, row))
        return pending_outcome(answer, state, PHASES)

    def cancel(self, _: str, __: Addresses = NO_ADDRESSES, /) -> CancelOutcome:
        return CancelOutcome.NOT_SUPPORTED

    def find_orders(
        self,
        request: ClipRequest,  # noqa: ARG002
        since: datetime,  # noqa: ARG002
        until: datetime,  # noqa: ARG002
    ) -> list[str] | None:
        return None

    def list_orders(self, since: datetime, until: datetime) -> None:  # noqa: ARG002
        return None

    def access(self) -> Access:
        return access_outcome(self._api.call("GET", "files", params={"limit": "1"}))

    def inputs(self) -> None:
        """Luma publishes its fields in its documentation only."""
        return

    def _body(self, request: ClipRequest) -> dict[str, object]:
        image = {"url": request.image_url}
        video: dict[str, object] = {
            "resolution": request.resolution,
            "duration": request.duration,
        }
        if request.duration == "5s":
            video["start_frame"] = image
        else:
            # A start frame is rejected with 10s; one keyframe at 0 is the same picture.
            video |= {"keyframes": [image], "keyframe_indexes": [0]}
        if request.loop:
            video["loop"] = True
        return {
            "prompt": request.prompt,
            "model": self._model,
            "type": "video",
            "aspect_ratio": request.aspect_ratio,
            "video": video,
        }


def _failure_of(answer: Answer) -> Failure:
    """As the HTTP status says; Luma fetches the image at submit, and that may work next time."""
    failure = http_failure(answer)
    if _sign_of(answer) is not Sign.NOT_FETCHED:
        return failure
    return replace(failure, code=IMAGE_NOT_FETCHED, retryable=True)


def _sign_of(answer: Answer) -> Sign:
    """Luma's own 503, and the 502 that names the fetching of the image, come before any job.

    A gateway's 502 or 503 can follow work that was begun, so the body must be Luma's.
    """
    detail = parse.text(parse.at(answer.data, "detail"))
    if answer.status == 422 and _FETCH_FAILED.search(answer.message):
        return Sign.NOT_FETCHED
    if (answer.status == 503 and detail) or (answer.status == 502 and _INGESTION.search(detail)):
        return Sign.NOT_BEGUN
    return Sign.NOTHING


def _result(answer: Answer, output: object) -> StatusOutcome:
    entries = output if isinstance(output, list) else []
    videos = [item for item in entries if parse.at(item, "type") in ("video", None)]
    address = next((hit for e in videos if (hit := parse.url(parse.at(e, "url")))), None)
    return Ready(address) if address else without_clip(answer, "completed")


def _job_failure(answer: Answer, row: object) -> Failure:
    code = answer.short_word(parse.at(row, "failure_code")) or None
    kind, retryable = FAILURE_CODES.get(code or "", (FailureKind.UNEXPECTED, False))
    reason = answer.safe(parse.reason_in(parse.at(row, "failure_reason")))
    message = reason or code or "failed without a reason"
    return Failure(kind, message, code=code, retryable=retryable, billed=False)
