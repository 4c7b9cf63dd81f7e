"""each::labs predictions: POST and GET `/v1/prediction`, the list in `/v1/executions`.

Source: each::labs docs (predictions, errors, Video API error catalog) and OpenAPI, 2026-11.
They contradict one another on the word for a failed job, on the shape of an output and on what
a failure costs, so all forms are taken, and a failure counts as unbilled only when its own
`metrics.cost` says so.
"""

from __future__ import annotations

from collections.abc import Mapping
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
from dropreel.providers.classify import NO_OUTPUT, cancelled, pending, row_of, submitted
from dropreel.providers.client import LIST_CAP, Answer, Api, bearer, tracing

if TYPE_CHECKING:
    from dropreel.providers.config import EachlabsOptions

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

_PAGE = 100
_LOOKUPS = 50


def _x_api_key(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


class Eachlabs:
    """Adapter for the prediction API of each::labs."""

    name = "eachlabs"
    has_history = True

    def __init__(self, options: EachlabsOptions, keys: KeySource, http: httpx.Client) -> None:
        self._options = options
        scheme = bearer if options.auth == "bearer" else _x_api_key
        self._api = Api(self.name, options.base_url, scheme, keys, http)

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
            headers=tracing(request.job_id),
        )
        return submitted(reply, _prediction_id, handle=f"model {self._options.model}")

    def status(self, provider_job_id: str) -> StatusOutcome:
        found = row_of(self._api.call("GET", "v1", "prediction", provider_job_id), "status")
        if not isinstance(found, tuple):
            return found
        answer, row, status = found
        cost = reading.usd(reading.at(row, "metrics", "cost"))
        billed = None if cost is None else cost > 0
        if status == "success":
            address = reading.url_within(row.get("output"))
            if address:
                return Ready(address, cost_usd=cost)
            message = "success, but without a clip"
            failure = Failure(FailureKind.UNEXPECTED, message, code=NO_OUTPUT, billed=billed)
            return Failed(failure)
        if status in FAILED_WORDS:
            return Failed(_job_failure(answer, row, billed))
        if status == "cancelled":
            return Failed(Failure(FailureKind.CANCELLED, "cancelled at each::labs", billed=billed))
        return pending(answer, status, PHASES)

    def cancel(self, provider_job_id: str) -> CancelOutcome:
        return cancelled(self._api.call("POST", "v1", "prediction", provider_job_id, "cancel"))

    def find(self, request: ClipRequest, since: datetime, until: datetime) -> list[str] | None:
        search = history.Search(request, since, until)
        lookups = 0
        for page in range(history.MAX_PAGES):
            rows = self._executions(search, page)
            if rows is None:
                search.doubt()
                break
            for row in rows:
                lookups += self._weigh(row, search, lookups < _LOOKUPS)
            if len(rows) < _PAGE:
                break
        else:
            search.doubt()
        return search.ids()

    def _executions(self, search: history.Search, page: int) -> list[object] | None:
        wanted = {
            "model": self._options.model,
            "from": history.stamp(search.since),
            "to": history.stamp(search.until),
            "limit": str(_PAGE),
            "offset": str(page * _PAGE),
        }
        return history.rows_of(
            self._api.call("GET", "v1", "executions", params=wanted, cap=LIST_CAP)
        )

    def _weigh(self, row: object, search: history.Search, may_look: bool) -> bool:
        """Weigh one listed run; the list does not show inputs, so they are looked up (True)."""
        made, listed_id = reading.at(row, "created_at"), reading.job_id(reading.at(row, "id"))
        values = reading.at(row, "input")
        looked = False
        if values is None and listed_id and may_look and search.holds(reading.moment(made)):
            reply = self._api.call("GET", "v1", "prediction", listed_id)
            values = reading.at(reply.data, "input") if isinstance(reply, Answer) else None
            looked = True
        prompt, image = (reading.at(values, self._field(name)) for name in ("prompt", "image_url"))
        search.weigh(listed_id, made, prompt, image)
        return looked

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


def _prediction_id(data: object) -> object:
    """`predictionID`; one page of the docs shows `id` instead."""
    return reading.at(data, "predictionID") or reading.at(data, "id")


def _job_failure(answer: Answer, row: Mapping[str, object], billed: bool | None) -> Failure:
    told = row.get("output")
    code = answer.word(reading.at(told, "error_code")) or None
    category = reading.text(reading.at(told, "classification", "category"))
    fallback = (CATEGORIES.get(category, FailureKind.UNEXPECTED), None)
    kind, retryable = ERROR_CODES.get(code or "", fallback)
    reason = answer.safe(
        reading.text(reading.at(told, "error_message")) or reading.told([told, row.get("error")])
    )
    named = {category.lower(), (code or "").lower()}
    if "content_moderation" in named or reading.moderated(reason):
        kind, retryable = FailureKind.MODERATED, False
    return Failure(
        kind,
        reason or code or "failed without a reason",
        code=code,
        retryable=reading.at(told, "retryable") is True if retryable is None else retryable,
        billed=billed,
    )
