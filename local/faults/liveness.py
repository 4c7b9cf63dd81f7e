"""A fault that can be survived changes no good end, and nobody waits longer than stated.

A play is compared with the play of the same scenario without a fault: its jobs may not end worse
(`RANK`), nor later than the bounds below. Which faults cannot be survived, and why, is written in
`unsurvivable` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dropreel.jobs.job import State
from dropreel.ledger.breaker import LONGEST_OPEN_S
from dropreel.providers.catalog import CATALOG
from local.faults.ends import End, ends_of
from local.faults.faults import END, HARMLESS, OUTAGES_S, Cell, Fault, Kind, Moment, Point
from local.faults.functions import DEADLINE
from local.faults.operating import PAUSE_S
from local.faults.scenarios import SCENARIOS
from local.faults.world import World

# How good an end is: a clip, a word that is final and true, or a question that is left open.
RANK = {
    State.DELIVERED: 2,
    State.REFUSED: 1,
    State.FAILED: 1,
    State.CANCELLED: 1,
    State.UNKNOWN: 0,
    State.STALLED: 0,
}

WORSE, LATE = "worse than without a fault", "later than stated"

# What breaks a run of a function off, and what hides whether an order has arrived.
_BREAKS = frozenset({Kind.CRASH, Kind.KILL, Kind.TIMEOUT})
_HIDES = frozenset({Kind.HALF_SENT, Kind.GATEWAY})
_CUTS = frozenset({Kind.ERROR, Kind.SLOW, Kind.CUT_FIRST, Kind.CUT, Kind.CUT_LAST})
_RESERVES = "generate:dynamodb.transact_write_items"

SWEEP_S = 1800
_DEADLINE_S = DEADLINE.total_seconds()
# What came only more, later, or not at once: one more poll, one more turn in line.
SOON_S = 600
# A job that nobody cares for any more is found by a sweep when its deadline has passed twice; the
# clip is then made, or watched, within one deadline more.
LATEST_S = 3 * _DEADLINE_S + 2 * SWEEP_S


@dataclass(frozen=True, slots=True)
class Baseline:
    """How a scenario ends without a fault, after how many seconds, and by which calls."""

    ends: tuple[State, ...]
    seconds: float
    points: tuple[Point, ...]


def baseline(played_in: World, provider: str, scenario: str) -> Baseline:
    """Of one scenario at one provider; played once in each world."""
    known = played_in.baselines
    if (provider, scenario) not in known:
        clean = Cell(provider, scenario)
        seconds = played_in.play(clean).settled_at
        ends, points = _by_rank(ends_of(played_in, clean)), tuple(played_in.points)
        known[provider, scenario] = Baseline(ends, seconds, points)
    found: Baseline = known[provider, scenario]
    return found


def _by_rank(ends: Sequence[End]) -> tuple[State, ...]:
    """Which of two images gets what is left of a budget may change."""
    return tuple(sorted((State(end.state) for end in ends), key=lambda state: RANK.get(state, 0)))


def survivable(cell: Cell) -> bool:
    return not any(unsurvivable(fault, cell) for fault in cell.faults)


def unsurvivable(fault: Fault, cell: Cell) -> str:
    """Why a fault may change the end; empty where it may not."""
    if fault.kind is Kind.ABORT:
        return "somebody has stopped the execution"
    waits_for_day = SCENARIOS[cell.scenario].over_day_cap == "wait"
    if waits_for_day and fault.kind is Kind.OUTAGE and fault.label.startswith("generate:"):
        return "after trouble that lasts past midnight, both orders count on the new day"
    before, after = fault.moment is Moment.BEFORE, fault.moment is Moment.AFTER
    if fault.label.startswith(_RESERVES) and after and fault.kind in _BREAKS:
        return "nobody knows that the order was never sent, and a list without it proves nothing"
    if ":POST " not in fault.label or fault.kind not in _BREAKS | _HIDES | _CUTS:
        return ""
    if before and fault.kind is Kind.ERROR:
        return ""  # nobody was reached, which proves that nothing was ordered
    if before or SCENARIOS[cell.scenario].refuses:
        return "nothing was ordered, but nobody knows, and a list without it proves nothing"
    if not CATALOG[cell.provider].lists_orders:
        return "the answer is lost at a provider that has no list of its orders"
    return ""


def worse_ends(ends: Sequence[End], clean: Baseline) -> list[str]:
    """What has ended worse than without faults."""
    cancelled = sum(end.cancelled for end in ends)  # as good as a clip: nobody wants one
    wanted = clean.ends[: len(clean.ends) - cancelled] if cancelled else clean.ends
    found = _by_rank([end for end in ends if not end.cancelled])
    return [
        f"{WORSE}: {state} instead of {better}"
        for better, state in zip(wanted, found, strict=True)
        if RANK.get(state, 0) < RANK[better]
    ]


def too_late(seconds: float, cell: Cell, clean: Baseline) -> list[str]:
    """Whether the last job has ended later than is stated."""
    if any(fault.label == END or fault.kind is Kind.REDROP for fault in cell.faults):
        return []  # it begins anew
    allowed = clean.seconds + sum(map(_allowed_s, cell.faults))
    if seconds <= allowed:
        return []
    return [f"{LATE}: over after {seconds:.0f} s, {allowed:.0f} s are stated"]


def _allowed_s(fault: Fault) -> float:
    if fault.kind is Kind.PAUSE:  # and one more try, after which a busy provider is waited for
        return SOON_S + PAUSE_S + LONGEST_OPEN_S
    if fault.kind in HARMLESS:  # what a sweep is kept from, the next one does
        return SOON_S + (SWEEP_S if fault.label.startswith("sweep:") else 0)
    return LATEST_S + (max(OUTAGES_S) if fault.kind is Kind.OUTAGE else 0)
