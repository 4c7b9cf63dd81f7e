"""Looking at a job that a provider has taken."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from dropreel.generation import failure_facts
from dropreel.jobs import ENDS, Job, State, from_iso
from dropreel.ledger import Ledger
from dropreel.observability import logger
from dropreel.providers.base import (
    Failed,
    FailureKind,
    NoAnswer,
    Pending,
    Phase,
    Provider,
    Ready,
    StatusOutcome,
)
from dropreel.waiting import next_wait


class Polling:
    """What the `poll` function does with one job."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        provider: Callable[[str], Provider],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger = ledger
        self._provider = provider
        self._now = now

    def run(self, job_id: str) -> dict[str, Any]:
        """Look once. Returns the outcome for the workflow: `wait` (seconds), `ready` or `ended`."""
        job = self._ledger.require(job_id)
        if job.state in ENDS:
            return {"outcome": "ended", "state": job.state.value}
        if job.state is State.READY:
            return {"outcome": "ready", "state": job.state.value}
        return self._settle(job, self._provider(job.provider).status(job.provider_job_id))

    def _settle(self, job: Job, status: StatusOutcome) -> dict[str, Any]:
        match status:
            case Ready(cost_usd=cost):
                self._ledger.move(job, State.READY, cost_usd=cost)
                return {"outcome": "ready", "state": State.READY.value}
            case Failed(failure):
                cancelled = failure.kind is FailureKind.CANCELLED
                state = State.CANCELLED if cancelled else State.FAILED
                self._ledger.move(job, state, failure=failure_facts(failure))
                logger.warning("the provider made no clip", reason=failure.message)
                return {"outcome": "ended", "state": state.value}
            case Pending(phase, word, retry_after):
                if phase is Phase.UNRECOGNISED:
                    logger.warning("unrecognised status word", word=word)
                return self._wait(job, phase.value, retry_after)
            case NoAnswer(failure, retry_after):
                logger.warning("no status this time", reason=failure.message)
                return self._wait(job, "no answer", retry_after)

    def _wait(self, job: Job, seen: str, retry_after: float | None) -> dict[str, Any]:
        now = self._now()
        if now >= from_iso(job.deadline_at):
            failure = {"kind": "deadline", "message": f"last seen: {seen}"}
            self._ledger.move(job, State.STALLED, failure=failure)
            logger.error("the deadline has passed")
            return {"outcome": "ended", "state": State.STALLED.value}
        if job.state is State.SUBMITTED and seen == Phase.RUNNING:
            job = self._ledger.move(job, State.RUNNING)
        waited = (now - from_iso(job.asked_at)).total_seconds()
        seconds = next_wait(job.provider, waited, retry_after)
        return {"outcome": "wait", "wait_seconds": seconds, "state": job.state.value}
