"""each::labs predictions: POST and GET `/v1/prediction`, the list in `/v1/executions`.

Source: each::labs docs (predictions, errors, Video API error catalog) and OpenAPI, 2026-11.
They contradict one another on the word for a failed job and on the shape of an output, so all
forms are taken. That failed jobs cost nothing is documented for another product only, so a
`metrics.cost` of 0 does not prove it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Literal

import httpx
from pydantic import Field

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
    key_outcome,
    pending_outcome,
    status_row,
    submit_outcome,
    unread,
    without_clip,
)
from dropreel.providers.client import LIST_CAP, Answer, Api, Reply, bearer, trace_headers
from dropreel.providers.config import ApiAddress, Options
from dropreel.providers.schema import read_inputs
from dropreel.providers.search import Search, field_of, iso_time, rows_of
from dropreel.providers.verdicts import Sign

PHASES = {"created": Phase.QUEUED, "starting": Phase.QUEUED, "processing": Phase.RUNNING}
FAILED_WORDS = frozenset({"error", "failed"})

# `error_code` of a failed job: its kind, and whether a new submit may succeed. None: as the
# job's own `retryable` says. PROVIDER_FAILED is worth one more try though it says otherwise;
# PROVIDER_AUTH_ERROR is about the key of each::labs upstream, never about ours.
ERROR_CODES: dict[str, tuple[FailureKind, bool | None]] = {
    "INPUT_VALIDATION_ERROR": (FailureKind.BAD_INPUT, False),
    "PROVIDER_BAD_REQUEST": (FailureKind.BAD_INPUT, False),
    "PROVIDER_REJECTED": (FailureKind.BAD_INPUT, False),
    "INPUT_DOWNLOAD_ERROR": (FailureKind.BAD_INPUT, False),
    "PROVIDER_FAILED": (FailureKind.TRANSIENT, True),
    "PROVIDER_RATE_LIMIT": (FailureKind.THROTTLED, None),
    "PROVIDER_SERVER_ERROR": (FailureKind.TRANSIENT, None),
    "NETWORK_ERROR": (FailureKind.TRANSIENT, None),
    "EXECUTION_TIMEOUT": (FailureKind.TRANSIENT, None),
    "PROVIDER_AUTH_ERROR": (FailureKind.TRANSIENT, None),
    "PIPELINE_CONFIG_ERROR": (FailureKind.TRANSIENT, None),
    "PUBLISH_FAILED": (FailureKind.TRANSIENT, None),
    "WORKER_LOST": (FailureKind.TRANSIENT, None),
}

# `classification.category`, for codes that are not in the table above.
CATEGORIES = {
    "VALIDATION": FailureKind.BAD_INPUT,
    "PROVIDER": FailureKind.TRANSIENT,
    "AUTH": FailureKind.TRANSIENT,
    "RATE_LIMIT": FailureKind.THROTTLED,
    "NETWORK": FailureKind.TRANSIENT,
    "TIMEOUT": FailureKind.TRANSIENT,
    "INTERNAL": FailureKind.TRANSIENT,
    "UNKNOWN": FailureKind.UNEXPECTED,
}

_IDS = ("predictionID", "prediction_id", "id", "execution_id", "exec_id")
_NO_CREDIT = re.compile(
    r"payment required|insufficient (balance|credit|fund)"
    r"|exceeds? your .{0,20}balance|out of credit",
    re.IGNORECASE,
)
# Fields that the same model has elsewhere, or most models here.
_KNOWN = frozenset(
    {"end_image_url", "hdr", "exr_export", "keyframes", "keyframe_indexes"}
    | {"enable_safety_checker", "seed"}
)
_PAGE = 100
_LOOKUPS = 50


def _x_api_key(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


class EachlabsOptions(Options):
    """`fields` maps our field names to the model's input names, which its page does not publish;
    the defaults are those of the same model at fal, and an empty name leaves the field out.
    `duration_as_seconds` sends 5 in place of `5s`, as an older model there wants."""

    base_url: ApiAddress = "https://api.eachlabs.ai"
    auth: Literal["bearer", "x-api-key"] = "bearer"
    model: str = "luma-ray-v3-2-image-to-video"
    version: str = "0.0.1"
    duration_as_seconds: bool = False
    fields: dict[str, str] = Field(
        default_factory=lambda: {
            "prompt": "prompt",
            "image_url": "image_url",
            "aspect_ratio": "aspect_ratio",
            "resolution": "resolution",
            "duration": "duration",
            "loop": "loop",
            "reference_image_urls": "reference_image_urls",
        }
    )


class Eachlabs:
    """Adapter for the prediction API of each::labs."""

    name = "eachlabs"
    options_model = EachlabsOptions

    def __init__(self, options: EachlabsOptions, keys: KeySource, http: httpx.Client) -> None:
        self._options = options
        scheme = bearer if options.auth == "bearer" else _x_api_key
        self._api = Api(self.name, options.base_url, scheme, keys, http)

    def check_key(self) -> Refused | Busy | None:
        return key_outcome(self._api.key_fault())

    def submit(self, request: ClipRequest) -> SubmitOutcome:
        reply = self._api.call(
            "POST",
            "v1",
            "prediction",
            body={
                "model": self._options.model,
                "version": self._options.version,
                "input": self._input(request),
            },
            headers=trace_headers(request.job_id),
        )
        return submit_outcome(
            reply, _id_in, target=f"model {self._options.model}", sign_of=_sign_of
        )

    def status(self, provider_job_id: str, _: Addresses = NO_ADDRESSES, /) -> StatusOutcome:
        found = status_row(self._api.call("GET", "v1", "prediction", provider_job_id), "status")
        if not isinstance(found, tuple):
            return found
        answer, row, status = found
        cost = parse.usd(parse.at(row, "metrics", "cost"))
        billed = True if cost else None
        if status == "success":
            address = parse.first_url(row.get("output"))
            return Ready(address, cost_usd=cost) if address else without_clip(answer, status)
        if status in FAILED_WORDS:
            return Failed(_job_failure(answer, row, billed))
        if status == "cancelled":
            return Failed(Failure(FailureKind.CANCELLED, "cancelled at each::labs", billed=billed))
        return pending_outcome(answer, status, PHASES)

    def cancel(self, provider_job_id: str, _: Addresses = NO_ADDRESSES, /) -> CancelOutcome:
        return cancel_outcome(self._api.call("POST", "v1", "prediction", provider_job_id, "cancel"))

    def find_orders(
        self, request: ClipRequest, since: datetime, until: datetime
    ) -> list[str] | None:
        return self._listed(Search(request, since, until))

    def list_orders(self, since: datetime, until: datetime) -> list[str] | None:
        return self._listed(Search(None, since, until))

    def _listed(self, search: Search) -> list[str] | None:
        lookups = seen = 0
        for _ in search.pages():
            reply = self._executions(search, seen)
            rows = rows_of(reply)
            if rows is None:
                break
            for row in rows:
                lookups += self._check(row, search, lookups < _LOOKUPS)
            seen += len(rows)
            total = field_of(reply, "total_count")
            if len(rows) < _PAGE and not (isinstance(total, int) and total > seen):
                return search.ids()
            if not rows:
                break
        search.mark_incomplete()
        return search.ids()

    def access(self) -> Access:
        reply = self._api.call("GET", "v1", "billing", "balance")
        found, balance = access_outcome(reply), field_of(reply, "balance_usd")
        known = isinstance(balance, int | float)
        return replace(found, words=f"balance ${balance:.2f}") if known else found

    def inputs(self) -> Inputs | Failure:
        reply = self._api.call("GET", "v1", "models", self._options.model)
        if isinstance(reply, Answer) and reply.status == 404:  # the address of older pages
            reply = self._api.call("GET", "v1", "model", params={"slug": self._options.model})
        if not isinstance(reply, Answer) or not reply.ok:
            return unread(reply)
        sent = {name: self._field(name) for name in EachlabsOptions().fields}
        return read_inputs(parse.at(reply.data, "request_schema"), sent, _KNOWN)

    def _executions(self, search: Search, offset: int) -> Reply:
        wanted = {
            "model": self._options.model,
            "from": iso_time(search.since),
            "to": iso_time(search.until),
            "limit": str(_PAGE),
            "offset": str(offset),
        }
        return self._api.call("GET", "v1", "executions", params=wanted, cap=LIST_CAP)

    def _check(self, row: object, search: Search, may_fetch: bool) -> bool:
        """Check one listed run. True if its inputs, which the list leaves out, were fetched."""
        created, listed_id = parse.at(row, "created_at"), _id_in(row)
        inputs = parse.at(row, "input")
        fetched = False
        may_fetch = may_fetch and not search.of_anybody
        if inputs is None and listed_id and may_fetch and search.in_window(created):
            reply = self._api.call("GET", "v1", "prediction", listed_id)
            inputs = parse.at(reply.data, "input") if isinstance(reply, Answer) else None
            fetched = True
        prompt, image = (parse.at(inputs, self._field(name)) for name in ("prompt", "image_url"))
        search.check(listed_id, created, prompt, image)
        return fetched

    def _field(self, name: str) -> str:
        return self._options.fields.get(name, name)

    def _input(self, request: ClipRequest) -> dict[str, object]:
        as_seconds = self._options.duration_as_seconds
        ours: dict[str, object] = {
            "prompt": request.prompt,
            "image_url": request.image_url,
            "aspect_ratio": request.aspect_ratio,
            "resolution": request.resolution,
            "duration": int(request.duration.rstrip("s")) if as_seconds else request.duration,
            "loop": request.loop,
            "reference_image_urls": list(request.reference_image_urls),
        }
        named = {self._field(name): value for name, value in ours.items() if value}
        return {name: value for name, value in named.items() if name}


def _id_in(data: object) -> str | None:
    """The ID of a job, under whichever name a page of the docs gives it."""
    found = (parse.usable_id(parse.at(data, name)) for name in _IDS)
    return next((job_id for job_id in found if job_id), None)


def _sign_of(answer: Answer) -> Sign:
    """A 402 counts what jobs under way may cost, so it can pass without anybody paying."""
    return Sign.IN_FLIGHT if answer.status == 402 else Sign.NOTHING


def _job_failure(answer: Answer, row: Mapping[str, object], billed: bool | None) -> Failure:
    output = row.get("output")
    code = answer.short_word(parse.at(output, "error_code")) or None
    category = parse.text(parse.at(output, "classification", "category"))
    fallback = (CATEGORIES.get(category, FailureKind.UNEXPECTED), None)
    kind, retryable = ERROR_CODES.get(code or "", fallback)
    reason = answer.safe(
        parse.text(parse.at(output, "error_message")) or parse.reason_in([output, row.get("error")])
    )
    if code is None and _NO_CREDIT.search(reason):  # it was never dispatched
        kind, retryable = FailureKind.NO_CREDIT, False
    named = {category.lower(), (code or "").lower()}
    if "content_moderation" in named or parse.tells_of_moderation(reason):
        kind, retryable = FailureKind.MODERATED, False
    return Failure(
        kind,
        reason or code or "failed without a reason",
        code=code,
        retryable=parse.at(output, "retryable") is True if retryable is None else retryable,
        billed=billed,
    )
