"""Asking the provider for the clip: the one step of the workflow that costs money.

The ledger moves to `submitting` before the POST and away from it after the answer. Whoever finds
a job in `submitting` therefore knows that a POST may have been sent, and never sends another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from dropreel.clips import Clips
from dropreel.errors import LedgerConflictError
from dropreel.jobs import Job, State, utc_iso
from dropreel.ledger import Ledger
from dropreel.observability import MetricUnit, logger, metrics
from dropreel.providers.base import (
    Accepted,
    Busy,
    ClipRequest,
    Failure,
    FailureKind,
    Provider,
    Refused,
    SubmitOutcome,
    Unknown,
)
from dropreel.waiting import busy_wait, first_wait

LOST_ANSWER = "lost_answer"
MAX_TRIES = 12  # at a busy provider: the waits of `busy_wait` add up to about 45 minutes


class Generation:
    """What the `generate` function does with one job."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        clips: Clips,
        provider: Callable[[str], Provider],
        deadline: timedelta,
        source_url_seconds: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger = ledger
        self._clips = clips
        self._provider = provider
        self._deadline = deadline
        self._source_url_seconds = source_url_seconds
        self._now = now

    def run(self, job_id: str, tries: int = 0) -> dict[str, Any]:
        """Ask once. Returns the outcome for the workflow: `accepted`, `wait` (seconds) or `ended`.

        `tries` counts how often the provider was too busy before.
        """
        job = self._ledger.require(job_id)
        if job.state is not State.CLAIMED:
            return self._resume(job)
        provider, request = self._provider(job.provider), self._request(job)
        asked_at = self._now()
        job = self._ledger.move(
            job,
            State.SUBMITTING,
            asked_at=utc_iso(asked_at),
            deadline_at=utc_iso(asked_at + self._deadline),
        )
        return self._settle(job, provider.submit(request), tries)

    def _request(self, job: Job) -> ClipRequest:
        return ClipRequest(
            job_id=job.job_id,
            image_url=self._clips.source_url(job.source.pinned_key, self._source_url_seconds),
            prompt=job.settings.prompt,
            aspect_ratio=job.settings.aspect_ratio,
            resolution=job.settings.resolution,
            duration=job.settings.duration,
            loop=job.settings.loop,
            reference_image_urls=job.settings.reference_image_urls,
        )

    def _resume(self, job: Job) -> dict[str, Any]:
        """The step was run before: say what came of it, ask nobody."""
        if job.state is State.SUBMITTING:
            failure = Failure(FailureKind.UNEXPECTED, "the step ended before the answer was noted")
            return self._settle(job, Unknown(failure), 0)
        if job.provider_job_id:
            return _accepted(1)
        return {"outcome": "ended", "state": job.state.value}

    def _settle(self, job: Job, outcome: SubmitOutcome, tries: int) -> dict[str, Any]:
        match outcome:
            case Accepted(provider_job_id):
                self._accepted(job, provider_job_id)
                metrics.add_metric("ClipOrdered", MetricUnit.Count, 1)
                return _accepted(first_wait(job.provider))
            case Busy(failure, retry_after) if tries < MAX_TRIES:
                job = self._ledger.move(job, State.CLAIMED, failure=failure_facts(failure))
                logger.warning("the provider is busy", reason=failure.message)
                seconds = busy_wait(retry_after, tries)
                return {"outcome": "wait", "wait_seconds": seconds, "state": job.state.value}
            case Refused(failure) | Busy(failure):
                self._ledger.move(job, State.REFUSED, failure=failure_facts(failure))
                logger.warning("the provider refused", reason=failure.message)
                return {"outcome": "ended", "state": State.REFUSED.value}
            case Unknown(failure):
                facts = {**failure_facts(failure), "kind": LOST_ANSWER}
                self._ledger.move(job, State.UNKNOWN, failure=facts)
                metrics.add_metric("PaymentUnknown", MetricUnit.Count, 1)
                logger.error("the provider's answer was lost", reason=failure.message)
                return {"outcome": "ended", "state": State.UNKNOWN.value}

    def _accepted(self, job: Job, provider_job_id: str) -> None:
        """The id must be noted even if somebody has given the job up meanwhile."""
        try:
            self._ledger.move(job, State.SUBMITTED, provider_job_id=provider_job_id, failure={})
        except LedgerConflictError:
            job = self._ledger.require(job.job_id)
            self._ledger.move(job, State.SUBMITTED, provider_job_id=provider_job_id, failure={})


def _accepted(wait_seconds: int) -> dict[str, Any]:
    state = State.SUBMITTED.value
    return {"outcome": "accepted", "wait_seconds": wait_seconds, "state": state}


def failure_facts(failure: Failure) -> dict[str, Any]:
    """A failure as the ledger and the records hold it."""
    facts = {**asdict(failure), "kind": failure.kind.value}
    return {name: value for name, value in facts.items() if value is not None} | {
        "billed": failure.billed
    }
