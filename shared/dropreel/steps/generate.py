"""Asking the provider for the clip: the one step of the workflow that costs money.

The ledger moves to `submitting`, and sets the money aside, before the POST; it moves on after the
answer. Whoever finds a job in `submitting` therefore knows that a POST may have been sent, and
never sends another.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from dropreel.clips.bucket import ClipsBucket
from dropreel.errors import LedgerConflictError
from dropreel.jobs.job import BUSY, ENDS, Job, Reservation, State, from_iso, utc_iso
from dropreel.ledger.breaker import Breaker
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.slots import Slots
from dropreel.ledger.table import ContentionError
from dropreel.mail.alerts import Alerts
from dropreel.money.budget import CapReachedError
from dropreel.money.policy import SpendingRules, reserved_amount
from dropreel.observability import MetricUnit, logger, metrics
from dropreel.providers.base import (
    Accepted,
    Busy,
    Failure,
    FailureKind,
    Provider,
    Refused,
    SubmitOutcome,
    Unknown,
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
from dropreel.steps.watch import Watcher
from dropreel.waiting.schedule import SEARCH_FIRST_S, busy_wait

Outcome = dict[str, Any]


class Generate:
    """What the `generate` function does with one job."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        clips: ClipsBucket,
        provider: Callable[[str], Provider],
        watcher: Watcher,
        rules: SpendingRules,
        breaker: Breaker,
        alerts: Alerts,
        slots: Slots,
        deadline: timedelta,
        source_url_seconds: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger = ledger
        self._clips = clips
        self._provider = provider
        self._watcher = watcher
        self._rules = rules
        self._breaker = breaker
        self._alerts = alerts
        self._slots = slots
        self._deadline = deadline
        self._source_url_seconds = source_url_seconds
        self._now = now

    def run(
        self, job_id: str, *, execution: str = "", tries: int = 0, ask_at: float = 0
    ) -> Outcome:
        """Ask once. Returns the outcome for the workflow: `accepted`, `search` or `wait` (with
        seconds), or `ended`. `tries` counts how often it came to nothing before; `ask_at`
        is the job's turn (unix seconds) where a provider takes so many orders per minute.

        The job comes with a slot; it keeps it as long as the provider may be working on it.
        """
        job = self._ledger.require(job_id)
        outcome = self._step(job, execution, tries, ask_at)
        if outcome["outcome"] == "ended":
            self._give_back(job)
        return outcome

    def _step(self, job: Job, execution: str, tries: int, ask_at: float) -> Outcome:
        if job.state is not State.CLAIMED:
            return self._resume(job)
        early = ask_at - self._now().timestamp()
        if early > 0:
            return _wait(job, math.ceil(early))
        refusal = self._rules.refusal(job)
        if refusal:
            return self._refuse(job, refusal.facts())
        pause = self._breaker.wait_s(job.provider, job.job_id, self._now().timestamp())
        if pause:
            return self._wait_for_provider(job, pause, tries)
        return self._ask(replace(job, execution=execution), tries)

    def _ask(self, job: Job, tries: int) -> Outcome:
        provider = self._provider(job.provider)
        request = clip_request(job, self._clips, self._source_url_seconds)
        try:
            job = self._begin(job)
        except CapReachedError as error:
            self._alerts.cap_reached(error.spending)
            facts = {"kind": "over_cap", "message": str(error), "billed": False}
            return self._refuse(job, facts)
        except ContentionError:
            return _wait(job, 2)
        outcome = provider.submit(request)
        result = self._settle(job, outcome, tries)
        self._learn(job, outcome)
        return result

    def _begin(self, job: Job) -> Job:
        """The point of no return: from here on this job may have been paid."""
        now = self._now()
        reservation = Reservation.at(now, reserved_amount(job))
        return self._ledger.move_reserving(
            job,
            State.SUBMITTING,
            reservation,
            self._rules.caps,
            asked_at=utc_iso(now),
            deadline_at=utc_iso(now + self._deadline),
            execution=job.execution,
            provider_job_id="",
            attempts=job.asking(utc_iso(now)),
        )

    def _resume(self, job: Job) -> Outcome:
        """The step was run before: say what came of it, ask nobody."""
        if job.state is State.SUBMITTING:
            age = (self._now() - from_iso(job.asked_at)).total_seconds()
            return {"outcome": "search", "wait_seconds": max(1, int(STALE_S - age))}
        if job.state is State.UNKNOWN:
            return {"outcome": "search", "wait_seconds": SEARCH_FIRST_S}
        if job.state in ENDS:
            return _ended(job)
        return _accepted(1)

    def _settle(self, job: Job, outcome: SubmitOutcome, tries: int) -> Outcome:
        match outcome:
            case Accepted(provider_job_id):
                self._accepted(job, provider_job_id)
                metrics.add_metric("ClipOrdered", MetricUnit.Count, 1)
                return _accepted(self._watcher.over(job).wait_s())
            case Unknown(failure):
                return self._lost(job, failure)
            case Busy(failure, retry_after) if tries < MAX_TRIES:
                report_failure("the provider is busy", failure)
                facts = {"failure": failure_facts(failure), **_unpaid(job, BUSY, failure.message)}
                job = self._ledger.move(job, State.CLAIMED, **facts)
                seconds = busy_wait(retry_after, tries)
                full = failure.kind is FailureKind.THROTTLED
                self._give_back(job, seconds, full=full)
                return _wait(job, seconds)
            case Refused(failure) | Busy(failure):
                report_failure("the provider refused", failure)
                return self._refused(job, failure)

    def _accepted(self, job: Job, provider_job_id: str) -> None:
        """The id must be noted even if somebody has given the job up meanwhile."""
        facts: dict[str, Any] = {
            "provider_job_id": provider_job_id,
            "failure": {},
            "attempts": job.attempted(
                provider_job_id=provider_job_id, outcome=State.SUBMITTED.value
            ),
        }
        try:
            self._ledger.move(job, State.SUBMITTED, **facts)
        except LedgerConflictError:
            self._ledger.move(self._ledger.require(job.job_id), State.SUBMITTED, **facts)

    def _lost(self, job: Job, failure: Failure) -> Outcome:
        """Nobody knows whether the order was taken: the money stays set aside."""
        facts = {**failure_facts(failure), "kind": LOST_ANSWER}
        attempts = job.attempted(outcome=State.UNKNOWN.value, reason=failure.message)
        self._ledger.move(job, State.UNKNOWN, failure=facts, attempts=attempts)
        metrics.add_metric("PaymentUnknown", MetricUnit.Count, 1)
        report_failure("the provider's answer was lost", failure, logger.error)
        return {
            "outcome": "search",
            "wait_seconds": SEARCH_FIRST_S,
            "state": State.UNKNOWN.value,
        }

    def _refused(self, job: Job, failure: Failure) -> Outcome:
        facts = {"failure": failure_facts(failure)}
        unpaid = _unpaid(job, State.REFUSED.value, failure.message)
        moved = self._rules.next_provider(job, failure.kind.value)
        if moved:
            return self._hand_on(job, moved, {**facts, **unpaid})
        return _ended(self._ledger.move(job, State.REFUSED, **facts, **unpaid))

    def _refuse(self, job: Job, failure: dict[str, Any]) -> Outcome:
        """Refuse a job that nobody was asked for yet."""
        logger.warning("not asked", kind=failure["kind"])
        return _ended(self._ledger.move(job, State.REFUSED, failure=failure))

    def _wait_for_provider(self, job: Job, pause: int, tries: int) -> Outcome:
        """The circuit breaker is open: go elsewhere, wait, or give up unpaid."""
        kind = str(job.failure.get("kind") or FailureKind.UNREACHABLE.value)
        moved = self._rules.next_provider(job, kind)
        if moved:
            return self._hand_on(job, moved, {})
        if tries < MAX_TRIES:
            logger.warning("the provider is not asked for now", seconds=pause)
            self._give_back(job, pause)
            return _wait(job, pause)
        message = f"{job.provider} has not worked for a long time"
        return self._refuse(job, {"kind": kind, "message": message, "billed": False})

    def _hand_on(self, job: Job, moved: Job, facts: dict[str, Any]) -> Outcome:
        logger.warning("handed on to another provider", to=moved.provider)
        metrics.add_metric("ProviderChanged", MetricUnit.Count, 1)
        facts = {
            **facts,
            "provider": moved.provider,
            "first_provider": moved.first_provider,
            "estimate_usd": moved.estimate_usd,
            "unconfirmed": moved.unconfirmed,
        }
        handed_on = self._ledger.move(job, State.CLAIMED, **facts)
        self._give_back(job)
        return _wait(handed_on, 1)

    def _give_back(self, job: Job, pause: float = 0, *, full: bool = False) -> None:
        """Give the slot back. Never a reason to fail the job: the sweep does it else."""
        try:
            if pause:
                self._slots.back_off(job, pause, full=full)
            else:
                self._slots.release(job)
        except (BotoCoreError, ClientError):
            logger.exception("the slot was not given back")

    def _learn(self, job: Job, outcome: SubmitOutcome) -> None:
        """Breaker and warnings come after the answer is safe in the ledger."""
        opened = self._breaker.note(job.provider, outcome, self._now().timestamp())
        if opened:
            self._alerts.breaker_opened(opened)
        if job.reservation and job.reservation.amount_usd:
            self._alerts.check_budget(self._ledger.spending(job.reservation, self._rules.caps))


def _unpaid(job: Job, outcome: str, reason: str) -> dict[str, Any]:
    return {**released(job), "attempts": job.attempted(outcome=outcome, reason=reason)}


def _accepted(wait_seconds: int) -> Outcome:
    state = State.SUBMITTED.value
    return {"outcome": "accepted", "wait_seconds": wait_seconds, "state": state}


def _wait(job: Job, seconds: int) -> Outcome:
    return {"outcome": "wait", "wait_seconds": seconds, "state": job.state.value}


def _ended(job: Job) -> Outcome:
    return {"outcome": "ended", "state": job.state.value}
