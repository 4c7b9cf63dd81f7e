"""Resuming a job whose end is open, as an operator says, or one that the sweep found left behind.

Invariant: an instruction changes nothing unless all of it is understood, and an order that it names
is one that the provider knows. Nothing in here orders.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dropreel.errors import OperatorError
from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import Job, State, utc_iso
from dropreel.ledger.jobs import Ledger
from dropreel.providers.base import NoAnswer, Provider
from dropreel.steps.lost_order import follow_found_order
from dropreel.steps.outcomes import Resume

_ORDER_ID = re.compile(r"(?=.*[0-9A-Za-z])[0-9A-Za-z._~:-]{1,256}")
_OPEN = (State.STALLED, State.UNKNOWN)
_NO_SUCH_JOB = (400, 404, 410, 422)  # of a status that is read: providers differ
_CANCELLED = 499  # so fal answers for the result of a cancelled job


@dataclass(frozen=True, slots=True)
class Resumption:
    """One instruction to resume a job, and what follows from it."""

    ledger: Ledger
    instruction: Resume
    now: datetime
    deadline: timedelta

    def follow(self, job: Job, provider: Callable[[str], Provider], execution: str) -> Job:
        """Take charge of the job, and follow the instruction if its end is open.

        What was followed before (a repeated step) changes nothing more. Raises OperatorError.
        """
        named = self._named_order()
        if not self._may_be_followed(job, execution):
            raise OperatorError(f"the job is {job.state}; nothing was changed")
        if named and not self.instruction.listed and named != job.provider_job_id:
            require_order(provider(job.provider), named)
        job = self.ledger.take_charge(job, execution)
        if named and (job.state in _OPEN or self._corrects(job)):
            return self._follow_order(job, named)
        if job.state not in _OPEN:
            return job
        if self.instruction.nothing_made is True:
            return self._nothing_made(job)
        if job.state is State.STALLED:
            deadline = self._new_deadline()
            return self.ledger.move(job, State.SUBMITTED, deadline_at=deadline, failure=None)
        return job

    def _may_be_followed(self, job: Job, execution: str) -> bool:
        """A job that an execution works on goes on as it is; the sweep, which has looked, says
        `left_behind` where there is none."""
        repeated = job.execution == execution
        return repeated or self.instruction.left_behind or job.state in _OPEN or self._corrects(job)

    def _corrects(self, job: Job) -> bool:
        """Whether another order is named in place of one that an operator had named before."""
        at_work = job.state in (State.SUBMITTED, State.RUNNING)
        by_hand = job.order_named and job.order_named == job.provider_job_id
        return bool(at_work and by_hand and self.instruction.provider_job_id)

    def _follow_order(self, job: Job, named: str) -> Job:
        deadline = self._new_deadline()
        if job.state not in _OPEN:
            return self._correct(job, named, deadline)
        by_hand = "" if self.instruction.listed else named
        return follow_found_order(self.ledger, job, named, deadline, order_named=by_hand)

    def _correct(self, job: Job, named: str, deadline: str) -> Job:
        attempts = job.attempted(provider_job_id=named)
        return self.ledger.note(
            job,
            provider_job_id=named,
            order_named=named,
            deadline_at=deadline,
            attempts=attempts,
        )

    def _nothing_made(self, job: Job) -> Job:
        failure = JobFailure.of(FailureKind.NOTHING_MADE, "an operator found no order")
        attempts = job.attempted(outcome=State.REFUSED.value)
        # A person says so: that frees the money even of a clip that was said to be ready.
        free = replace(job, ready_at="").released()
        return self.ledger.move(job, State.REFUSED, failure=failure, attempts=attempts, **free)

    def _new_deadline(self) -> str:
        return utc_iso(self.now + self.deadline)

    def _named_order(self) -> str:
        """The order that was named. Refuses what is not understood: a field that was misspelt, and
        a template that was not filled in."""
        if self.instruction.unknown:
            words = ", ".join(self.instruction.unknown)
            raise OperatorError(f"not understood: {words}; nothing was changed")
        named = str(self.instruction.provider_job_id).strip()
        if named and self.instruction.nothing_made:
            raise OperatorError("an order and nothing_made exclude each other; nothing was changed")
        if named and not _ORDER_ID.fullmatch(named):
            raise OperatorError(f"{named!r} is not the ID of a job at a provider")
        return named


def require_order(provider: Provider, named: str) -> None:
    """Raises OperatorError if the provider does not know this order, or cannot be asked now."""
    status = provider.status(named)
    if not isinstance(status, NoAnswer):
        return
    if status.failure.http_status in _NO_SUCH_JOB:
        raise OperatorError(f"{provider.name} knows no job {named}; nothing was changed")
    if status.failure.http_status == _CANCELLED:
        raise OperatorError(
            f"{provider.name} says that {named} was cancelled; nothing was changed. If it is not "
            "on the invoice, say --nothing-made"
        )
    reason = f": {status.failure.message}" if status.failure.message else ""
    raise OperatorError(
        f"{provider.name} could not be asked about {named}{reason}; nothing was changed, try again"
    )
