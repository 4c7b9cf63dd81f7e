"""Oxen.ai async queue: POST and GET `/queue`, the price in `/generations/:id`.

Source: Oxen docs (async queue, luma-ray-v3-2-image-to-video) and Hub OpenAPI, 2026-11. Oxen
checks parameters when the job runs, so bad ones come back as `failed` with a free text; there
are no error codes to go by, only patterns.
"""

from __future__ import annotations

import re
from datetime import datetime

import httpx

from dropreel.jobs.failure import FailureKind
from dropreel.providers import parse
from dropreel.providers.base import (
    NO_ADDRESSES,
    Access,
    Addresses,
    Busy,
    CancelOutcome,
    ClipRequest,
    Failed,
    Failure,
    Inputs,
    KeySource,
    Phase,
    Ready,
    Refused,
    StatusOutcome,
    SubmitOutcome,
)
from dropreel.providers.classify import (
    access_outcome,
    cancel_outcome,
    http_failure,
    key_outcome,
    pending_outcome,
    status_row,
    submit_outcome,
    unread,
    without_clip,
)
from dropreel.providers.client import LIST_CAP, Answer, Api, bearer
from dropreel.providers.config import ApiAddress, Options
from dropreel.providers.schema import read_inputs, same_names
from dropreel.providers.search import Search, field_of, rows_of

PHASES = {"queued": Phase.QUEUED, "processing": Phase.RUNNING}
ENDS = ("succeeded", "failed", "cancelled")

_SENT = {**same_names("loop", "reference_image_urls"), "image_url": "input_image"}
_KNOWN = frozenset(
    {"model", "num_generations", "target_namespace", "target_repo", "target_directory"}
)

# Free texts of refusals and failed jobs, first match wins: kind, whether a new submit may help.
# An upstream's answer comes wrapped, `Getting model response error: 422 - ...`.
TEXTS: tuple[tuple[str, FailureKind, bool], ...] = (
    (r"insufficient (credit|balance|fund)|out of credits|error: 402", FailureKind.NO_CREDIT, False),
    (parse.NOT_MODERATED, FailureKind.BAD_INPUT, False),
    (parse.MODERATED, FailureKind.MODERATED, False),
    (r"rate limit|too many (requests|concurrent)|error: 429", FailureKind.THROTTLED, True),
    (r"error: 5\d\d|timed? ?out|service unavailable|overloaded", FailureKind.TRANSIENT, True),
    (r"invalid api key|unauthenticated|api key (has|is)", FailureKind.AUTH, False),
    (r"error: (400|413|415|422)|invalid|unsupported|not supported", FailureKind.BAD_INPUT, False),
    (r"failed to (fetch|download|load)|too (small|large)|must be", FailureKind.BAD_INPUT, False),
)

# Oxen's own text, not one that it passes on: nothing was begun, so nothing is paid.
_NOT_PAID = re.compile(r"\s*insufficient credits\b", re.IGNORECASE)
_GENERAL = frozenset({400, 403, 422})
_SPECIFIC = frozenset({FailureKind.NO_CREDIT, FailureKind.MODERATED, FailureKind.THROTTLED})


class OxenOptions(Options):
    """`image_as_list` sends `input_image` as a list of one. `key_for_results` sends the key with
    result downloads from Oxen's own host, never to another."""

    base_url: ApiAddress = "https://hub.oxen.ai/api/ai"
    model: str = "luma-ray-v3-2-image-to-video"
    image_as_list: bool = False
    key_for_results: bool = True


class Oxen:
    """Adapter for the async queue of Oxen.ai."""

    name = "oxen"
    options_model = OxenOptions

    def __init__(self, options: OxenOptions, keys: KeySource, http: httpx.Client) -> None:
        self._options = options
        self._api = Api(self.name, options.base_url, bearer, keys, http)

    def check_key(self) -> Refused | Busy | None:
        return key_outcome(self._api.key_fault())

    def submit(self, request: ClipRequest) -> SubmitOutcome:
        return submit_outcome(
            self._api.call("POST", "queue", body=self._body(request)),
            lambda data: parse.at(data, "generations", 0, "generation_id"),
            target=f"model {self._options.model}",
            failure_of=_refusal,
        )

    def status(self, provider_job_id: str, _: Addresses = NO_ADDRESSES, /) -> StatusOutcome:
        found = status_row(self._api.call("GET", "queue", provider_job_id), "status")
        if not isinstance(found, tuple):
            return found
        answer, row, status = found
        if status == "succeeded":
            return self._result(answer, provider_job_id, row.get("result_url"))
        if status == "failed":
            return Failed(_job_failure(answer, row.get("error_message")))
        if status == "cancelled":
            return Failed(Failure(FailureKind.CANCELLED, "cancelled at Oxen.ai"))
        return pending_outcome(answer, status, PHASES)

    def cancel(self, provider_job_id: str, _: Addresses = NO_ADDRESSES, /) -> CancelOutcome:
        return cancel_outcome(self._api.call("DELETE", "queue", provider_job_id))

    def find_orders(
        self, request: ClipRequest, since: datetime, until: datetime
    ) -> list[str] | None:
        return self._listed(Search(request, since, until))

    def list_orders(self, since: datetime, until: datetime) -> list[str] | None:
        return self._listed(Search(None, since, until))

    def _listed(self, search: Search) -> list[str] | None:
        # Active jobs first: one that ends meanwhile then shows among the ended.
        for status in ("", *ENDS):
            wanted = {"model": self._options.model} | ({"status": status} if status else {})
            reply = self._api.call("GET", "queue", params=wanted, cap=LIST_CAP)
            rows = rows_of(reply)
            count = field_of(reply, "count")
            if rows is None or not (count is None or count == len(rows)):
                search.mark_incomplete()
            for row in rows or ():
                search.check(
                    parse.at(row, "generation_id"),
                    parse.at(row, "enqueued_at"),
                    parse.at(row, "prompt"),
                    parse.at(row, "input_image"),
                )
        return search.ids()

    def access(self) -> Access:
        return access_outcome(self._api.call("GET", "queue", params={"model": self._options.model}))

    def inputs(self) -> Inputs | Failure:
        reply = self._api.call("GET", "models", self._options.model)
        if not isinstance(reply, Answer) or not reply.ok:
            return unread(reply)
        return read_inputs(parse.at(reply.data, "json_request_schema"), _SENT, _KNOWN)

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

    def _result(self, answer: Answer, provider_job_id: str, result_url: object) -> StatusOutcome:
        address = parse.url(result_url)
        if address is None:
            return without_clip(answer, "succeeded")
        ours = self._options.key_for_results and self._api.is_own_address(address)
        headers = self._api.auth_headers() if ours else {}
        reply = self._api.call("GET", "generations", provider_job_id)
        cost = parse.usd(parse.at(field_of(reply, "generation"), "cost"))
        return Ready(address, headers, cost)


def _refusal(answer: Answer) -> Failure:
    """As the HTTP status says, unless the text of a general one names credit, filter or pace."""
    failure = http_failure(answer)
    code = answer.short_word(parse.at(answer.data, "error", "type")) or failure.code
    kind, retryable = _by_text(answer.message)
    if answer.status not in _GENERAL or kind not in _SPECIFIC:
        kind, retryable = failure.kind, failure.retryable
    return Failure(kind, failure.message, code, answer.status, retryable)


def _by_text(message: str) -> tuple[FailureKind, bool]:
    for pattern, kind, retryable in TEXTS:
        if re.search(pattern, message, re.IGNORECASE):
            return kind, retryable
    return FailureKind.UNEXPECTED, False


def _job_failure(answer: Answer, error_message: object) -> Failure:
    message = answer.safe(parse.reason_in(error_message)) or "failed without a reason"
    kind, retryable = _by_text(message)
    billed = False if _NOT_PAID.match(message) else None
    return Failure(kind, message, retryable=retryable, billed=billed)
