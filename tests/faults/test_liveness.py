"""Which faults can be survived, and what counts as worse or later."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dropreel.jobs.job import State
from local.faults.faults import Cell, Fault, Kind, Moment
from local.faults.liveness import (
    LATE,
    SOON_S,
    WORSE,
    Baseline,
    survivable,
    too_late,
    unsurvivable,
    worse_ends,
)

POST = "generate:POST /x#1"
RESERVES = "generate:dynamodb.transact_write_items#1"
CLEAN = Baseline((State.REFUSED, State.DELIVERED), 100.0, ())


def ends(*states: State) -> Any:
    return [SimpleNamespace(state=state.value, cancelled=False) for state in states]


@pytest.mark.parametrize(
    ("fault", "provider", "survived"),
    [
        (Fault(POST, Moment.AFTER, Kind.CUT), "fal", True),  # its list shows the order
        (Fault(POST, Moment.AFTER, Kind.CUT), "luma", False),
        (Fault(POST, Moment.BEFORE, Kind.ERROR), "luma", True),  # nobody was reached
        (Fault(POST, Moment.BEFORE, Kind.KILL), "fal", False),
        (Fault(POST, Moment.BEFORE, Kind.GATEWAY), "fal", False),
        (Fault(POST, Moment.BEFORE, Kind.OUTAGE), "luma", True),
        (Fault(POST, Moment.AFTER, Kind.OVERTAKEN), "luma", True),
        (Fault(RESERVES, Moment.AFTER, Kind.TIMEOUT), "fal", False),
        (Fault(RESERVES, Moment.AFTER, Kind.ERROR), "fal", True),
        (Fault("poll:GET /x#1", Moment.AFTER, Kind.KILL), "luma", True),
        (Fault("poll:GET /x#1", Moment.AFTER, Kind.ABORT), "fal", False),
    ],
    ids=str,
)
def test_a_fault_is_survived_unless_an_order_is_in_doubt_or_an_execution_stops(
    fault: Fault, provider: str, survived: bool
) -> None:
    played = Cell(provider, "success", fault)
    assert bool(unsurvivable(fault, played)) is not survived
    assert survivable(played) is survived


def test_several_faults_are_survived_only_where_each_of_them_is() -> None:
    good, bad = Fault("a:b#1", Moment.AFTER, Kind.KILL), Fault("a:b#2", Moment.AFTER, Kind.ABORT)
    assert survivable(Cell("fal", "success", good, (good,)))
    assert not survivable(Cell("fal", "success", good, (bad,)))


def test_an_open_end_is_worse_than_no_clip_and_no_clip_worse_than_a_clip() -> None:
    assert worse_ends(ends(State.DELIVERED, State.REFUSED), CLEAN) == []
    assert worse_ends(ends(State.DELIVERED, State.FAILED), CLEAN) == []
    assert worse_ends(ends(State.DELIVERED, State.STALLED), CLEAN) == [
        f"{WORSE}: stalled instead of refused"
    ]
    assert worse_ends(ends(State.REFUSED, State.REFUSED), CLEAN) == [
        f"{WORSE}: refused instead of delivered"
    ]


def test_a_job_that_was_late_ends_soon_and_one_that_broke_after_the_sweep() -> None:
    late, broken = (
        Cell("fal", "success", Fault("poll:GET /x#1", Moment.AFTER, kind))
        for kind in (Kind.DELAYED, Kind.KILL)
    )
    assert too_late(100.0, Cell("fal", "success"), CLEAN) == []
    assert too_late(101.0, Cell("fal", "success"), CLEAN)[0].startswith(LATE)
    assert too_late(100.0 + SOON_S, late, CLEAN) == []
    assert too_late(101.0 + SOON_S, late, CLEAN) != []
    assert too_late(101.0 + SOON_S, broken, CLEAN) == []
    assert too_late(9999.0, broken, CLEAN) != []
