"""The right to send a mail: every mail is sent once, and none is forgotten.

Invariant: a mail counts as sent only after SNS has taken it, and before that at most one sender
has the right to it, because the right is a lease in a conditional write. The container that holds
it may ask again (it handles one call at a time, so that is its own retry); others get it when the
lease has ended. A sender that dies leaves a mail that is sent twice at worst, never one that is
not sent. Item: NOTICE#<mail id>; `telling_until` ends the lease, `told_at` is set once it was sent.
"""

from __future__ import annotations

from enum import StrEnum
from uuid import uuid4

from boto3.dynamodb.conditions import Attr

from dropreel.errors import ConditionFailedError
from dropreel.jobs.job import from_iso
from dropreel.ledger.lifetimes import MAIL_DAYS, expires_at
from dropreel.ledger.table import Table, Update

LEASE_S = 60  # longer than one publish takes; shorter than the retries of who has to wait


class Turn(StrEnum):
    OURS = "mine"
    BUSY = "busy"  # somebody else is sending it, and will be retried if it dies
    SENT = "told"


class SendOnce:
    """Which mails were sent, and who may send one."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._owner = uuid4().hex

    def was_sent(self, mail_id: str) -> bool:
        return "told_at" in (self._table.get(f"NOTICE#{mail_id}") or {})

    def has_begun(self, mail_id: str) -> bool:
        """Whether somebody has sent this mail, or is about to, even if it dies over it."""
        return self._table.get(f"NOTICE#{mail_id}") is not None

    def begin(self, mail_id: str, now: float) -> Turn:
        """Ask for the right to send this mail at `now` (unix seconds)."""
        update = Update(
            f"NOTICE#{mail_id}",
            sets={
                "owner": self._owner,
                "telling_until": int(now + LEASE_S),
                "expires_at": expires_at(now, MAIL_DAYS),
            },
            condition=Attr("told_at").not_exists()
            & (
                Attr("pk").not_exists()
                | Attr("owner").eq(self._owner)
                | Attr("telling_until").lt(int(now))
            ),
        )
        try:
            self._table.update(update)
        except ConditionFailedError as error:
            return Turn.SENT if "told_at" in error.item else Turn.BUSY
        return Turn.OURS

    def end(self, mail_id: str, sent_at: str) -> None:
        """The mail was sent: nobody sends it again."""
        expires = expires_at(from_iso(sent_at), MAIL_DAYS)
        sets = {"told_at": sent_at, "expires_at": expires}
        self._table.update(Update(f"NOTICE#{mail_id}", sets=sets))
