"""The budget in the ledger: what is committed per day and month.

Invariant: no reservation takes a period over its cap, because the cap is a condition of the write
that adds the amount. The sum is right because it changes only together with a job, in one
transaction (`Ledger.move`): each job's amount is added once and replaced, never added again.

Items: BUDGET#<day> and BUDGET#<month> (UTC) with `committed_usd`, the sum of all reservations of
jobs ordered in that period: orders under way at their estimate, ended ones at what they cost.
"""

from __future__ import annotations

from decimal import Decimal

from boto3.dynamodb.conditions import Attr

from dropreel.errors import ConditionFailedError
from dropreel.jobs.job import Reservation
from dropreel.ledger.table import Table, Update
from dropreel.money.budget import CapReachedError, Caps, Spending


def reserving(
    reservation: Reservation, caps: Caps, held: Reservation | None = None
) -> list[Update]:
    """Updates that set `reservation` aside, day before month, if no cap is passed.

    None where that much, or more, is `held` in the same periods already.
    """
    before = held.amount_usd if held else Decimal(0)
    more = reservation.amount_usd - before
    if held and more <= 0:
        return adjusting(held, reservation)
    return [_adding(period, more, cap) for period, cap in _limits(reservation, caps)]


def cap_reached(
    number: int, error: ConditionFailedError, wanted: Reservation, caps: Caps, clips: int = 1
) -> CapReachedError:
    """What the `number`th of the updates of `reserving` has met; `wanted` was for so many clips."""
    period, cap = _limits(wanted, caps)[number]
    committed = Decimal(error.item.get("committed_usd", 0))
    return CapReachedError(Spending(period, committed, cap), wanted.amount_usd, clips)


def adjusting(old: Reservation, new: Reservation) -> list[Update]:
    """Updates that bring an earlier reservation to a new amount. Never refused."""
    change = new.amount_usd - old.amount_usd
    if not change:
        return []
    # In the period of the order, also when the price comes a day later; the clip is bought, so a
    # higher price is counted even beyond the cap.
    return [Update(_key(period), adds={"committed_usd": change}) for period in (old.day, old.month)]


def spending(table: Table, reservation: Reservation, caps: Caps) -> list[Spending]:
    """How day and month of `reservation` stand now."""
    limits = _limits(reservation, caps)
    return [Spending(period, _committed(table, period), cap) for period, cap in limits]


def _adding(period: str, amount: Decimal, cap: Decimal) -> Update:
    room = cap - amount
    # The first order of a period finds no item to compare with, so that case is decided here.
    if room < 0:
        return Update(_key(period), adds={"committed_usd": amount}, condition=_NEVER)
    return Update(
        _key(period),
        adds={"committed_usd": amount},
        condition=Attr("committed_usd").not_exists() | Attr("committed_usd").lte(room),
    )


_NEVER = Attr("pk").exists() & Attr("pk").not_exists()


def _committed(table: Table, period: str) -> Decimal:
    item = table.get(_key(period))
    return Decimal(item["committed_usd"]) if item else Decimal(0)


def _limits(reservation: Reservation, caps: Caps) -> tuple[tuple[str, Decimal], ...]:
    return (reservation.day, caps.day), (reservation.month, caps.month)


def _key(period: str) -> str:
    return f"BUDGET#{period}"
