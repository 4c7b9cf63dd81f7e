"""Ordering the clip from its provider: the one step of the workflow that costs money.

Invariant: the ledger moves to `submitting`, with the money set aside, before the POST, and moves
on after the answer. Whoever finds a job in `submitting` therefore knows that a POST may have been
sent, and never sends another. Everything that can fail without the provider is done before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from dropreel.clips.addresses import ImageAddresses, ImageSettings
from dropreel.clips.bucket import order_of
from dropreel.errors import ContentionError
from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import BUSY, ENDS, Job, Reservation, State, from_iso, utc_iso
from dropreel.ledger.breaker import Breaker, Stopped, limited_s
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.newest import NewestDrops
from dropreel.ledger.pause import Pauses
from dropreel.ledger.slots import Slots, SlotSettings
from dropreel.mail.publisher import OperatorsSettings
from dropreel.money.budget import CapReachedError
from dropreel.money.policy import reserved_amount
from dropreel.observability import MetricUnit, logger, metrics, report_failure
from dropreel.providers.base import (
    IMAGE_NOT_FETCHED,
    Accepted,
    Busy,
    Failure,
    Limited,
    Provider,
    Refused,
    SubmitOutcome,
    Unknown,
)
from dropreel.providers.config import ProviderSettings
from dropreel.settings import LedgerSettings
from dropreel.steps.after_order import AfterOrder
from dropreel.steps.allowance import Allowance, AllowanceSettings, NextDay
from dropreel.steps.cancel import end_before_order
from dropreel.steps.lost_order import STALE_S, mark_unknown, move_once, note_order
from dropreel.steps.outcomes import (
    Ended,
    GenerateEvent,
    GenerateOutcome,
    OrderAccepted,
    SearchOrder,
    Wait,
)
from dropreel.steps.watch import Watcher, WatchSettings, waited_enough
from dropreel.waiting.schedule import SEARCH_FIRST_S, busy_wait

if TYPE_CHECKING:
    from dropreel.container import Container

_CONTENTION_WAIT_S = 2
_NOTE_PAUSES_S = (1, 2, 3)  # between the tries to note an answer
_UNPLANNED_S = 30
_Patience = Callable[[float | None], int] | None  # how long to wait for a busy provider, or no more
_AWAY = (BotoCoreError, ClientError, ContentionError)


class GenerateSettings(
    LedgerSettings,
    ProviderSettings,
    SlotSettings,
    AllowanceSettings,
    WatchSettings,
    OperatorsSettings,
    ImageSettings,
):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate:
    """What the `generate` function does with one job."""

    ledger: Ledger
    newest: NewestDrops
    pauses: Pauses
    addresses: ImageAddresses
    provider: Callable[[str], Provider]
    watcher: Watcher
    breaker: Breaker
    after_order: AfterOrder
    allowance: Allowance
    slots: Slots
    deadline: timedelta
    unpaid_wait: timedelta
    now: Callable[[], datetime]
    sleep: Callable[[float], None]

    @classmethod
    def build(cls, container: Container) -> Self:
        settings = container.settings(GenerateSettings)
        return cls(
            ledger=container.ledger,
            newest=NewestDrops(container.table),
            pauses=Pauses(container.table),
            addresses=container.image_addresses,
            provider=container.provider,
            watcher=Watcher.build(container),
            breaker=Breaker(container.table),
            after_order=AfterOrder.build(container, settings.caps()),
            allowance=Allowance.build(container),
            slots=container.slots,
            deadline=container.deadline,
            unpaid_wait=timedelta(hours=settings.unpaid_wait_hours),
            now=container.now,
            sleep=container.sleep,
        )

    def handle(self, event: GenerateEvent) -> GenerateOutcome:
        """Order once, or say why not now.

        The job comes with a slot; it keeps it as long as the provider may be working on it.
        """
        job = self.ledger.require(event.job_id)
        outcome = self._generate(job, event)
        if isinstance(outcome, Ended):
            self._give_back(job)
        return outcome

    def _generate(self, job: Job, event: GenerateEvent) -> GenerateOutcome:
        if job.state is not State.CLAIMED:
            return self._repeated(job)
        if held_back := self._held_back(job):
            return held_back
        early = event.ask_at - self.now().timestamp()
        if early > 0:
            return Wait(math.ceil(early), job.state)
        if job.waits_until > utc_iso(self.now()):
            return self._until(job, from_iso(job.waits_until))
        try:
            allowed = self.allowance.of(job)
        except ContentionError:
            return Wait(_CONTENTION_WAIT_S, job.state)
        if not isinstance(allowed, Job):
            return self._not_allowed(job, allowed, event.tries)
        return self._allowed(allowed, event)

    def _allowed(self, job: Job, event: GenerateEvent) -> GenerateOutcome:
        if stopped := self.breaker.stopped(job.provider, job.job_id, self.now().timestamp()):
            return self._wait_for_provider(job, stopped, event.tries)
        return self._order(replace(job, execution=event.execution_id), event.tries)

    def _held_back(self, job: Job) -> Wait | Ended | None:
        """By an operator, or by newer files. In a pause the job goes back to the line."""
        if job.cancel_requested:
            return Ended(end_before_order(self.ledger, self.slots, job).state)
        if self.pauses.read():
            self._give_back(job)
            return Wait(1, job.state)
        return self._replaced(job)

    def _replaced(self, job: Job) -> Wait | Ended | None:
        """The newest drop of an image wins while nothing is paid, also one that settles."""
        newest = self.newest.of(job.source)
        if newest.replaces(job):
            message = f"the newer files are job {', '.join(newest.jobs_of(job))}"
            return self._refuse(job, JobFailure.of(FailureKind.REPLACED, message))
        settling = newest.settling_until - self.now().timestamp()
        return Wait(math.ceil(settling), job.state) if settling > 0 else None

    def _repeated(self, job: Job) -> GenerateOutcome:
        """The step was run before: say what came of it, and order nothing."""
        if job.state is State.SUBMITTING:
            age = (self.now() - from_iso(job.asked_at)).total_seconds()
            return SearchOrder(max(1, int(STALE_S - age)))
        if job.state is State.UNKNOWN:
            return SearchOrder(SEARCH_FIRST_S)
        return Ended(job.state) if job.state in ENDS else OrderAccepted(1, State.SUBMITTED)

    def _order(self, job: Job, tries: int) -> GenerateOutcome:
        provider = self.provider(job.provider)
        if trouble := provider.check_key():
            return self._without_key(job, trouble, tries)
        # Last before the money is set aside, so that the address lives as long as it can.
        request = order_of(job, self.addresses.session())
        # Now, because nothing may come between the answer and its note.
        patience = None if self._waited_enough(job) else partial(busy_wait, tries=tries)
        try:
            job = self._begin(job)
        except CapReachedError as error:
            return self._not_allowed(job, self.allowance.over_cap(job, error), tries)
        except ContentionError:
            return Wait(_CONTENTION_WAIT_S, job.state)
        answer = provider.submit(request)
        outcome = self._noted(job, answer, patience)
        self.after_order.note(job, answer)
        return outcome

    def _noted(self, job: Job, answer: SubmitOutcome, patience: _Patience) -> GenerateOutcome:
        """What follows from the answer, which must not be lost: an order's ID is logged, then the
        ledger notes the answer, and if that cannot be, the workflow takes it along."""
        if isinstance(answer, Accepted):
            logger.info("order accepted", provider_job_id=answer.provider_job_id)
            metrics.add_metric("ClipOrdered", MetricUnit.Count, 1)
        for pause in (*_NOTE_PAUSES_S, None):
            try:
                return self._settle(job, answer, patience)
            except _AWAY:
                logger.exception("the answer was not noted")
            if pause:
                self.sleep(pause)
        match answer:
            case Accepted(provider_job_id):
                return OrderAccepted(_UNPLANNED_S, State.SUBMITTED, provider_job_id)
            case Refused() | Busy():
                return SearchOrder(_UNPLANNED_S, refused_order=job.order_ref)
            case Unknown():
                return SearchOrder(SEARCH_FIRST_S)

    def _without_key(self, job: Job, trouble: Busy | Refused, tries: int) -> Wait | Ended:
        """Nothing was sent: without a key nothing can be ordered."""
        failure = trouble.failure.of_job()
        if isinstance(trouble, Refused):  # else nothing is known of the provider
            self.after_order.note(job, trouble)
        if isinstance(trouble, Busy) and not self._waited_enough(job):
            seconds = busy_wait(trouble.retry_after, tries)
            self._give_back(job, seconds)
            return Wait(seconds, job.state)
        moved = self.allowance.rules.next_provider(job, failure.kind)
        return self._fail_over(job, moved, {}) if moved else self._refuse(job, failure)

    def _begin(self, job: Job) -> Job:
        """The point of no return: from here on this job may have been paid."""
        now, amount = self.now(), reserved_amount(job)
        held = job.reservation if job.group else None
        reservation = held.of(amount) if held else Reservation.at(now, amount)
        return self.ledger.move_reserving(
            job,
            State.SUBMITTING,
            reservation,
            self.allowance.rules.caps,
            asked_at=utc_iso(now),
            ready_at="",
            deadline_at=utc_iso(now + self.deadline),
            execution=job.execution,
            provider_job_id="",
            attempts=job.ordering(utc_iso(now)),
        )

    def _settle(self, job: Job, answer: SubmitOutcome, patience: _Patience) -> GenerateOutcome:
        match answer:
            case Accepted():
                note_order(self.ledger, job, answer)
                return OrderAccepted(self.watcher.over(job).wait_s(), State.SUBMITTED)
            case Unknown(failure):
                return self._lost(job, failure.of_job())
            case Busy() if patience:
                return self._busy(job, answer, patience(answer.retry_after))
            case Refused(failure) if _wants_fresh_address(job, failure):
                return self._busy(job, Busy(failure), _CONTENTION_WAIT_S)
            case Refused(failure) | Busy(failure):
                return self._refused(job, failure.of_job())

    def _waited_enough(self, job: Job) -> bool:
        return waited_enough(job, self.unpaid_wait, self.now(), self.pauses.read())

    def _lost(self, job: Job, failure: JobFailure) -> SearchOrder:
        """Nobody knows whether the order was taken: the money stays set aside."""
        mark_unknown(self.ledger, job, replace(failure, kind=FailureKind.LOST_ANSWER))
        report_failure("the provider's answer was lost", failure, logger.error)
        return SearchOrder(SEARCH_FIRST_S, State.UNKNOWN)

    def _busy(self, job: Job, busy: Busy, seconds: int) -> Wait:
        failure = busy.failure.of_job()
        report_failure("the provider is busy", failure)
        facts = {**job.kept(), "attempts": job.attempted(outcome=BUSY, reason=failure.message)}
        job = move_once(self.ledger, job, State.CLAIMED, failure=failure, **facts)
        self._give_back(job, limited_s(busy) or seconds, full=busy.limited is Limited.JOBS)
        return Wait(seconds, job.state)

    def _refused(self, job: Job, failure: JobFailure) -> Wait | Ended:
        report_failure("the provider refused", failure)
        attempts = job.attempted(outcome=State.REFUSED.value, reason=failure.message)
        facts = {"failure": failure, "attempts": attempts}
        moved = self.allowance.rules.next_provider(job, failure.kind)
        if moved:
            return self._fail_over(job, moved, {**facts, **job.kept()})
        return Ended(move_once(self.ledger, job, State.REFUSED, **facts, **job.released()).state)

    def _refuse(self, job: Job, failure: JobFailure) -> Ended:
        """Refuse a job that no provider has seen yet."""
        logger.warning("not ordered", kind=failure.kind.value)
        return Ended(self.ledger.move(job, State.REFUSED, failure=failure, **job.released()).state)

    def _not_allowed(self, job: Job, why: JobFailure | NextDay, tries: int) -> Wait | Ended:
        """Refuse the job, or let it wait for the next day once people were mailed so."""
        if isinstance(why, JobFailure):
            return self._refuse(job, why)
        return self._until(job, self.allowance.put_off(job, why, tries))

    def _until(self, job: Job, moment: datetime) -> Wait:
        """Come back then; others may have the slot."""
        self._give_back(job)
        return Wait(math.ceil((moment - self.now()).total_seconds()), job.state)

    def _wait_for_provider(self, job: Job, stopped: Stopped, tries: int) -> Wait | Ended:
        """The circuit breaker is open: go elsewhere, wait, or give up unpaid. With a rate limit
        the job waits and keeps its slot, as others could not order either."""
        logger.warning("no orders to this provider for now", seconds=stopped.seconds)
        if stopped.limited and not self._waited_enough(job):
            return Wait(busy_wait(stopped.seconds, tries), job.state)
        outage = job.failure.kind if job.failure else FailureKind.UNREACHABLE
        kind = FailureKind.THROTTLED if stopped.limited else outage
        moved = self.allowance.rules.next_provider(job, kind)
        if moved:
            return self._fail_over(job, moved, {})
        if not self._waited_enough(job):
            self._give_back(job, stopped.seconds)
            return Wait(stopped.seconds, job.state)
        message = f"{job.provider} has taken no order for a long time"
        return self._refuse(job, JobFailure(kind, message, billed=False))

    def _fail_over(self, job: Job, moved: Job, facts: dict[str, Any]) -> Wait:
        logger.warning("moved to another provider", to=moved.provider)
        metrics.add_metric("JobMoved", MetricUnit.Count, 1)
        changed = ("provider", "first_provider", "estimate_usd", "unconfirmed")
        facts = {**facts, **{name: getattr(moved, name) for name in changed}}
        claimed = move_once(self.ledger, job, State.CLAIMED, **facts)
        self._give_back(job)
        return Wait(1, claimed.state)

    def _give_back(self, job: Job, pause: float = 0, *, full: bool = False) -> None:
        """Give the slot back. Never a reason to fail the job: if not now, the sweep does it."""
        try:
            if pause:
                self.slots.back_off(job, pause, full=full)
            else:
                self.slots.release(job)
        except _AWAY:
            logger.exception("the slot was not given back")


def _wants_fresh_address(job: Job, failure: Failure) -> bool:
    """The provider could not fetch the image: once, another address of it is worth a try."""
    if failure.code != IMAGE_NOT_FETCHED:
        return False
    return job.failure is None or job.failure.code != IMAGE_NOT_FETCHED
