"""What the commands say of jobs, as JSON. docs/cli.md lists the fields, which are only added to."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import Any

from dropreel.jobs.job import ENDS, Job, JobSummary, State
from dropreel.mail.message import Links

Facts = dict[str, Any]

CANCELLING = "being cancelled"
# In these a cancelled job may be until its next step has ended it.
CANCELLABLE = (frozenset(State) - ENDS) | {State.UNKNOWN}
GOOD, BUSY, ODD, BAD = "green", "blue", "yellow", "red"


def word(job: Job | JobSummary) -> str:
    """The state in words for people."""
    if getattr(job, "cancel_requested", "") and job.state in CANCELLABLE:
        return CANCELLING
    return job.state.label


def colour(state: State) -> str:
    if state is State.DELIVERED:
        return GOOD
    if state in (State.UNKNOWN, State.STALLED):
        return ODD
    return BAD if state in (State.REFUSED, State.FAILED, State.CANCELLED) else BUSY


def spent(job: Job | JobSummary) -> Decimal | None:
    """What the job has cost or will cost, as far as is known; 0 where nothing is charged."""
    free = job.state is State.REFUSED or (job.failure and job.failure.billed is False)
    if free:
        return Decimal(0)
    return job.cost_usd if job.cost_usd is not None else job.estimate_usd


def usd(amount: Decimal | None, *, real: bool = True) -> str:
    if amount is None:
        return "unknown"
    return f"${amount:.2f}" if real or not amount else f"about ${amount:.2f}"


def many(count: int, noun: str) -> str:
    """`1 clip`, `2 clips`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def prefix_of(folder: str) -> str:
    """What the keys in a folder of the inbox begin with; empty for the top."""
    return f"{folder.strip('/')}/" if folder.strip("/") else ""


def summary(job: JobSummary | Job) -> Facts:
    """One row of a list."""
    image = job.source.key if isinstance(job, Job) else job.image_key
    return {
        "job_id": job.job_id,
        "image": image,
        "state": job.state.value,
        "provider": job.provider,
        "created_at": job.created_at,
        "run": job.run,
        "failure": job.failure.kind.value if job.failure else None,
        "reason": job.failure.message if job.failure else None,
        "cost_usd": spent(job),
        "cost_is_real": job.cost_usd is not None,
    }


def details(job: Job, links: Links) -> Facts:
    """All that the ledger knows of one job, but for addresses that open something."""
    return {
        **summary(job),
        "sidecar": {
            name: value for name, value in asdict(job.settings).items() if value not in ("", ())
        },
        "labels": list(job.labels),
        "priority": job.priority,
        "dropped_at": job.dropped_at,
        "asked_at": job.asked_at or None,
        "ready_at": job.ready_at or None,
        "delivered_at": job.delivered_at or None,
        "deadline_at": job.deadline_at or None,
        "provider_job_id": job.provider_job_id or None,
        "attempts": [asdict(attempt) for attempt in job.attempts],
        "estimate_usd": job.estimate_usd,
        "reserved_usd": job.reservation.amount_usd if job.reservation else None,
        "max_cost_usd": job.max_cost_usd,
        "cancel_requested_at": job.cancel_requested or None,
        "cancel_answer": job.cancel_answer or None,
        "remark": job.remark or None,
        "clip": links.uri(job.clip_key) if job.clip else None,
        "video": asdict(job.clip) if job.clip else None,
        "record": links.uri(job.record_key),
        "execution": job.execution or None,
    }
