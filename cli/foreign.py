"""Whose an order at a provider is: of which job, or of none that the ledger has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from cli.desk import Desk
from cli.facts import Facts
from cli.find import newest
from dropreel.jobs.job import Job, from_iso
from dropreel.providers.catalog import CATALOG

# An order that was just sent is not in the ledger yet: those of the last five minutes are left out,
# and a list of orders is read one minute further, because clocks differ (`Search`).
_BEING_NOTED = timedelta(minutes=6)
_LONGEST = timedelta(days=8)  # an execution, and with it the last order of a job, ends before


def foreign_orders(desk: Desk, since: datetime) -> list[Facts]:
    """For each provider that lists orders those that no job has; null where it cannot be read."""
    known = {order for job in _jobs(desk, since) for _, order in _orders(job)}
    found = []
    for name, row in CATALOG.items():
        if row.lists_orders:
            listed = desk.container.provider(name).list_orders(since, desk.now - _BEING_NOTED)
            orders = None if listed is None else [one for one in listed if one not in known]
            found.append({"provider": name, "orders": orders})
    return found


def holder_of(desk: Desk, order: str, job: Job) -> Job | None:
    """Another job that has this order of the job's provider."""
    sought = (job.provider, order)
    others = (one for one in _jobs(desk, from_iso(job.created_at)) if one.job_id != job.job_id)
    return next((one for one in others if sought in _orders(one)), None)


def _orders(job: Job) -> Iterator[tuple[str, str]]:
    """The provider and the ID of each."""
    yield job.provider, job.provider_job_id
    yield from ((attempt.provider, attempt.provider_job_id) for attempt in job.attempts)


def _jobs(desk: Desk, since: datetime) -> Iterator[Job]:
    """All that may have ordered since then."""
    for row in newest(desk, since - _LONGEST):
        job = desk.container.ledger.get(row.job_id)
        if job:
            yield job
