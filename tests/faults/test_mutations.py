"""The matrix can fail: with any one fence taken away, it reports what that fence is for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from local.faults.faults import END, Cell, Kind
from local.faults.matrix import play
from local.faults.services import StepFunctions
from local.faults.world import World
from tests.faults.mutations import (
    Patch,
    claims_without_condition,
    drops_the_stale_check,
    finds_orders_it_knows,
    forgets_that_it_told,
    frees_the_money_of_lost_orders,
    gives_slots_without_limit,
    hands_lost_orders_on,
    knows_the_last_token_only,
    lets_resumed_executions_order,
    moves_without_condition,
    never_heals_the_line,
    never_trues_up,
    orders_again_what_is_being_submitted,
    repeats_orders_without_answer,
    reserves_for_the_day_only,
    starts_jobs_again_whatever_they_are,
    starts_what_may_be_billed_again,
    takes_every_failure_for_free,
    takes_old_events_for_new_drops,
    takes_slots_from_who_was_woken,
    tells_without_lease,
    updates_without_conditions,
)


@dataclass(frozen=True)
class Mutation:
    """A fence that is gone, cells that need it, and what the matrix then says."""

    break_it: Callable[[Patch], None]
    provider: str
    scenario: str
    kinds: tuple[Kind, ...]  # none: the play without a fault
    at: str
    says: str

    def slice(self, cells: list[Cell]) -> list[Cell]:
        return [cell for cell in cells if self._has(cell)]

    def _has(self, cell: Cell) -> bool:
        if (cell.provider, cell.scenario) != (self.provider, self.scenario):
            return False
        if cell.fault is None:
            return not self.kinds
        return cell.fault.kind in self.kinds and self.at in cell.fault.label


AGAIN = (Kind.CONCURRENT, Kind.REDELIVERY, Kind.OVERTAKEN)
LOST = (Kind.ERROR, Kind.CUT)
DEAD = (Kind.KILL, Kind.TIMEOUT)
LATE = (Kind.ZOMBIE,)
STOPPED = (Kind.ABORT,)
AGAIN_BY_SDK = (Kind.REPEAT,)
WAKING = ":stepfunctions.send_task_success"
CLAIM = "submit:dynamodb.put_item"

MUTATIONS = [
    Mutation(updates_without_conditions, "luma", "success", AGAIN, "generate:", "clips were made"),
    Mutation(claims_without_condition, "luma", "success", AGAIN, CLAIM, "has a clip"),
    Mutation(moves_without_condition, "fal", "success", STOPPED, "poll:", "the ledger went from"),
    Mutation(
        orders_again_what_is_being_submitted, "oxen", "success", AGAIN, "generate:", "clips were"
    ),
    Mutation(drops_the_stale_check, "luma", "success", LATE, ":POST", "although nothing was lost"),
    Mutation(repeats_orders_without_answer, "luma", "success", LOST, ":POST", "clips were made"),
    Mutation(tells_without_lease, "luma", "moderated", (), "", "were mailed failed 2 times"),
    Mutation(forgets_that_it_told, "luma", "moderated", (), "", "were mailed failed 2 times"),
    Mutation(frees_the_money_of_lost_orders, "luma", "success", LOST, ":POST", "owes $0.60"),
    Mutation(hands_lost_orders_on, "oxen", "lost", (), "", "clips were made"),
    Mutation(never_trues_up, "eachlabs", "success", (), "", "$0.60 are committed"),
    Mutation(reserves_for_the_day_only, "luma", "success", (), "", "2026-11 says"),
    Mutation(
        takes_old_events_for_new_drops, "luma", "moderated", (Kind.LATER,), "", "started again"
    ),
    Mutation(
        starts_jobs_again_whatever_they_are, "fal", "success", (Kind.LATER,), "", "clips were made"
    ),
    Mutation(
        starts_what_may_be_billed_again, "oxen", "moderated", (Kind.REDROP,), "", "may be billed"
    ),
    Mutation(finds_orders_it_knows, "fal", "again", LOST, ":POST", "list shows the order"),
    Mutation(takes_every_failure_for_free, "oxen", "again", (), "", "2 orders were accepted"),
    Mutation(gives_slots_without_limit, "oxen", "in line", (), "", "jobs at once"),
    Mutation(
        takes_slots_from_who_was_woken, "luma", "in line", AGAIN_BY_SDK, WAKING, "jobs at once"
    ),
    Mutation(knows_the_last_token_only, "oxen", "in line", LATE, "slot:", "stood in line"),
    Mutation(never_heals_the_line, "luma", "in line", DEAD, WAKING, "stood in line"),
]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.break_it.__name__)
def test_a_fence_that_is_gone_is_missed(
    played_in: World, cells: list[Cell], mutation: Mutation, monkeypatch: Patch
) -> None:
    wanted = mutation.slice(cells)
    assert wanted
    sound = said(played_in, wanted, mutation.says)
    with monkeypatch.context() as patch:
        mutation.break_it(patch)
        broken = said(played_in, wanted, mutation.says)
    assert (len(sound), bool(broken)) == (0, True), (sound[:3], len(wanted))


def said(played_in: World, cells: list[Cell], text: str) -> list[str]:
    results = [play(played_in, cell) for cell in cells]
    return [
        f"{result.cell}: {violation}"
        for result in results
        for violation in result.violations
        if text in violation
    ]


# --- fences behind fences ----------------------------------------------------------------------


def paid_twice(played_in: World, cells: list[Cell]) -> list[str]:
    return said(played_in, cells, "clips were made") + said(played_in, cells, "were accepted")


def test_without_execution_names_the_ledger_alone_keeps_from_paying_twice(
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
    ordered = said(played_in, wanted, "and has ordered")
    assert bool(ordered) == (not poll and not workflow)
