"""Looking at a job that a provider has, or may have, taken.

A job whose order's answer was lost is searched for in the provider's own list, and followed from
there when it is found. Nothing in here orders anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from dropreel.clips.bucket import ClipsBucket
from dropreel.errors import ResumeError
from dropreel.jobs.job import Job, State, from_iso, utc_iso
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.slots import Slots
from dropreel.observability import MetricUnit, logger, metrics
from dropreel.providers.base import (
    Failed,
    Failure,
    FailureKind,
    NoAnswer,
    Pending,
    Phase,
    Provider,
    Ready,
    StatusOutcome,
)
from dropreel.steps.orders import (
    LOST_ANSWER,
    MAX_TRIES,
    STALE_S,
    clip_request,
    failure_facts,
    released,
    report_failure,
)
from dropreel.steps.watch import Watch, Watcher
from dropreel.waiting.schedule import SEARCH_FIRST_S, busy_wait

_ORDER_ID = re.compile(r"(?=.*[0-9A-Za-z])[0-9A-Za-z._~:-]{1,256}")
MAX_SEARCHES = 4  # the waits between them double: 30 s, 1, 2 and 4 minutes
_MARGIN = timedelta(seconds=60)  # between our clock and the provider's

Outcome = dict[str, Any]


class Poll:
    """What the `poll` function does with one job."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        clips: ClipsBucket,
        provider: Callable[[str], Provider],
        slots: Slots,
        watcher: Watcher,
        max_orders: int,
        deadline: timedelta,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger = ledger
        self._clips = clips
        self._provider = provider
        self._slots = slots
        self._watcher = watcher
        self._max_orders = max_orders
        self._deadline = deadline
        self._now = now

    def run(
        self,
        job_id: str,
        *,
        execution: str = "",
        tries: int = 0,
        searches: int = 0,
        pending_at: str = "",
        resume: Mapping[str, Any] | None = None,
        may_order: bool = True,
        time_left: Callable[[], float] | None = None,
    ) -> Outcome:
        """Look, and watch on if the clip may soon be ready.

        Returns the outcome for the workflow: `wait` or `again` (with seconds), `ready` or `ended`.
        `tries` counts how often asking came to nothing, `pending_at` is when an earlier look saw
        the job pending, `resume` an operator's word on a stalled or unknown job; without
        `may_order` the outcome is never `again`; `time_left` tells the seconds that the function
        still has. Raises ResumeError.

        When the provider works on the job no longer its slot is free.
        """
        job = self._ledger.require(job_id)
        if resume is not None:
            job = self._resume(job, resume, execution)
        if job.state is State.CLAIMED and may_order and tries < MAX_TRIES:
            return _again(job, tries)  # with its slot: the step that asks may be alive after all
        if job.state in (State.SUBMITTED, State.RUNNING):
            outcome = self._look(job, pending_at, may_order, time_left)
        else:
            outcome = self._without_order(job, searches)
        if outcome["outcome"] != "wait":
            self._slots.release(job)
        return outcome

    def _without_order(self, job: Job, searches: int) -> Outcome:
        if job.state is State.SUBMITTING:
            return self._after_lost_step(job)
        if job.state is State.UNKNOWN:
            return self._search(job, searches)
        if job.state is State.READY:
            return {"outcome": "ready", "state": job.state.value}
        return _ended(job)

    # --- orders under way -----------------------------------------------------------------------

    def _look(
        self,
        job: Job,
        pending_at: str,
        may_order: bool,
        time_left: Callable[[], float] | None,
    ) -> Outcome:
        watch = self._watcher.over(job, pending_at)
        status = watch.look(self._provider(job.provider), time_left)
        return self._settle(job, status, watch, may_order)

    def _settle(self, job: Job, status: StatusOutcome, watch: Watch, may_order: bool) -> Outcome:
        match status:
            case Ready(cost_usd=cost):
                job = self._ledger.move(job, State.READY, cost_usd=cost)
                watch.learn()  # after the step that only one call can make: each job counts once
                return {"outcome": "ready", "state": job.state.value}
            case Failed(failure):
                report_failure("the provider made no clip", failure)
                return self._failed(job, failure, may_order)
            case Pending(phase, word, retry_after):
                if phase is Phase.UNRECOGNISED:
                    logger.warning("unrecognised status word", word=word)
                return self._wait(job, phase.value, watch, retry_after)
            case NoAnswer(failure, retry_after):
                report_failure("no status this time", failure)
                return self._wait(job, "no answer", watch, retry_after)

    def _failed(self, job: Job, failure: Failure, may_order: bool) -> Outcome:
        """Over, or, when it may pass and costs nothing, to be ordered again."""
        unpaid = failure.billed is False
        free = released(job) if unpaid else {}
        again = may_order and unpaid and failure.retryable and job.orders < self._max_orders
        cancelled = failure.kind is FailureKind.CANCELLED
        end = State.CANCELLED if cancelled else State.FAILED
        attempts = job.attempted(
            outcome=end.value, reason=failure.message, ended_at=utc_iso(self._now())
        )
        facts = {"failure": failure_facts(failure), "attempts": attempts, **free}
        if not again:
            return _ended(self._ledger.move(job, end, **facts))
        job = self._ledger.move(job, State.CLAIMED, provider_job_id="", **facts)
        metrics.add_metric("ClipOrderedAgain", MetricUnit.Count, 1)
        return _again(job)

    def _wait(self, job: Job, seen: str, watch: Watch, retry_after: float | None) -> Outcome:
        if self._now() >= from_iso(job.deadline_at):
            failure = {"kind": "deadline", "message": f"last seen: {seen}"}
            attempts = job.attempted(outcome=State.STALLED.value)
            job = self._ledger.move(job, State.STALLED, failure=failure, attempts=attempts)
            logger.error("the deadline has passed")
            return _ended(job)
        if job.state is State.SUBMITTED and seen == Phase.RUNNING:
            job = self._ledger.move(job, State.RUNNING)
        return {
            "outcome": "wait",
            "wait_seconds": watch.wait_s(retry_after),
            "pending_at": watch.pending_at,
            "state": job.state.value,
        }

    # --- orders whose answer was lost -----------------------------------------------------------

    def _after_lost_step(self, job: Job) -> Outcome:
        """`submitting` means that a POST may be under way, or that its process died."""
        age = (self._now() - from_iso(job.asked_at)).total_seconds()
        if age < STALE_S:
            seconds = int(STALE_S - age) + 1
            return {"outcome": "wait", "wait_seconds": seconds, "state": job.state.value}
        message = "the step ended before the answer was noted"
        failure = {"kind": LOST_ANSWER, "message": message}
        attempts = job.attempted(outcome=State.UNKNOWN.value, reason=message)
        job = self._ledger.move(job, State.UNKNOWN, failure=failure, attempts=attempts)
        metrics.add_metric("PaymentUnknown", MetricUnit.Count, 1)
        return self._search(job, 0)

    def _search(self, job: Job, searches: int) -> Outcome:
        provider = self._provider(job.provider)
        found = find_lost_orders(job, provider, self._clips)
        if found and len(found) == 1:
            return self._follow(job, found[0])
        if not provider.has_history or searches + 1 >= MAX_SEARCHES:
            logger.error("the order's fate stays unknown", found=len(found or ()))
            return _ended(job)
        return {
            "outcome": "wait",
            "wait_seconds": SEARCH_FIRST_S * 2**searches,
            "searches": searches + 1,
            "state": job.state.value,
        }

    def _follow(self, job: Job, provider_job_id: str) -> Outcome:
        deadline = utc_iso(self._now() + self._deadline)
        job = follow_found_order(self._ledger, job, provider_job_id, deadline)
        return {"outcome": "wait", "wait_seconds": 1, "state": job.state.value}

    # --- an operator's word ---------------------------------------------------------------------

    def _resume(self, job: Job, word: Mapping[str, Any], execution: str) -> Job:
        """`{"provider_job_id": "..."}` names the order that was found, `{"nothing_made": true}`
        says that there is none; `{}` looks again at a stalled job.

        A word that was heard before (a repeated step) changes nothing more.
        """
        named = _named_order(word)
        job = self._ledger.take_charge(job, execution)
        if job.state not in (State.STALLED, State.UNKNOWN):
            return job
        deadline = utc_iso(self._now() + self._deadline)
        if named:
            return follow_found_order(self._ledger, job, named, deadline)
        if word.get("nothing_made") is True:
            failure = {
                "kind": "nothing_made",
                "message": "an operator found no order",
                "billed": False,
            }
            facts = {"failure": failure, "attempts": job.attempted(outcome=State.REFUSED.value)}
            return self._ledger.move(job, State.REFUSED, **facts, **released(job))
        if job.state is State.STALLED:
            return self._ledger.move(job, State.SUBMITTED, deadline_at=deadline, failure={})
        return job


def _again(job: Job, tries: int = 0) -> Outcome:
    """Nothing is made, so asking is safe."""
    seconds = busy_wait(None, tries)
    return {"outcome": "again", "wait_seconds": seconds, "state": job.state.value}


def _named_order(word: Mapping[str, Any]) -> str:
    """The provider's job id in an operator's word; refuses a template that was not filled in."""
    named = str(word.get("provider_job_id") or "").strip()
    if named and not _ORDER_ID.fullmatch(named):
        raise ResumeError(f"{named!r} is not the id of a job at a provider")
    return named


def find_lost_orders(job: Job, provider: Provider, clips: ClipsBucket) -> list[str] | None:
    """Orders at the provider that can only be the lost one; None where it cannot be told."""
    asked = from_iso(job.asked_at)
    request = clip_request(job, clips, url_seconds=60)
    found = provider.find(request, asked - _MARGIN, asked + timedelta(seconds=STALE_S) + _MARGIN)
    known = {attempt.provider_job_id for attempt in job.attempts}
    return None if found is None else [order for order in found if order not in known]


def follow_found_order(ledger: Ledger, job: Job, provider_job_id: str, deadline_at: str) -> Job:
    """The lost order is found: the job goes on with it."""
    attempts = job.attempted(provider_job_id=provider_job_id, outcome=State.SUBMITTED.value)
    moved = ledger.move(
        job,
        State.SUBMITTED,
        provider_job_id=provider_job_id,
        attempts=attempts,
        deadline_at=deadline_at,
        failure={},
    )
    metrics.add_metric("PaymentRecovered", MetricUnit.Count, 1)
    logger.info("the lost order was found")
    return moved


def _ended(job: Job) -> Outcome:
    return {"outcome": "ended", "state": job.state.value}
