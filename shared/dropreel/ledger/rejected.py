"""Drops that were rejected, as the dashboard lists them beside the jobs.

Item: REJECTED#<id of the mail>. It lies in the index `newest` under a month of its own (`rejected
2026-11`), in fields that this index holds of jobs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from dropreel.jobs.job import utc_iso
from dropreel.ledger.jobs import NEWEST_INDEX
from dropreel.ledger.lifetimes import MAIL_DAYS, expires_at
from dropreel.ledger.table import Table, Update


@dataclass(frozen=True, slots=True)
class Rejected:
    """One rejected file. Its record is named by `rejection_id`; `reason` is in words for people."""

    rejection_id: str
    key: str
    reason: str
    created_at: str


def note_rejected(table: Table, rejection_id: str, key: str, reason: str, now: datetime) -> None:
    sets = {
        "month": _month(f"{now:%Y-%m}"),
        "created_at": utc_iso(now),
        "job_id": rejection_id,
        "source": {"key": key},
        "failure": {"message": reason},
        "expires_at": expires_at(now, MAIL_DAYS),
    }
    table.update(Update(f"REJECTED#{rejection_id}", sets=sets))


def newest_rejected(table: Table, month: str) -> Iterator[Rejected]:
    """Those of `month` (`2026-11`), newest first."""
    items = table.query_index(NEWEST_INDEX, "month", _month(month), newest_first=True)
    return (
        Rejected(
            rejection_id=item["job_id"],
            key=item["source"]["key"],
            reason=item["failure"]["message"],
            created_at=item["created_at"],
        )
        for item in items
    )


def _month(month: str) -> str:
    return f"rejected {month}"
