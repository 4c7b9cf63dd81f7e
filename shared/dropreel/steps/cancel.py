"""An operator cancels a job: it is not ordered any more, or its clip is not delivered.

Invariant: the mark on the job comes first. With it no order can begin (`Ledger.move_reserving`),
and whoever works on the job ends it: `generate` before the order, `poll` and `finalize` after it,
when the provider has ended its work. So a cancelled job ends once, keeps its slot for as long as
the provider works on it, and its money for as long as it may be billed. A mark that comes while
the clip is being stored, which takes seconds, is too late: that clip is delivered.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Self

from dropreel.errors import LedgerConflictError, OperatorError
from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import Job, State, utc_iso, workflow_input
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.slots import Slots, SlotSettings
from dropreel.mail.once import SendOnce
from dropreel.observability import logger
from dropreel.providers.base import CancelOutcome, Failure, Provider
from dropreel.providers.config import ProviderSettings

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from dropreel.container import Container

NEVER_ORDERED = JobFailure(
    FailureKind.CANCELLED, "cancelled by an operator before it was ordered", billed=False
)
_TRIES = 5  # to mark a job that moves on just then
_GONE = (404, 410, 499)  # HTTP status; fal answers 499 for the result of a cancelled job
_AT_WORK = frozenset({State.SUBMITTED, State.RUNNING})
_OPEN = _AT_WORK | {State.CLAIMED, State.SUBMITTING, State.READY, State.STALLED}
_SETTLE_FIRST = "it is not known whether it was ordered: settle that first with `dropreel resume`"


class CancelSettings(ProviderSettings, SlotSettings):
    state_machine_arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """What an operator's `cancel` does with one job. May be repeated."""

    ledger: Ledger
    slots: Slots
    send_once: SendOnce
    provider: Callable[[str], Provider]
    workflow: SFNClient
    machine_arn: str
    now: Callable[[], datetime]

    @classmethod
    def build(cls, container: Container) -> Self:
        return cls(
            ledger=container.ledger,
            slots=container.slots,
            send_once=container.send_once,
            provider=container.provider,
            workflow=container.client("stepfunctions"),
            machine_arn=container.settings(CancelSettings).state_machine_arn,
            now=container.now,
        )

    def handle(self, job_id: str) -> Job:
        """Mark the job, and see to it that its execution ends it soon. Raises OperatorError."""
        job = self._mark(job_id)
        if job.state is State.CLAIMED:
            self.slots.wake_up(job)
            if job.waits_until > utc_iso(self.now()):  # its own execution sleeps until then
                self._start(job, {"left_behind": True})
        elif job.state in _AT_WORK:
            job = ask_provider(self.ledger, job, self.provider(job.provider))
        elif job.state is State.STALLED:
            self._start(job, {})  # it asks the provider once more
        return job

    def _mark(self, job_id: str) -> Job:
        for _ in range(_TRIES):
            job = self.ledger.require(job_id)
            if obstacle := self._obstacle(job):
                raise OperatorError(f"job {job_id} cannot be cancelled: {obstacle}")
            try:
                return self._marked(job)
            except LedgerConflictError:
                continue
        raise OperatorError(f"job {job_id} moves on all the time: try again")

    def _obstacle(self, job: Job) -> str:
        if job.state is State.UNKNOWN:
            return _SETTLE_FIRST
        if job.state not in _OPEN:
            return f"it is {job.state} already"
        # Else people would hear that it is late after they heard that it is cancelled.
        if job.state is State.STALLED and not self.send_once.was_sent(job.mail_id):
            return "the mail that it is late is still to be sent; try again in a minute"
        return ""

    def _marked(self, job: Job) -> Job:
        if job.cancel_requested:
            return job
        return self.ledger.note(job, cancel_requested=utc_iso(self.now()))

    def _start(self, job: Job, resume: dict[str, bool]) -> None:
        """Start an execution that ends the job, where no other would end it soon."""
        name = f"{job.execution_name[:60]}-cancel-{self.now():%Y%m%d%H%M}"
        given = json.dumps({**workflow_input(job), "resume": resume})
        try:
            self.workflow.start_execution(stateMachineArn=self.machine_arn, name=name, input=given)
        except self.workflow.exceptions.ExecutionAlreadyExists:
            logger.info("cancelled a moment ago")


def ask_provider(ledger: Ledger, job: Job, provider: Provider) -> Job:
    """Ask the provider to stop its work on the job; its first answer is noted, as who asks again
    hears that it is too late."""
    if job.cancel_answer or not job.provider_job_id:
        return job
    answer = provider.cancel(job.provider_job_id, job.order_addresses)
    held = ledger.require(job.job_id)
    if answer is CancelOutcome.NO_ANSWER or held.cancel_answer:
        return held
    try:
        return ledger.note(held, cancel_answer=answer.value)
    except LedgerConflictError:  # the next poll asks and notes
        return ledger.require(job.job_id)


def is_gone(job: Job, failure: Failure) -> bool:
    """Whether a status that cannot be read means that the provider has stopped, as it was asked.

    Of other jobs such an answer proves nothing. Here nobody wants the clip, and its money stays
    set aside.
    """
    asked = job.cancel_answer not in ("", CancelOutcome.NOT_SUPPORTED)
    return asked and failure.http_status in _GONE


# --- the ends of a cancelled job -----------------------------------------------------------------


def end_before_order(ledger: Ledger, slots: Slots, job: Job) -> Job:
    """No order was made, and none will be."""
    ended = ledger.move(job, State.CANCELLED, failure=NEVER_ORDERED, **job.released())
    slots.leave_line(ended)
    return ended


def end_made(ledger: Ledger, job: Job, cost: Decimal | None, now: datetime) -> Job:
    """The provider has made the clip all the same: it is paid for, and not stored."""
    cost = job.cost_usd if cost is None else cost
    message = f"cancelled by an operator, but {job.provider} had made the clip; it was not stored"
    failure = JobFailure(FailureKind.CANCELLED, message, billed=True)
    true = {"reservation": job.reservation.of(cost)} if job.reservation and cost is not None else {}
    return _end(ledger, job, failure, now, cost_usd=cost, **true)


def end_unmade(ledger: Ledger, job: Job, said: JobFailure, now: datetime) -> Job:
    """The provider has made no clip, or has not said so in time. `said` tells whether it bills."""
    message = f"cancelled by an operator; {job.provider}: {said.message}"
    said = replace(said, kind=FailureKind.CANCELLED, message=message, retryable=False)
    failure = job.failed_with(said)
    free = job.released() if failure.billed is False else {}
    return _end(ledger, job, failure, now, **free)


def _end(ledger: Ledger, job: Job, failure: JobFailure, now: datetime, **facts: object) -> Job:
    attempts = job.attempted(
        outcome=State.CANCELLED.value,
        ended_at=utc_iso(now),
        reason=failure.message,
        cost_usd=facts.get("cost_usd"),
    )
    return ledger.move(job, State.CANCELLED, failure=failure, attempts=attempts, **facts)
