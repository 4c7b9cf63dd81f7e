"""Self-tests of the way from the inbox to `submit`: files that start no job and send no mail.

Whoever wants to know whether the inbox's events arrive uploads a JSON file below PREFIX and waits
until it is noted here. Item: SELFTEST#INBOX, the `key` of the last such file and when it came.
"""

from __future__ import annotations

from datetime import datetime

from dropreel.jobs.job import utc_iso
from dropreel.ledger.table import Table, Update

PREFIX = "dropreel-self-test/"

_KEY = "SELFTEST#INBOX"


def is_self_test(key: str) -> bool:
    """Whether the file of this key is no drop."""
    return key.startswith(PREFIX)


def note_self_test(table: Table, key: str, now: datetime) -> None:
    table.update(Update(_KEY, sets={"key": key, "came_at": utc_iso(now)}))


def last_self_test(table: Table) -> str:
    """The key of the last file that came; empty if none ever did."""
    return str((table.get(_KEY) or {}).get("key", ""))
