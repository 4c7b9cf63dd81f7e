"""What must hold of when orders are sent: by pace, rate limit and circuit breaker."""

from __future__ import annotations

from collections.abc import Iterator

from dropreel.ledger.slots import WINDOW_S
from local.faults.ends import End
from local.faults.faults import Cell, Kind

# After these an order may leave later than its turn was.
HOLDING_UP = frozenset(
    {
        *(Kind.DELAYED, Kind.SLOW, Kind.OVERTAKEN, Kind.ZOMBIE, Kind.CONCURRENT, Kind.REDELIVERY),
        *(Kind.REDROP, Kind.CANCEL, Kind.PAUSE),
    }
)

# And these hold up nobody who is about to order.
IN_TIME = frozenset({Kind.REPEAT, Kind.DUPLICATE, Kind.SWEEP, Kind.RESUME})


def keeps_to_the_pace(end: End) -> Iterator[str]:
    """Orders per minute, unless a fault has held an order up on its way: who misses its turn
    orders as soon as it can."""
    most, times = end.scenario.per_minute, end.line.orders_at
    if not most or _held_up(end.cell):
        return
    for first, later in zip(times, times[most:], strict=False):
        if later - first < WINDOW_S:
            yield f"orders {later - first:.0f} s apart, {most} may be in {WINDOW_S} s"


def waits_out_rate_limits(end: End) -> Iterator[str]:
    """Nobody orders before the time that the provider has named, unless a fault has kept its word
    from the ledger, or has held an order up on its way."""
    if end.line.asked_too_soon and not _held_up(end.cell):
        yield f"{end.line.asked_too_soon} orders were sent before a rate limit was over"


def _held_up(cell: Cell) -> bool:
    missed = any(
        fault.kind not in IN_TIME and fault.label.startswith(("slot:", "generate:"))
        for fault in cell.faults
    )
    return missed or cell.count(HOLDING_UP) > 0


def spares_who_is_down(end: End) -> Iterator[str]:
    """While the breaker is open nobody orders, unless a fault has held an order up on its way."""
    if end.line.asked_in_vain and not end.cell.count(HOLDING_UP):
        yield f"{end.line.asked_in_vain} orders were sent while the breaker was open"
