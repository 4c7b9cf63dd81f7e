"""Groups of takes in the ledger, and how their jobs come to an end."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import ClipInfo, ClipSettings, Job, Reservation, State, utc_iso
from dropreel.ledger.groups import Groups
from dropreel.ledger.jobs import Ledger
from tests.support.aws import NOW, make_job

GROUP = "0" * 24
PRICE = Decimal("0.60")
CLIP = ClipInfo(5.0, 960, 540, 1_000_000, "ab" * 32)


def takes(count: int = 3, group: str = GROUP, **changes: Any) -> list[Job]:
    """Jobs of one image, which differ in nothing but their number."""
    source = make_job().source
    return [
        make_job(
            **{
                "job_id": f"{number:024}",
                "group": group,
                "source": source,
                "estimate_usd": PRICE,
                "settings": ClipSettings("slow push-in", "16:9", "540p", "5s", take=number),
                **changes,
            }
        )
        for number in range(1, count + 1)
    ]


def claimed(groups: Groups, count: int = 3, **changes: Any) -> list[Job]:
    return groups.claim(takes(count, **changes))


def fund(groups: Groups, jobs: Sequence[Job], caps: Any) -> None:
    """Set the money of all of them aside."""
    money = [Reservation.at(NOW, PRICE) for _ in jobs]
    groups.fund(groups.require(jobs[0].group), jobs, money, caps)


def end(ledger: Ledger, job: Job, state: State, **facts: Any) -> Job:
    """Bring a claimed job to an end, whatever it has held."""
    job = ledger.require(job.job_id)
    if state is State.REFUSED:
        failure = JobFailure.of(FailureKind.BAD_INPUT, "no")
        return ledger.move(job, state, failure=failure, **job.released())
    for step in (State.SUBMITTING, State.SUBMITTED):
        job = ledger.move(job, step, asked_at=utc_iso(NOW))
    if state is State.DELIVERED:
        return deliver(ledger, job)
    return ledger.move(job, state, **facts)


def deliver(ledger: Ledger, job: Job) -> Job:
    """The clip of an order under way has come."""
    job = ledger.move(job, State.READY)
    return ledger.move(job, State.DELIVERED, clip=CLIP, delivered_at=utc_iso(NOW))
