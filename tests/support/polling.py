"""A `Poll` step on in-process AWS, and jobs for it."""

from __future__ import annotations

from typing import Any

from dropreel.jobs.job import Job, State
from tests.support.aws import Aws, make_job


def submitted(aws: Aws, **fields: Any) -> Job:
    job = aws.ledger.claim(make_job(**fields))
    times = {"asked_at": "2026-11-20T09:30:00.000Z", "deadline_at": "2026-11-20T10:30:00.000Z"}
    job = aws.ledger.move(job, State.SUBMITTING, **times)
    return aws.ledger.move(job, State.SUBMITTED, provider_job_id="p-1")


def lost(aws: Aws, provider: str = "fal") -> Job:
    job = aws.ledger.claim(make_job(provider=provider))
    times = {"asked_at": "2026-11-20T09:30:00.000Z", "deadline_at": "2026-11-20T10:30:00.000Z"}
    job = aws.ledger.move(job, State.SUBMITTING, attempts=job.ordering("x"), **times)
    return aws.ledger.move(job, State.UNKNOWN)
