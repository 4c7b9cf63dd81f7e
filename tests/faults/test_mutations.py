"""The matrix can fail: with any one fence taken away, it reports what that fence is for."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from local.faults.faults import END, Cell, Kind
from local.faults.matrix import play
from local.faults.services import StepFunctions
from local.faults.world import World
from tests.faults.killers import DEAD, LOST, MUTATIONS, STOPPED, Mutation
from tests.faults.mutations import Patch, lets_resumed_executions_order


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.break_it.__name__)
def test_a_fence_that_is_gone_is_missed(
    played_in: World, mutation: Mutation, monkeypatch: Patch
) -> None:
    wanted = mutation.slice(played_in)
    assert wanted
    sound = list(said(played_in, wanted, mutation.says))
    with monkeypatch.context() as patch:
        mutation.break_it(patch)
        broken = next(said(played_in, wanted, mutation.says), "")
    assert (len(sound), bool(broken)) == (0, True), (sound[:3], len(wanted))


def said(played_in: World, cells: list[Cell], *texts: str) -> Iterator[str]:
    """What the matrix says of these cells with one of these texts; it plays while one asks."""
    for cell in cells:
        for violation in play(played_in, cell).violations:
            if any(text in violation for text in texts):
                yield f"{cell}: {violation}"


# --- fences behind fences ----------------------------------------------------------------------


def paid_twice(played_in: World, cells: list[Cell]) -> list[str]:
    return list(said(played_in, cells, "clips were made", "were accepted"))


def test_without_execution_names_the_ledger_alone_prevents_paying_twice(
    played_in: World, cells: list[Cell], monkeypatch: Patch
) -> None:
    monkeypatch.setattr(StepFunctions, "_known", lambda *_: None)
    kinds = {Kind.DUPLICATE, Kind.OVERTAKEN, Kind.LATER}
    wanted = [
        cell
        for cell in cells
        if (cell.provider, cell.scenario) == ("luma", "success")
        and cell.fault
        and cell.fault.kind in kinds
        and cell.fault.label.startswith(("submit:", "generate:", END))
    ]
    assert len(wanted) > 50
    assert paid_twice(played_in, wanted) == []


def test_even_a_workflow_that_repeats_the_order_does_not_pay_twice(
    played_in: World, cells: list[Cell], monkeypatch: Patch
) -> None:
    states = dict(played_in.machine.states)
    always = states["Finalize"]["Retry"]
    states["Generate"] = {**states["Generate"], "Retry": always}
    monkeypatch.setattr(played_in.machine, "states", states)
    wanted = [
        cell
        for cell in cells
        if cell.provider == "luma"
        and cell.scenario == "success"
        and cell.fault
        and cell.fault.label.startswith("generate:")
        and cell.fault.kind in (*LOST, *DEAD)
    ]
    assert paid_twice(played_in, wanted) == []


def workflow_that_lets_resumed_executions_order(patch: Patch, played_in: World) -> None:
    states = json.loads(json.dumps(played_in.machine.states))
    again = states["Clip ready?"]["Choices"][1]
    again["Condition"] = again["Condition"].replace(" and $may_order", "")
    patch.setattr(played_in.machine, "states", states)


@pytest.mark.parametrize("poll", [True, False], ids=["poll", "poll-left-out"])
@pytest.mark.parametrize("workflow", [True, False], ids=["workflow", "workflow-left-out"])
def test_poll_and_workflow_each_keep_a_resumed_execution_from_ordering(
    played_in: World, cells: list[Cell], monkeypatch: Patch, *, poll: bool, workflow: bool
) -> None:
    wanted = [
        cell
        for cell in cells
        if (cell.provider, cell.scenario) == ("luma", "again")
        and cell.fault
        and cell.fault.kind in STOPPED
    ]
    if not poll:
        lets_resumed_executions_order(monkeypatch)
    if not workflow:
        workflow_that_lets_resumed_executions_order(monkeypatch, played_in)
    ordered = next(said(played_in, wanted, "and has ordered"), "")
    assert bool(ordered) == (not poll and not workflow)
