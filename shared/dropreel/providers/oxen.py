"""Oxen.ai async queue: POST and GET `/queue`, the price in `/generations/:id`.

Source: Oxen docs (async queue, luma-ray-v3-2-image-to-video) and Hub OpenAPI, 2026-11. Oxen
checks parameters when the job runs, so bad ones come back as `failed` with a free text; there
are no error codes to go by, only patterns.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

import httpx

from dropreel.providers import parse as reading
from dropreel.providers import search as history
from dropreel.providers.base import (
    CancelOutcome,
    ClipRequest,
    Failed,
    Failure,
    FailureKind,
    KeySource,
    Phase,
    Ready,
    StatusOutcome,
    SubmitOutcome,
)
from dropreel.providers.classify import (
    NO_OUTPUT,
    cancelled,
    http_failure,
    pending,
    row_of,
    submitted,
)
from dropreel.providers.client import LIST_CAP, Answer, Api, bearer

if TYPE_CHECKING:
    from dropreel.providers.config import OxenOptions

PHASES = {"queued": Phase.QUEUED, "processing": Phase.RUNNING}
ENDS = ("succeeded", "failed", "cancelled")

# Free texts of refusals and failed jobs, first match wins: kind, whether a new submit may help.
# An upstream's answer comes wrapped, `Getting model response error: 422 - ...`.
TEXTS: tuple[tuple[str, FailureKind, bool], ...] = (
    (r"insufficient (credit|balance|fund)|out of credits|error: 402", FailureKind.NO_CREDIT, False),
    (reading.NOT_MODERATED, FailureKind.BAD_INPUT, False),
    (reading.MODERATED, FailureKind.MODERATED, False),
    (r"rate limit|too many (requests|concurrent)|error: 429", FailureKind.THROTTLED, True),
    (r"error: 5\d\d|timed? ?out|service unavailable|overloaded", FailureKind.TRANSIENT, True),
    (r"invalid api key|unauthenticated|api key (has|is)", FailureKind.AUTH, False),
    (r"error: (400|413|415|422)|invalid|unsupported|not supported", FailureKind.BAD_INPUT, False),
    (r"failed to (fetch|download|load)|too (small|large)|must be", FailureKind.BAD_INPUT, False),
)

_GENERAL = frozenset({400, 403, 422})
_TELLING = frozenset({FailureKind.NO_CREDIT, FailureKind.MODERATED, FailureKind.THROTTLED})


class Oxen:
    """Adapter for the async queue of Oxen.ai."""

    name = "oxen"
    has_history = True

    def __init__(self, options: OxenOptions, keys: KeySource, http: httpx.Client) -> None:
        self._options = options
        self._api = Api(self.name, options.base_url, bearer, keys, http)

    def submit(self, request: ClipRequest) -> SubmitOutcome:
        return submitted(
            self._api.call("POST", "queue", body=self._body(request)),
            lambda data: reading.at(data, "generations", 0, "generation_id"),
            handle=f"model {self._options.model}",
            failure_of=_refusal,
        )

    def status(self, provider_job_id: str) -> StatusOutcome:
        found = row_of(self._api.call("GET", "queue", provider_job_id), "status")
        if not isinstance(found, tuple):
            return found
        answer, row, status = found
        if status == "succeeded":
            return self._result(provider_job_id, row.get("result_url"))
        if status == "failed":
            return Failed(_job_failure(answer, row.get("error_message")))
        if status == "cancelled":
            return Failed(Failure(FailureKind.CANCELLED, "cancelled at Oxen.ai"))
        return pending(answer, status, PHASES)

    def cancel(self, provider_job_id: str) -> CancelOutcome:
        return cancelled(self._api.call("DELETE", "queue", provider_job_id))

    def find(self, request: ClipRequest, since: datetime, until: datetime) -> list[str] | None:
        search = history.Search(request, since, until)
        # Active jobs first: one that ends meanwhile then shows among the ended.
        for status in ("", *ENDS):
            wanted = {"model": self._options.model} | ({"status": status} if status else {})
            reply = self._api.call("GET", "queue", params=wanted, cap=LIST_CAP)
            rows = history.rows_of(reply)
            count = history.beside(reply, "count")
            if rows is None or (isinstance(count, int) and count > len(rows)):
                search.doubt()
            for row in rows or ():
                search.weigh(
                    reading.at(row, "generation_id"),
                    reading.at(row, "enqueued_at"),
                    reading.at(row, "prompt"),
                    reading.at(row, "input_image"),
                )
        return search.ids()

    def _body(self, request: ClipRequest) -> dict[str, object]:
        as_list = self._options.image_as_list
        body: dict[str, object] = {
            "model": self._options.model,
            "prompt": request.prompt,
            "input_image": [request.image_url] if as_list else request.image_url,
            "aspect_ratio": request.aspect_ratio,
            "resolution": request.resolution,
            "duration": request.duration,
        }
        if request.loop:
            body["loop"] = True
        if request.reference_image_urls:
            body["reference_image_urls"] = list(request.reference_image_urls)
        return body

    def _result(self, provider_job_id: str, result_url: object) -> StatusOutcome:
        address = reading.url(result_url)
        if address is None:
            message = "succeeded, but without a clip"
            return Failed(Failure(FailureKind.UNEXPECTED, message, code=NO_OUTPUT))
        ours = self._options.key_for_results and self._api.owns(address)
        headers = self._api.auth_headers() if ours else {}
        reply = self._api.call("GET", "generations", provider_job_id)
        cost = reading.usd(reading.at(history.beside(reply, "generation"), "cost"))
        return Ready(address, headers, cost)


def _refusal(answer: Answer) -> Failure:
    """As the HTTP status says, unless the text of a general one names credit, filter or pace."""
    failure = http_failure(answer)
    code = answer.word(reading.at(answer.data, "error", "type")) or failure.code
    kind, retryable = _by_text(answer.message)
    if answer.status not in _GENERAL or kind not in _TELLING:
        kind, retryable = failure.kind, failure.retryable
    return Failure(kind, failure.message, code, answer.status, retryable)


def _by_text(told: str) -> tuple[FailureKind, bool]:
    for pattern, kind, retryable in TEXTS:
        if re.search(pattern, told, re.IGNORECASE):
            return kind, retryable
    return FailureKind.UNEXPECTED, False


def _job_failure(answer: Answer, error_message: object) -> Failure:
    message = answer.safe(reading.told(error_message)) or "failed without a reason"
    kind, retryable = _by_text(message)
    return Failure(kind, message, retryable=retryable)
