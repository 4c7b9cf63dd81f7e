"""Whether a job may be ordered now: the operator's rules, the caps, and the money of its group.

Invariant: nothing in here orders or frees money. A group is decided here, once, before the first
order of its jobs: the money of all is set aside, or none is ordered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Self

from botocore.exceptions import BotoCoreError, ClientError

from dropreel.errors import ContentionError
from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.group import Group
from dropreel.jobs.job import Job, Reservation, State, from_iso, utc_iso
from dropreel.ledger.groups import Groups
from dropreel.ledger.jobs import Ledger
from dropreel.mail.alerts import Alerts
from dropreel.mail.digest import DigestSettings
from dropreel.mail.next_day import NextDayMails
from dropreel.mail.once import LEASE_S
from dropreel.money.budget import CapReachedError
from dropreel.money.policy import SpendingRules, SpendingSettings, reserved_amount
from dropreel.observability import logger
from dropreel.steps.watch import DAY, UnpaidSettings
from dropreel.waiting.schedule import busy_wait

if TYPE_CHECKING:
    from dropreel.container import Container

_AWAY = (BotoCoreError, ClientError, ContentionError)


class AllowanceSettings(SpendingSettings, UnpaidSettings, DigestSettings):
    """What decides whether a job may be ordered now."""


@dataclass(frozen=True, slots=True)
class NextDay:
    """The day's cap is used up: the job waits, unpaid, for the day that begins at `until`.

    `clips` are those of its group that wait with it.
    """

    until: datetime
    reason: str
    clips: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """Rules and caps, as they meet one job."""

    ledger: Ledger
    groups: Groups
    rules: SpendingRules
    alerts: Alerts
    next_day_mails: NextDayMails
    unpaid_wait: timedelta
    now: Callable[[], datetime]

    @classmethod
    def build(cls, container: Container) -> Self:
        settings = container.settings(AllowanceSettings)
        return cls(
            ledger=container.ledger,
            groups=container.groups,
            rules=settings.rules(),
            alerts=container.alerts,
            next_day_mails=NextDayMails(container.send_once, container.results, container.now),
            unpaid_wait=timedelta(hours=settings.unpaid_wait_hours),
            now=container.now,
        )

    def of(self, job: Job) -> Job | JobFailure | NextDay:
        """The job as it may be ordered (one of a group with its money), or why not.

        Raises ContentionError where another job of the group has just decided.
        """
        if not job.group or job.reservation:
            return self.rules.refusal(job) or job
        return self._of_group(job, self.groups.require(job.group))

    def _of_group(self, job: Job, group: Group) -> Job | JobFailure | NextDay:
        if group.failure:
            return group.failure
        if group.decision:
            raise ContentionError(f"job {job.job_id} has got its money since it was read")
        jobs = self.groups.to_order(group)
        why = self._refusal(jobs) or self._fund(job, group, jobs)
        if isinstance(why, JobFailure):
            self.groups.refuse(group, why)
        return why or self.ledger.require(job.job_id)

    def _refusal(self, jobs: Sequence[Job]) -> JobFailure | None:
        """What the rules say to the first of them that they refuse."""
        for job in jobs:
            refusal = self.rules.refusal(job)
            if refusal:
                which = f"take {job.settings.take} at {job.provider}"
                return replace(refusal, message=f"{which}: {refusal.message}")
        return None

    def _fund(self, job: Job, group: Group, jobs: Sequence[Job]) -> JobFailure | NextDay | None:
        money = [Reservation.at(self.now(), reserved_amount(one)) for one in jobs]
        try:
            self.groups.fund(group, jobs, money, self.rules.caps)
        except CapReachedError as error:
            return self.over_cap(job, error)
        return None

    def over_cap(self, job: Job, error: CapReachedError) -> JobFailure | NextDay:
        """Refuse what would pass a cap, or let it wait for the next day."""
        self.alerts.cap_reached(error.spending)
        until = self._next_day(job, error)
        if until:
            return NextDay(until, str(error), error.clips)
        return JobFailure.of(FailureKind.OVER_CAP, str(error))

    def put_off(self, job: Job, later: NextDay, tries: int) -> datetime:
        """Let the job wait, once people were mailed that it does. Returns when to come back."""
        try:
            mailed = self.next_day_mails.send(job, later.clips, later.reason, later.until)
        except _AWAY:
            logger.exception("nobody was mailed that the job waits")
            mailed = False
        if mailed:
            waits = self.ledger.move(job, State.CLAIMED, waits_until=utc_iso(later.until))
            # Who cancels marks the job first, and then looks whether it waits.
            return self.now() + timedelta(seconds=1) if waits.cancel_requested else later.until
        return self.now() + timedelta(seconds=max(LEASE_S + 1, busy_wait(None, tries)))

    def _next_day(self, job: Job, error: CapReachedError) -> datetime | None:
        """When the next day begins, if the order may be made then."""
        now, caps = self.now(), self.rules.caps
        today = Reservation.at(now, Decimal(0))
        until = _midnight_after(now)
        waits = self.rules.wait_for_day and not job.reservation
        if not waits or error.spending.period != today.day or error.amount > caps.day:
            return None
        _, month = self.ledger.spending(today, caps)
        new_month = Reservation.at(until, Decimal(0)).month != today.month
        if not new_month and month.committed + error.amount > month.cap:
            return None
        longest = max(self.unpaid_wait, DAY if job.waits_until else 2 * DAY)
        return until if until <= from_iso(job.created_at) + longest else None


def _midnight_after(now: datetime) -> datetime:
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day + DAY
