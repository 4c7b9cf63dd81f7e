"""The ledger under any order of calls by any number of callers, each with what it read before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from dropreel.errors import LedgerConflictError
from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import Job, Reservation, State, utc_iso
from dropreel.ledger.jobs import SETTLED, TRANSITIONS, Ledger
from dropreel.ledger.table import Item, Table, Update
from dropreel.money.budget import CapReachedError, Caps
from local.faults.dynamo import Dynamo
from tests.support.aws import make_job

CAPS = Caps(job=Decimal(5), day=Decimal("1.50"), month=Decimal("2.50"))
PLAYS = settings(max_examples=100, stateful_step_count=60, deadline=None)

names = st.sampled_from(["job-1", "job-2"])
amounts = st.sampled_from([Decimal("0.30"), Decimal("0.60"), Decimal("1.20")])
billed = st.sampled_from([None, False, True])
costs = st.sampled_from([Decimal(0), Decimal("0.20"), Decimal("0.30")])
steps = st.sampled_from(sorted(set(State) - {State.SUBMITTING}))
ways = st.lists(st.integers(0, 9), min_size=1, max_size=6)
later = st.sampled_from([timedelta(minutes=1), timedelta(hours=9), timedelta(days=1)])


class LedgerMachine(RuleBasedStateMachine):
    """`held` is what the ledger must hold; `seen` are jobs as some caller has read them."""

    seen: Bundle[Job] = Bundle("seen")

    def __init__(self) -> None:
        super().__init__()
        dynamo: Any = Dynamo()
        self.table = self.make_table(dynamo)
        self.ledger = Ledger(self.table)
        self.now = datetime(2026, 11, 29, 9, tzinfo=UTC)
        self.held: dict[str, Job] = {}
        self.watched: set[str] = set()
        self.orders: Counter[tuple[str, int]] = Counter()
        self.known_unpaid: Counter[tuple[str, int]] = Counter()

    def make_table(self, dynamo: Any) -> Table:
        return Table(dynamo, "ledger", sleep=lambda _: None)

    # --- what callers do ------------------------------------------------------------------------

    @rule(passed=later)
    def time_passes(self, passed: timedelta) -> None:
        self.now += passed

    @rule(target=seen, name=names, age=st.sampled_from([0, 0, 3600]))
    def drop(self, name: str, age: int) -> Job:
        """An event of a drop that was made `age` seconds ago."""
        self.now += timedelta(milliseconds=1)
        job = make_job(job_id=name, dropped_at=utc_iso(self.now - timedelta(seconds=age)))
        before = self.held.get(name)
        if before is None:
            self._keep(job)
        elif job.dropped_at > max(before.dropped_at, before.newest_drop_at):
            if before.may_start_again:
                self._keep(replace(job, run=before.run + 1, attempts=before.attempts))
            else:
                self.held[name] = replace(before, newest_drop_at=job.dropped_at)
        found = self.ledger.claim(job)
        assert found == self.held[name]
        return found

    @rule(target=seen, name=names)
    def read(self, name: str) -> Any:
        found = self.ledger.get(name)
        assert found == self.held.get(name)
        return found or multiple()

    @rule(target=seen, job=seen, amount=amounts)
    def try_to_order(self, job: Job, amount: Decimal) -> Any:
        return self.order(job, amount)

    def order(self, job: Job, amount: Decimal) -> Any:
        self.now += timedelta(milliseconds=1)
        reservation = Reservation.at(self.now, amount)
        facts: dict[str, Any] = {"asked_at": utc_iso(self.now)}
        holds = job.reservation and job.reservation.amount_usd
        allowed = self._current(job) and State.SUBMITTING in TRANSITIONS[job.state] and not holds
        fits = all(
            self._reserved(period) + amount <= cap
            for period, cap in ((reservation.day, CAPS.day), (reservation.month, CAPS.month))
        )
        try:
            moved = self.ledger.move_reserving(job, State.SUBMITTING, reservation, CAPS, **facts)
        except LedgerConflictError:
            assert not allowed
            return multiple()
        except CapReachedError:
            assert allowed
            assert not fits
            return multiple()
        assert allowed
        assert fits
        self.orders[job.job_id, job.run] += 1
        facts = {**facts, "reservation": reservation, "order_ref": moved.order_ref}
        self._move(job, State.SUBMITTING, facts)
        return moved

    @rule(target=seen, name=names, ways=ways, amount=amounts, billed=billed, cost=costs)
    def go_on(
        self, name: str, ways: list[int], amount: Decimal, billed: bool | None, cost: Decimal
    ) -> Any:
        """Some allowed steps, by somebody who reads the job before each."""
        for way in ways:
            job = self.ledger.get(name)
            allowed = sorted(TRANSITIONS[job.state]) if job else []
            if not job or not allowed:
                break
            to = allowed[way % len(allowed)]
            if to is State.SUBMITTING:
                self.order(job, amount)
            else:
                self.step(job, to, billed, cost)
        return self.held.get(name) or multiple()

    @rule(target=seen, job=seen, to=steps, billed=billed, cost=costs)
    def try_to(self, job: Job, to: State, billed: bool | None, cost: Decimal) -> Any:
        return self.step(job, to, billed, cost)

    def step(self, job: Job, to: State, billed: bool | None, cost: Decimal) -> Any:
        facts = _facts(job, to, billed, cost)
        allowed = self._current(job) and to in TRANSITIONS[job.state]
        try:
            moved = self.ledger.move(job, to, **facts)
        except LedgerConflictError:
            assert not allowed
            return multiple()
        assert allowed
        if to is State.CLAIMED and job.state is not State.CLAIMED:
            self.known_unpaid[job.job_id, job.run] += 1
        self._move(job, to, facts)
        return moved

    @rule(job=seen, execution=st.sampled_from(["one", "two"]))
    def take_charge(self, job: Job, execution: str) -> None:
        try:
            self.ledger.take_charge(job, execution)
        except LedgerConflictError:
            assert not self._current(job)
        else:
            if job.execution != execution:
                assert self._current(job)
                self.held[job.job_id] = replace(self.held[job.job_id], execution=execution)

    @rule(job=seen)
    def settle(self, job: Job) -> None:
        self.ledger.settle(job)
        if self._current(job) and job.state in SETTLED:
            self.watched.discard(job.job_id)

    # --- what must hold -------------------------------------------------------------------------

    @invariant()
    def the_ledger_holds_what_it_must(self) -> None:
        for name, job in self.held.items():
            assert self.ledger.require(name) == job

    @invariant()
    def what_is_committed_is_what_the_jobs_hold_and_within_the_caps(self) -> None:
        for period in self._periods():
            item = self.table.get(f"BUDGET#{period}")
            committed = item["committed_usd"] if item else Decimal(0)
            assert committed == self._reserved(period)
            assert 0 <= committed <= (CAPS.day if len(period) > len("2026-11") else CAPS.month)

    @invariant()
    def nothing_is_ordered_again_before_the_last_order_is_known_to_be_unpaid(self) -> None:
        for run, count in self.orders.items():
            assert count <= self.known_unpaid[run] + 1

    @invariant()
    def what_is_not_settled_is_watched(self) -> None:
        listed = set(self.ledger.unsettled(10))
        assert listed == self.watched
        assert listed >= {name for name, job in self.held.items() if job.state not in SETTLED}

    # --- what is expected -----------------------------------------------------------------------

    def _current(self, job: Job) -> bool:
        """Whether nothing has happened to the job since it was read."""
        return _identity(job) == _identity(self.held[job.job_id])

    def _move(self, job: Job, to: State, facts: Mapping[str, Any]) -> None:
        self._keep(replace(self.held[job.job_id], state=to, **facts))

    def _keep(self, job: Job) -> None:
        self.held[job.job_id] = job
        self.watched.add(job.job_id)

    def _periods(self) -> set[str]:
        found = [job.reservation for job in self.held.values() if job.reservation]
        return {one.day for one in found} | {one.month for one in found}

    def _reserved(self, period: str) -> Decimal:
        found = [job.reservation for job in self.held.values() if job.reservation]
        return sum((one.amount_usd for one in found if period in (one.day, one.month)), Decimal(0))


def _identity(job: Job) -> tuple[Any, ...]:
    """A job may come back to a state without the money or the order that it had there before."""
    return job.state, job.run, job.asked_at, job.reservation, job.order_ref


def _facts(job: Job, to: State, billed: bool | None, cost: Decimal) -> dict[str, Any]:
    """What the functions note with a step: only some of them free or true up money."""
    match to:
        case State.CLAIMED | State.REFUSED:
            return job.released()
        case State.FAILED | State.CANCELLED:
            free = job.released() if billed is False else {}
            return {"failure": JobFailure(FailureKind.TRANSIENT, billed=billed), **free}
        case State.DELIVERED if job.reservation:
            return {"cost_usd": cost, "reservation": job.reservation.of(cost)}
        case _:
            return {}


def test_the_ledger_keeps_its_promises_whatever_happens_in_which_order() -> None:
    run_state_machine_as_test(LedgerMachine, settings=PLAYS)


def test_who_read_a_job_before_it_lost_its_money_cannot_move_it_in_the_same_state() -> None:
    machine = LedgerMachine()
    claimed: Any = machine.drop(name="job-1", age=0)
    job = machine.order(claimed, Decimal("0.30"))
    job = machine.step(job, State.SUBMITTED, None, Decimal(0))
    with_money = machine.step(job, State.CANCELLED, None, Decimal(0))
    job = machine.step(with_money, State.CLAIMED, None, Decimal(0))
    again = machine.step(job, State.CANCELLED, None, Decimal(0))
    assert (again.state, again.reservation) == (with_money.state, job.reservation)
    with pytest.raises(LedgerConflictError):
        machine.ledger.move(with_money, State.CLAIMED, **with_money.released())
    machine.settle(with_money)
    machine.what_is_not_settled_is_watched()
    assert machine.watched == {"job-1"}


class CarelessTable(Table):
    """Writes without looking whether the job is still as it was read."""

    def update(self, update: Update) -> Item:
        return super().update(_bare(update))

    def write_all(self, writes: Any) -> None:
        super().write_all([_bare(writes[0]), *writes[1:]])


def _bare(update: Update) -> Update:
    return replace(update, condition=None)


class CarelessMachine(LedgerMachine):
    def make_table(self, dynamo: Any) -> Table:
        return CarelessTable(dynamo, "ledger", sleep=lambda _: None)


def test_a_ledger_without_conditions_breaks_them() -> None:
    found_at_once = settings(
        PLAYS, max_examples=500, database=None, phases=[Phase.generate], report_multiple_bugs=False
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(CarelessMachine, settings=found_at_once)
