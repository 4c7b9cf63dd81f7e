"""Orders at the providers that no job has: somebody else's of the same account, or lost ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from cli.desk import Desk
from cli.facts import Facts
from cli.find import newest
from dropreel.providers.catalog import CATALOG

# An order that was just sent is not in the ledger yet: those of the last five minutes are left out,
# and a list of orders is read one minute further, because clocks differ (`Search`).
_BEING_NOTED = timedelta(minutes=6)
_LONGEST = timedelta(days=8)  # an execution, and with it the last order of a job, ends before


def foreign_orders(desk: Desk, since: datetime) -> list[Facts]:
    """For each provider that lists orders those that no job has; null where it cannot be read."""
    known = set(_known(desk, since))
    found = []
    for name, row in CATALOG.items():
        if row.lists_orders:
            listed = desk.container.provider(name).list_orders(since, desk.now - _BEING_NOTED)
            orders = None if listed is None else [one for one in listed if one not in known]
            found.append({"provider": name, "orders": orders})
    return found


def _known(desk: Desk, since: datetime) -> Iterator[str]:
    for row in newest(desk, since - _LONGEST):
        job = desk.container.ledger.get(row.job_id)
        if job:
            yield job.provider_job_id
            yield from (attempt.provider_job_id for attempt in job.attempts)
