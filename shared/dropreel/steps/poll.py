"""Polling a job that a provider has, or may have, taken.

A job whose order's answer was lost is searched for in the provider's own list, and followed from
there when it is found. Nothing in here orders anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field

from dropreel.clips.bucket import ClipsBucket
from dropreel.errors import OperatorError
from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import BUSY, Job, State, from_iso, utc_iso
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.pause import Pauses
from dropreel.ledger.slots import Slots, SlotSettings
from dropreel.observability import MetricUnit, logger, metrics, report_failure
from dropreel.providers.base import (
    Failed,
    NoAnswer,
    Pending,
    Phase,
    Provider,
    Ready,
    StatusOutcome,
)
from dropreel.providers.catalog import CATALOG
from dropreel.providers.config import ProviderSettings
from dropreel.settings import LedgerSettings
from dropreel.steps.cancel import ask_provider, end_before_order, end_made, end_unmade, is_gone
from dropreel.steps.lost_order import (
    MAX_SEARCHES,
    STALE_S,
    answer_lost,
    find_lost_orders,
    follow_found_order,
    mark_unknown,
)
from dropreel.steps.outcomes import (
    ClipReady,
    Ended,
    GenerateAgain,
    NothingToResume,
    PollEvent,
    PollOutcome,
    Wait,
)
from dropreel.steps.resume import Resumption
from dropreel.steps.watch import UnpaidSettings, Watch, Watcher, WatchSettings, waited_enough
from dropreel.waiting.schedule import SEARCH_FIRST_S, busy_wait

if TYPE_CHECKING:
    from dropreel.container import Container

TimeLeft = Callable[[], float]  # seconds that the function still has

LONGEST_CLIP_WAIT_S = 300


class PollSettings(LedgerSettings, ProviderSettings, SlotSettings, WatchSettings, UnpaidSettings):
    max_orders_per_job: Annotated[int, Field(ge=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """What the `poll` function does with one job."""

    ledger: Ledger
    clips: ClipsBucket
    provider: Callable[[str], Provider]
    slots: Slots
    pauses: Pauses
    watcher: Watcher
    max_orders: int
    deadline: timedelta
    unpaid_wait: timedelta
    now: Callable[[], datetime]

    @classmethod
    def build(cls, container: Container) -> Self:
        settings = container.settings(PollSettings)
        return cls(
            ledger=container.ledger,
            slots=container.slots,
            pauses=Pauses(container.table),
            clips=container.clips,
            provider=container.provider,
            watcher=Watcher.build(container),
            max_orders=settings.max_orders_per_job,
            deadline=container.deadline,
            unpaid_wait=timedelta(hours=settings.unpaid_wait_hours),
            now=container.now,
        )

    def handle(self, event: PollEvent, time_left: TimeLeft | None = None) -> PollOutcome:
        """Read the job's status, and keep watching if the clip may soon be ready.

        When the provider works on the job no longer its slot is free.
        """
        job = self.ledger.require(event.job_id)
        try:
            job = self._resumed(job, event)
        except OperatorError as error:
            logger.warning("not resumed", state=job.state.value, reason=str(error))
            return NothingToResume(str(error))
        job = self._noted(job, event)
        if job.state is State.CLAIMED and job.cancel_requested:
            job = end_before_order(self.ledger, self.slots, job)
        if job.state is State.CLAIMED and event.may_order and not self._waited_enough(job):
            # With its slot: the step that generates may be alive after all.
            return _again(job, event.tries)
        if job.state in (State.SUBMITTED, State.RUNNING):
            outcome = self._poll(job, event, time_left)
        else:
            outcome = self._without_order(job, event.searches)
        if not isinstance(outcome, Wait):
            self.slots.release(job)
        return outcome

    def _resumed(self, job: Job, event: PollEvent) -> Job:
        if event.resume is None:
            return job
        resumption = Resumption(self.ledger, event.resume, self.now(), self.deadline)
        return resumption.follow(job, self.provider, event.execution_id)

    def _noted(self, job: Job, event: PollEvent) -> Job:
        """Note the answer that `generate` got and could not write into the ledger."""
        if job.state is State.SUBMITTING and event.refused_order == job.order_ref != "":
            attempts = job.attempted(outcome=BUSY)
            return self.ledger.move(job, State.CLAIMED, attempts=attempts, **job.kept())
        known = {attempt.provider_job_id for attempt in job.attempts}
        lost = job.state in (State.SUBMITTING, State.UNKNOWN)
        if not lost or event.provider_job_id in {"", *known}:
            return job
        return follow_found_order(self.ledger, job, event.provider_job_id, job.deadline_at)

    def _waited_enough(self, job: Job) -> bool:
        return waited_enough(job, self.unpaid_wait, self.now(), self.pauses.read())

    def _without_order(self, job: Job, searches: int) -> PollOutcome:
        match job.state:
            case State.SUBMITTING:
                return self._after_lost_step(job)
            case State.UNKNOWN:
                return self._search(job, searches)
            case State.READY:
                return ClipReady(job.state)
            case _:
                return Ended(job.state)

    # --- orders under way -----------------------------------------------------------------------

    def _poll(self, job: Job, event: PollEvent, time_left: TimeLeft | None) -> PollOutcome:
        if job.cancel_requested:
            job = ask_provider(self.ledger, job, self.provider(job.provider))
        watch = self.watcher.over(job, event.pending_at, crowded=event.crowded)
        status = watch.until_news(self.provider(job.provider), time_left)
        return self._settle(job, status, watch, event)

    def _settle(
        self, job: Job, status: StatusOutcome, watch: Watch, event: PollEvent
    ) -> PollOutcome:
        match status:
            case Ready(cost_usd=cost) if job.cancel_requested:
                return Ended(end_made(self.ledger, job, cost, self.now()).state)
            case Ready(cost_usd=cost):
                job = self.ledger.move(
                    job, State.READY, cost_usd=cost, ready_at=job.ready_at or utc_iso(self.now())
                )
                watch.learn()  # after the step that only one call can make: each job counts once
                return ClipReady(job.state)
            case Failed(failure):
                report_failure("the provider made no clip", failure)
                if job.cancel_requested:
                    said = failure.of_job()
                    return Ended(end_unmade(self.ledger, job, said, self.now()).state)
                return self._failed(job, failure.of_job(), event.may_order)
            case Pending(Phase.WITHOUT_CLIP, word, retry_after):
                logger.warning("done, but without a clip", word=word)
                return self._wait_for_clip(job, watch, retry_after, event.searches)
            case Pending(phase, word, retry_after):
                if phase is Phase.UNRECOGNISED:
                    logger.warning("unrecognised status word", word=word)
                return self._wait(job, phase.value, watch, retry_after)
            case NoAnswer(failure) if is_gone(job, failure):
                said = failure.of_job()
                return Ended(end_unmade(self.ledger, job, said, self.now()).state)
            case NoAnswer(failure, retry_after):
                report_failure("no status this time", failure)
                return self._wait(job, "no answer", watch, retry_after)

    def _failed(self, job: Job, failure: JobFailure, may_order: bool) -> GenerateAgain | Ended:
        """Over, or, when it may pass and costs nothing, to be ordered again."""
        failure = job.failed_with(failure)
        unpaid = failure.billed is False
        again = may_order and unpaid and failure.retryable and job.orders < self.max_orders
        cancelled = failure.kind is FailureKind.CANCELLED
        end = State.CANCELLED if cancelled else State.FAILED
        attempts = job.attempted(
            outcome=end.value, reason=failure.message, ended_at=utc_iso(self.now())
        )
        facts = {"failure": failure, "attempts": attempts}
        if not again:
            free = job.released() if unpaid else {}
            return Ended(self.ledger.move(job, end, **facts, **free).state)
        job = self.ledger.move(job, State.CLAIMED, provider_job_id="", **facts, **job.kept())
        metrics.add_metric("ClipOrderedAgain", MetricUnit.Count, 1)
        return _again(job)

    def _wait(self, job: Job, seen: str, watch: Watch, retry_after: float | None) -> Wait | Ended:
        if self.now() >= from_iso(job.deadline_at):
            return self._stalled(job, seen)
        if job.state is State.SUBMITTED and seen == Phase.RUNNING:
            job = self.ledger.move(job, State.RUNNING)
        return Wait(watch.wait_s(retry_after), job.state, pending_at=watch.pending_at)

    def _wait_for_clip(
        self, job: Job, watch: Watch, retry_after: float | None, searches: int
    ) -> Wait | Ended:
        """The job is said to be done, but names no clip: poll again, ever less often."""
        longest = max(retry_after or 0, min(LONGEST_CLIP_WAIT_S, 2 ** min(searches, 9)))
        waited = self._wait(job, Phase.WITHOUT_CLIP.value, watch, longest)
        return replace(waited, searches=searches + 1) if isinstance(waited, Wait) else waited

    def _stalled(self, job: Job, seen: str) -> Ended:
        failure = JobFailure.of(FailureKind.DEADLINE, f"last seen: {seen}")
        if job.cancel_requested:
            return Ended(end_unmade(self.ledger, job, failure, self.now()).state)
        attempts = job.attempted(outcome=State.STALLED.value)
        job = self.ledger.move(job, State.STALLED, failure=failure, attempts=attempts)
        logger.error("the deadline has passed")
        return Ended(job.state)

    # --- orders whose answer was lost -----------------------------------------------------------

    def _after_lost_step(self, job: Job) -> Wait | Ended:
        """`submitting` means that a POST may be under way, or that its process died."""
        age = (self.now() - from_iso(job.asked_at)).total_seconds()
        if age < STALE_S:
            return Wait(int(STALE_S - age) + 1, job.state)
        failure = answer_lost("the step ended before the answer was noted")
        return self._search(mark_unknown(self.ledger, job, failure), 0)

    def _search(self, job: Job, searches: int) -> Wait | Ended:
        provider = self.provider(job.provider)
        found = find_lost_orders(job, provider, self.clips)
        if found and len(found) == 1:
            job = follow_found_order(self.ledger, job, found[0], self._new_deadline())
            return Wait(1, job.state)
        if not CATALOG[job.provider].lists_orders or searches + 1 >= MAX_SEARCHES:
            logger.error("the payment stays unknown", found=len(found or ()))
            return Ended(job.state)
        return Wait(SEARCH_FIRST_S * 2**searches, job.state, searches=searches + 1)

    def _new_deadline(self) -> str:
        return utc_iso(self.now() + self.deadline)


def _again(job: Job, tries: int = 0) -> GenerateAgain:
    return GenerateAgain(busy_wait(None, tries), job.state)
