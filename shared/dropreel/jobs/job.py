"""A job: one image with one set of settings on its way to one clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from dropreel.jobs.failure import JobFailure
from dropreel.jobs.naming import clip_key, clip_name, execution_name, output_folder

BUSY = "busy"


class State(StrEnum):
    """Where a job stands. Allowed steps between states: `ledger.TRANSITIONS`."""

    CLAIMED = "claimed"  # ours to order; no provider has got an order yet
    SUBMITTING = "submitting"  # the one POST is under way, or its process died
    SUBMITTED = "submitted"  # the provider has the job and we have its id
    REFUSED = "refused"  # the answer proved that nothing was made
    UNKNOWN = "unknown"  # a clip may or may not have been made and paid
    RUNNING = "running"
    READY = "ready"
    DELIVERED = "delivered"
    FAILED = "failed"
    STALLED = "stalled"  # not done in time, or done but not fetched; the clip may still come
    CANCELLED = "cancelled"

    @property
    def label(self) -> str:
        """The state in words for people, the same on the dashboard and in the command's lists."""
        return _LABELS.get(self, self.value)


_LABELS = {
    State.CLAIMED: "waiting",
    State.SUBMITTING: "being ordered",
    State.SUBMITTED: "ordered",
    State.RUNNING: "being made",
    State.READY: "being stored",
    State.UNKNOWN: "payment unknown",
}

# No step of the workflow follows on these. Others may: a sweep, an operator, a new drop.
ENDS = frozenset(
    {State.REFUSED, State.UNKNOWN, State.DELIVERED, State.FAILED, State.STALLED, State.CANCELLED}
)


@dataclass(frozen=True, slots=True)
class ClipSettings:
    """What the clip shall be: everything that changes the picture, and nothing else.

    `reference_image_urls` are https addresses, and keys of images that are pinned as the source is.
    """

    prompt: str
    aspect_ratio: str
    resolution: str
    duration: str
    loop: bool = False
    reference_image_urls: tuple[str, ...] = ()
    take: int = 1


@dataclass(frozen=True, slots=True)
class Source:
    """The dropped image as it was when the job was claimed, and where its pinned copy lies.

    `sha256` is the hex digest of its bytes; empty in jobs that versions up to 0.2 claimed.
    """

    bucket: str
    key: str
    etag: str
    media_type: str
    width: int
    height: int
    pinned_key: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money set aside for one order, in the day and month in which it was sent."""

    amount_usd: Decimal
    day: str
    month: str

    @classmethod
    def at(cls, now: datetime, amount: Decimal) -> Reservation:
        moment = now.astimezone(UTC)
        return cls(amount, moment.strftime("%Y-%m-%d"), moment.strftime("%Y-%m"))

    def of(self, amount: Decimal) -> Reservation:
        """The same order at another amount: released (0) or trued up."""
        return Reservation(amount, self.day, self.month)


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """A whole clip: seconds, pixels as displayed, bytes, hex digest of all bytes."""

    duration_s: float
    width: int
    height: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One order at one provider. `outcome` is the state it led to, or `busy`."""

    provider: str
    asked_at: str
    run: int = 1
    estimate_usd: Decimal | None = None
    provider_job_id: str = ""
    outcome: str = ""
    ended_at: str = ""
    cost_usd: Decimal | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One job as the ledger holds it. Times are ISO 8601 in UTC, money is US dollars.

    `run` counts how often people dropped the same pair again after an end without a clip;
    `dropped_at` is the upload time that started this run, `newest_drop_at` a newer one that
    started nothing. They tell a new drop from an old event.
    `provider`, `provider_job_id`, `asked_at` and `ready_at` are those of the newest attempt;
    `order_ref` tells it from every other one. `addresses` holds, by the ID of an order, where its
    provider has said to ask about it. `first_provider` is set when the job has moved
    to another one. `reservation` is what the job holds of the budget; amount 0 when it cannot cost
    anything any more. `execution` is the one that has taken charge of the job last. `priority`
    orders those who wait for the same provider. `remark` says how a delivered clip differs from
    its order. `group` is the one that claimed this run, empty for a job of its own, and
    `group_take` the number of the take in its list (from 1). `waits_until` is the beginning of the
    day for which the job waits, or has waited, because of the day's cap.
    `labels` are the dropper's own words; `origins` tells by field from which file its value came;
    `batch` names the version of a batch file in which the job has its row. `references` tells by
    pinned key which image of the inbox (`/` and its key) guides the look. `advice`: what could
    make the clip better, noticed before it was ordered. `cancel_requested` is when an operator
    cancelled the job, empty if nobody did, and `cancel_answer` what the provider said to it.
    `order_named` is the order's ID where an operator has named it.
    """

    job_id: str
    state: State
    source: Source
    settings: ClipSettings
    provider: str
    dropped_at: str
    created_at: str
    newest_drop_at: str = ""
    priority: str = "normal"
    run: int = 1
    provider_job_id: str = ""
    asked_at: str = ""
    order_ref: str = ""
    addresses: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    ready_at: str = ""
    deadline_at: str = ""
    execution: str = ""
    first_provider: str = ""
    attempts: tuple[Attempt, ...] = ()
    estimate_usd: Decimal | None = None
    cost_usd: Decimal | None = None
    max_cost_usd: Decimal | None = None
    reservation: Reservation | None = None
    unconfirmed: tuple[str, ...] = ()
    failure: JobFailure | None = None
    clip: ClipInfo | None = None
    remark: str = ""
    delivered_at: str = ""
    cancel_requested: str = ""
    cancel_answer: str = ""
    order_named: str = ""
    group: str = ""
    waits_until: str = ""
    labels: tuple[str, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)
    batch: str = ""
    references: Mapping[str, str] = field(default_factory=dict)
    advice: tuple[str, ...] = ()
    group_take: int = 0

    def ordering(self, asked_at: str) -> tuple[Attempt, ...]:
        """The attempts with a new one; a try at a busy provider is replaced, not kept."""
        before = self.attempts
        if before and before[-1].outcome == BUSY:
            before = before[:-1]
        return (*before, Attempt(self.provider, asked_at, self.run, self.estimate_usd))

    def attempted(self, **changes: Any) -> tuple[Attempt, ...]:
        """The attempts with `changes` to the newest."""
        if not self.attempts:
            return ()
        return (*self.attempts[:-1], replace(self.attempts[-1], **changes))

    def released(self) -> dict[str, Any]:
        """Facts that free the money of a job that cannot cost anything any more.

        Nothing frees that of an order whose clip was ready: it is made, whatever is said later.
        """
        if self.reservation is None or self.ready_at:
            return {}
        return {"reservation": self.reservation.of(0 * self.reservation.amount_usd)}

    def failed_with(self, failure: JobFailure) -> JobFailure:
        """`failure`, whose word that nothing is billed does not count once a clip was ready."""
        made = self.ready_at and failure.billed is False
        return replace(failure, billed=None) if made else failure

    def kept(self) -> dict[str, Any]:
        """Facts of a job that made nothing and is to be ordered again.

        One of a group keeps its money, which was set aside for all or none.
        """
        return {} if self.group else self.released()

    @property
    def is_unbilled(self) -> bool:
        """Whether the provider's word, or the kind of failure, proves that nothing was billed."""
        return self.failure is not None and self.failure.billed is False

    @property
    def may_start_again(self) -> bool:
        """Whether a new drop of the same files starts the job again: it is over, and unpaid."""
        if self.state is State.REFUSED:
            return True
        return self.state in (State.FAILED, State.CANCELLED) and self.is_unbilled

    @property
    def orders(self) -> int:
        """How many orders providers have taken in this run."""
        taken = [attempt for attempt in self.attempts if attempt.provider_job_id]
        return sum(1 for attempt in taken if attempt.run == self.run)

    @property
    def order_addresses(self) -> Mapping[str, str]:
        """Those of the newest order; none if its provider has named none."""
        return self.addresses.get(self.provider_job_id, {})

    @property
    def clip_key(self) -> str:
        return clip_key(self.source.key, self.job_id)

    @property
    def clip_name(self) -> str:
        """What its clip is called when it is saved; no two takes of a group are called the same."""
        return clip_name(self.source.key, self.settings.take, self.group_take)

    @property
    def quarantine_key(self) -> str:
        """Where a file is kept that was paid for and is no video."""
        return f"quarantine/{self.job_id}-{self.run}"

    @property
    def record_key(self) -> str:
        return f"{output_folder(self.source.key)}/{self.job_id}.json"

    @property
    def mail_id(self) -> str:
        """The id of the mail about the state this job is in."""
        return f"{self.job_id}-{self.run}-{self.state}"

    @property
    def operators_mail_id(self) -> str:
        return f"{self.mail_id}-operators"

    @property
    def execution_name(self) -> str:
        return execution_name(self.source.key, self.job_id, self.run)


@dataclass(frozen=True, slots=True)
class JobSummary:
    """What lists tell of a job, and all that the ledger's index of the newest holds."""

    job_id: str
    state: State
    image_key: str
    provider: str
    created_at: str
    run: int
    execution: str
    failure: JobFailure | None
    estimate_usd: Decimal | None
    cost_usd: Decimal | None

    @property
    def clip_key(self) -> str:
        return clip_key(self.image_key, self.job_id)

    @property
    def execution_name(self) -> str:
        return execution_name(self.image_key, self.job_id, self.run)


def workflow_input(job: Job) -> dict[str, Any]:
    """What an execution is started with: small, and what an operator wants to see first."""
    settings = job.settings
    return {
        "job_id": job.job_id,
        "image": job.source.key,
        "provider": job.provider,
        "settings": f"{settings.duration} {settings.resolution} {settings.aspect_ratio}",
        "estimate_usd": "unknown" if job.estimate_usd is None else f"{job.estimate_usd:.2f}",
        "run": job.run,
    }


def utc_iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_iso(text: str) -> datetime:
    return datetime.fromisoformat(text)
