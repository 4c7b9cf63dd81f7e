"""Who may tell people about something, so that they are told once and never not at all.

Item: NOTICE#<notice id>, one thing that people are told. Telling is a lease: a container may ask
again (it handles one call at a time, so it is its own retry), another one gets it only after the
lease, so that a mail is sent twice rather than never when its sender dies.
"""

from __future__ import annotations

from enum import StrEnum
from uuid import uuid4

from dropreel.ledger.table import ConditionFailedError, Table, Update

LEASE_S = 60  # longer than one publish takes; shorter than the retries of who has to wait


class Turn(StrEnum):
    OURS = "mine"
    BUSY = "busy"  # somebody else is at it, and will be retried if it dies
    SENT = "told"


class SendOnce:
    """Which notices are told, and who is telling."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._owner = uuid4().hex

    def was_sent(self, mail_id: str) -> bool:
        return "told_at" in (self._table.get(f"NOTICE#{mail_id}") or {})

    def begin(self, mail_id: str, now: float) -> Turn:
        """Ask for the right to tell people about `notice` at `now` (unix seconds)."""
        update = Update(
            f"NOTICE#{mail_id}",
            sets={"owner": self._owner, "telling_until": int(now + LEASE_S)},
            condition="attribute_not_exists(#told_at) AND "
            "(attribute_not_exists(#pk) OR #owner = :owner OR #telling_until < :now)",
            where={"now": int(now)},
        )
        try:
            self._table.update(update)
        except ConditionFailedError as error:
            return Turn.SENT if "told_at" in error.item else Turn.BUSY
        return Turn.OURS

    def end(self, mail_id: str, told_at: str) -> None:
        """People have been told about `notice`: nobody tells them again."""
        self._table.update(Update(f"NOTICE#{mail_id}", sets={"told_at": told_at}))
