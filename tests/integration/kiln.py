"""Kiln, a provider that does not exist: the example of docs/adding-a-provider.md.

One POST, then GET until `done` or `broken`. It has no list of past orders.
"""

from __future__ import annotations

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
    without_clip,
)
from dropreel.providers.client import Api, bearer
from dropreel.providers.config import Options

PHASES = {"waiting": Phase.QUEUED, "firing": Phase.RUNNING}


class KilnOptions(Options):
    base_url: str = "https://api.kiln.example/v1"
    model: str = "clip-1"


class Kiln:
    """Adapter for Kiln."""

    name = "kiln"
    options_model = KilnOptions

    def __init__(self, options: KilnOptions, keys: KeySource, http: httpx.Client) -> None:
        self._model = options.model
        self._api = Api(self.name, options.base_url, bearer, keys, http)

    def check_key(self) -> Refused | Busy | None:
        return key_outcome(self._api.key_fault())

    def submit(self, request: ClipRequest) -> SubmitOutcome:
        body = {
            "model": self._model,
            "prompt": request.prompt,
            "image": request.image_url,
            "shape": request.aspect_ratio,
            "size": request.resolution,
            "length": request.duration,
        }
        reply = self._api.call("POST", "clips", body=body)
        return submit_outcome(
            reply, lambda data: parse.at(data, "clip", "id"), target=f"model {self._model}"
        )

    def status(self, provider_job_id: str, _: Addresses = NO_ADDRESSES, /) -> StatusOutcome:
        found = status_row(self._api.call("GET", "clips", provider_job_id), "phase")
        if not isinstance(found, tuple):
            return found
        answer, row, phase = found
        if phase == "broken":
            reason = answer.safe(parse.text(row.get("reason"))) or "failed without a reason"
            return Failed(Failure(FailureKind.UNEXPECTED, reason))
        if phase != "done":
            return pending_outcome(answer, phase, PHASES)
        address = parse.url(row.get("file"))
        return Ready(address) if address else without_clip(answer, phase)

    def cancel(self, provider_job_id: str, _: Addresses = NO_ADDRESSES, /) -> CancelOutcome:
        return cancel_outcome(self._api.call("DELETE", "clips", provider_job_id))

    def find_orders(
        self, request: ClipRequest, since: datetime, until: datetime
    ) -> list[str] | None:
        return None

    def list_orders(self, since: datetime, until: datetime) -> list[str] | None:
        return None

    def access(self) -> Access:
        return access_outcome(self._api.call("GET", "account"))

    def inputs(self) -> None:
        return
