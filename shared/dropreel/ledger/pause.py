"""The switch that pauses all orders.

Invariant: no order begins after the pause was written, because the transaction of every order
checks this item. An order that had begun before is sent, polled and delivered as usual.

Item: PAUSE#orders. `since` (unix seconds) is there while orders are paused, with `by` and `reason`;
`earlier` lists the pauses before, from when to when, for as long as a job may have met them.
"""

from __future__ import annotations

from dataclasses import dataclass

from boto3.dynamodb.conditions import Attr

from dropreel.errors import ConditionFailedError
from dropreel.ledger.table import Check, Item, Table, Update

REMEMBERED_S = 8 * 86400  # an execution, and with it an unpaid job, ends before
_KEY = "PAUSE#orders"


@dataclass(frozen=True, slots=True)
class Pause:
    """The switch as read. `since` is 0 while orders are made."""

    since: float = 0
    by: str = ""
    reason: str = ""
    earlier: tuple[tuple[float, float], ...] = ()

    def __bool__(self) -> bool:
        return self.since > 0

    def held_up_s(self, begun: float, now: float) -> float:
        """How many seconds between these two times nothing could be ordered."""
        spans = (*self.earlier, *([(self.since, now)] if self else []))
        return sum(max(0.0, min(end, now) - max(start, begun)) for start, end in spans)


class Pauses:
    """All reads and writes of the switch, but for the condition of an order."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def read(self) -> Pause:
        return _pause(self._table.get(_KEY) or {})

    def begin(self, now: float, by: str, reason: str) -> Pause:
        """Pause, unless orders are paused already. Returns the pause that counts."""
        sets = {"since": now, "by": by, "reason": reason}
        update = Update(_KEY, sets=sets, condition=Attr("since").not_exists())
        try:
            return _pause(self._table.update(update))
        except ConditionFailedError as error:
            return _pause(error.item)

    def end(self, pause: Pause, now: float) -> bool:
        """Let orders go on. False if somebody else has ended `pause` before."""
        young = [span for span in pause.earlier if span[1] > now - REMEMBERED_S]
        update = Update(
            _KEY,
            sets={"earlier": [*young, (pause.since, now)]},
            removes=["since", "by", "reason"],
            condition=Attr("since").eq(pause.since),
        )
        try:
            self._table.update(update)
        except ConditionFailedError:
            return False
        return True


def not_paused() -> Check:
    """Part of an order's transaction."""
    return Check(_KEY, Attr("since").not_exists())


def _pause(item: Item) -> Pause:
    earlier = tuple((float(start), float(end)) for start, end in item.get("earlier", ()))
    known = {name: item[name] for name in ("by", "reason") if name in item}
    return Pause(float(item.get("since", 0)), earlier=earlier, **known)
