"""Dropped files of which the inbox's comparison has nothing more to find out.

Item: MISSED#<hash of a file's version>: an event of it was missed and is sent, or it was looked at
and nothing could be made of it yet (its partner is missing, its row of a batch is wrong).
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from dropreel.ledger.lifetimes import MISSED_DAYS, expires_at
from dropreel.ledger.table import Table, Update


def note_known(table: Table, version: str, now: datetime) -> None:
    """`version` is that of `drops.settling.version`."""
    table.update(Update(_key(version), sets={"expires_at": expires_at(now, MISSED_DAYS)}))


def is_known(table: Table, version: str) -> bool:
    return table.get(_key(version)) is not None


def _key(version: str) -> str:
    return f"MISSED#{hashlib.sha256(version.encode()).hexdigest()[:32]}"
