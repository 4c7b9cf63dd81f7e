"""The matrix can fail: with any one fence taken away, it reports what that fence is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import httpx
import pytest

from dropreel.jobs.job import Job, State
from dropreel.ledger import budget as accounts
from dropreel.ledger import jobs as ledger
from dropreel.ledger import slots
from dropreel.ledger.slots import Slots
from dropreel.ledger.table import Delete, Item, Table, Update
from dropreel.mail.once import SendOnce, Turn
from dropreel.providers import oxen
from dropreel.providers.base import Failure, Provider
from dropreel.providers.limits import Limit
from dropreel.steps import poll as polling
from dropreel.steps import sweep as sweeping
from dropreel.steps.generate import Generate
from dropreel.steps.orders import clip_request, released
from dropreel.steps.poll import Poll
from dropreel.steps.submit import Pair
from local.faults.faults import END, Cell, Kind
from local.faults.matrix import play
from local.faults.provider import Transport
from local.faults.services import StepFunctions
from local.faults.world import World

Patch = pytest.MonkeyPatch

_transact = Table.write_all
_update = Table.update
_put = Table.put
_ask = Transport.handle_request
_lost = Generate._lost
_resume = Generate._resume
_failed = Poll._failed


def bare(update: Update) -> Update:
    return replace(update, condition="", where={})


def updates_without_conditions(patch: Patch) -> None:
    def write_all(self: Table, writes: list[Update | Delete]) -> None:
        _transact(self, [bare(one) if isinstance(one, Update) else one for one in writes])

    patch.setattr(Table, "write_all", write_all)


def claims_without_condition(patch: Patch) -> None:
    def put(self: Table, key: str, item: Item, *_: object) -> bool:
        return _put(self, key, item, "", {})

    patch.setattr(Table, "put", put)


def moves_without_condition(patch: Patch) -> None:
    def update(self: Table, update: Update) -> Item:
        return _update(self, bare(update) if update.key.startswith("JOB#") else update)

    patch.setattr(Table, "update", update)


def orders_again_what_is_being_submitted(patch: Patch) -> None:
    def resume(self: Generate, job: Job) -> dict[str, Any]:
        if job.state is not State.SUBMITTING:
            return _resume(self, job)
        request = clip_request(job, self._clips, 3600)
        return self._settle(job, self._provider(job.provider).submit(request), 0)

    patch.setattr(Generate, "_resume", resume)


def drops_the_stale_check(patch: Patch) -> None:
    patch.setattr(polling, "STALE_S", 0)


def repeats_orders_without_answer(patch: Patch) -> None:
    def handle_request(self: Transport, request: httpx.Request) -> httpx.Response:
        try:
            return _ask(self, request)
        except httpx.TransportError:
            return _ask(self, request)

    patch.setattr(Transport, "handle_request", handle_request)


def tells_without_lease(patch: Patch) -> None:
    patch.setattr(SendOnce, "begin", lambda *_: Turn.OURS)


def forgets_that_it_told(patch: Patch) -> None:
    patch.setattr(SendOnce, "end", lambda *_: None)


def frees_the_money_of_lost_orders(patch: Patch) -> None:
    def lost(self: Generate, job: Job, failure: Failure) -> dict[str, Any]:
        free = self._ledger.move

        def move(moved: Job, to: State, **facts: Any) -> Job:
            return free(moved, to, **facts, **released(moved))

        patch.setattr(self._ledger, "move", move)
        return _lost(self, job, failure)

    patch.setattr(Generate, "_lost", lost)


def hands_lost_orders_on(patch: Patch) -> None:
    def lost(self: Generate, job: Job, failure: Failure) -> dict[str, Any]:
        moved = self._rules.next_provider(job, "unreachable")
        return self._hand_on(job, moved, released(job)) if moved else _lost(self, job, failure)

    patch.setattr(Generate, "_lost", lost)


def never_trues_up(patch: Patch) -> None:
    patch.setattr(ledger, "adjusting", lambda *_: [])


def reserves_for_the_day_only(patch: Patch) -> None:
    limits = accounts._limits
    patch.setattr(accounts, "_limits", lambda *given: limits(*given)[:1])


def takes_old_events_for_new_drops(patch: Patch) -> None:
    number = count(1000)
    always_newer = property(lambda _: f"9999-12-31T00:00:00.{next(number)}Z")
    patch.setattr(Pair, "dropped_at", always_newer)


def starts_jobs_again_whatever_they_are(patch: Patch) -> None:
    takes_old_events_for_new_drops(patch)
    patch.setattr(Job, "may_start_again", True)


def starts_what_may_be_billed_again(patch: Patch) -> None:
    patch.setattr(Job, "may_start_again", property(lambda job: job.state in FAILURES))


def lets_resumed_executions_order(patch: Patch) -> None:
    def failed(self: Poll, job: Job, failure: Failure, *_: bool) -> dict[str, Any]:
        return _failed(self, job, failure, True)

    patch.setattr(Poll, "_failed", failed)


def finds_orders_it_knows(patch: Patch) -> None:
    def find(job: Job, provider: Provider, clips: Any) -> list[str] | None:
        return find_order(replace(job, attempts=()), provider, clips)

    find_order = polling.find_lost_orders
    for place in (polling, sweeping):
        patch.setattr(place, "find_order", find)


def takes_every_failure_for_free(patch: Patch) -> None:
    def judged(*given: Any) -> Failure:
        return replace(judge(*given), billed=False)

    judge = oxen._job_failure
    patch.setattr(oxen, "_job_failure", judged)


def takes_slots_from_who_was_woken(patch: Patch) -> None:
    patch.setattr(Slots, "_is_over", lambda *_: True)


def knows_the_last_token_only(patch: Patch) -> None:
    def park(self: Slots, job_id: str, token: str) -> None:
        self._table.put(f"PARKED#{job_id}", {"token": token})

    patch.setattr(Slots, "_park", park)


def never_heals_the_line(patch: Patch) -> None:
    patch.setattr(Slots, "heal", lambda *_: 0)


def gives_slots_without_limit(patch: Patch) -> None:
    patch.setattr(slots, "limit_of", lambda *_: Limit(jobs=9))


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
FAILURES = frozenset({State.REFUSED, State.FAILED, State.CANCELLED})
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
    Mutation(tells_without_lease, "luma", "moderated", (), "", "were told failed 2 times"),
    Mutation(forgets_that_it_told, "luma", "moderated", (), "", "were told failed 2 times"),
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
    Mutation(lets_resumed_executions_order, "luma", "again", STOPPED, "", "and has ordered"),
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
    always = states["Finish"]["Retry"]
    states["Ask provider"] = {**states["Ask provider"], "Retry": always}
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
