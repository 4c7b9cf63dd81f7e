from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dropreel.jobs.job import Job, State
from dropreel.ledger.slots import BELIEVED_S, Slots, _place, change_priority
from dropreel.ledger.table import Table
from dropreel.providers.catalog import Limit
from local.faults.dynamo import Dynamo
from tests.support.aws import Aws, Clock, make_job

pytestmark = pytest.mark.on_moto

MADE = [State.SUBMITTED, State.READY]


def job(number: int, **changes: Any) -> Job:
    """The job that was dropped as the `number`th."""
    created = f"2026-11-20T09:{number // 60:02}:{number % 60:02}.000Z"
    return make_job(job_id=f"{number:024x}", created_at=created, **changes)


def park(slots: Slots, *jobs: Job) -> None:
    for one in jobs:
        slots.join(one, f"token {int(one.job_id, 16)}")


def woken(aws: Aws) -> list[int]:
    """Which jobs were woken since the last call."""
    numbers = [int(token.removeprefix("token ")) for token, _ in aws.woken]
    aws.woken.clear()
    return numbers


def held(aws: Aws) -> set[int]:
    item = aws.table.get("SLOTS#luma") or {}
    return {int(name.removeprefix("hold_"), 16) for name in item if name.startswith("hold_")}


@pytest.fixture
def slots(aws: Aws, clock: Clock) -> Slots:
    return aws.slots(clock, luma=Limit(jobs=2))


def test_a_job_that_finds_a_free_slot_is_woken_at_once(aws: Aws, slots: Slots) -> None:
    park(slots, job(1), job(2))
    assert woken(aws) == [1, 2]
    assert held(aws) == {1, 2}


def test_a_job_without_a_slot_sleeps_until_one_is_freed(aws: Aws, slots: Slots) -> None:
    park(slots, job(1), job(2), job(3))
    assert woken(aws) == [1, 2]
    slots.release(job(1))
    assert woken(aws) == [3]
    assert held(aws) == {2, 3}


def test_who_was_dropped_first_goes_first_and_priority_jumps_the_line(
    aws: Aws, slots: Slots
) -> None:
    park(slots, job(1), job(2))
    park(slots, job(6, priority="low"), job(5), job(4), job(7, priority="high"))
    for _ in range(4):
        slots.release(job(min(held(aws))))
    assert woken(aws) == [1, 2, 7, 4, 5, 6]


def test_a_job_that_gets_another_priority_in_line_changes_its_place(aws: Aws, slots: Slots) -> None:
    park(slots, job(1), job(2), job(3), job(4), job(5))
    change_priority(aws.table, job(5), "high")
    change_priority(aws.table, job(3), "low")
    change_priority(aws.table, job(4), "normal")
    for _ in range(4):
        slots.release(job(min(held(aws))))
    assert woken(aws) == [1, 2, 5, 4, 3]


def test_another_priority_puts_no_job_in_line(aws: Aws, slots: Slots) -> None:
    park(slots, job(1))
    change_priority(aws.table, job(1), "high")
    change_priority(aws.table, job(2), "high")
    assert aws.table.count("WAITING#luma") == 0


def test_each_provider_has_slots_of_its_own(aws: Aws, slots: Slots) -> None:
    park(slots, job(1), job(2), job(3), job(4, provider="fal"))
    assert woken(aws) == [1, 2, 4]


def test_a_slot_can_be_freed_only_once(aws: Aws, slots: Slots) -> None:
    park(slots, job(1), job(2), job(3), job(4))
    for _ in range(3):
        slots.release(job(1))
    assert woken(aws) == [1, 2, 3]


def test_standing_in_line_twice_takes_one_place_and_the_newest_token_counts(
    aws: Aws, slots: Slots
) -> None:
    park(slots, job(1), job(2), job(3))
    woken(aws)
    slots.join(job(3), "token 33")
    slots.release(job(1))
    assert woken(aws) == [33]
    assert held(aws) == {2, 3}


def test_who_has_a_slot_already_is_woken_again(aws: Aws, slots: Slots) -> None:
    park(slots, job(1))
    slots.join(job(1), "token 11")
    assert woken(aws) == [1, 11]
    assert held(aws) == {1}


@pytest.mark.parametrize("states", [[State.REFUSED], [State.SUBMITTING, *MADE]])
def test_who_needs_no_slot_any_more_gives_its_turn_to_the_next(
    aws: Aws, slots: Slots, states: list[State]
) -> None:
    gone = aws.ledger.claim(job(3))
    park(slots, job(1), job(2), gone, job(4))
    aws.gone.add("token 3")
    for state in states:
        gone = aws.ledger.move(gone, state)
    slots.release(job(1))
    assert woken(aws) == [1, 2, 4]
    assert held(aws) == {2, 4}


def test_who_was_woken_already_keeps_its_slot(aws: Aws, slots: Slots) -> None:
    """So it is when the word comes twice: the second one finds that nobody waits."""
    awake = aws.ledger.claim(job(3))
    park(slots, job(1), job(2), awake, job(4))
    aws.gone.add("token 3")
    slots.release(job(1))
    assert woken(aws) == [1, 2]
    assert held(aws) == {2, 3}


def test_an_old_token_that_comes_late_does_not_hide_the_new_one(aws: Aws, slots: Slots) -> None:
    park(slots, job(1), job(2))
    slots.join(job(3), "token 33")
    slots.join(job(3), "token 3")
    aws.gone.add("token 3")
    slots.release(job(1))
    assert woken(aws) == [1, 2, 33]


def test_two_attempts_that_meet_are_both_remembered(
    aws: Aws, slots: Slots, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, late = aws.table.put, iter([lambda: slots.join(job(3), "token 33")])

    def putting(*given: Any) -> bool:
        next(late, lambda: None)()
        return put(*given)

    park(slots, job(1), job(2))
    monkeypatch.setattr(aws.table, "put", putting)
    park(slots, job(3))
    aws.gone.add("token 3")
    slots.release(job(1))
    assert woken(aws) == [1, 2, 33]


def test_a_release_that_broke_off_is_made_good_when_it_is_repeated(
    aws: Aws, slots: Slots, monkeypatch: pytest.MonkeyPatch
) -> None:
    park(slots, job(1), job(2), job(3))
    with monkeypatch.context() as patch:
        patch.setattr(aws.table, "query", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            slots.release(job(1))
    slots.release(job(1))
    assert woken(aws) == [1, 2, 3]


def test_whoever_holds_a_slot_and_stands_in_line_frees_it_before_it_gets_another(
    aws: Aws, slots: Slots
) -> None:
    """Two attempts to stand in line can meet like that."""
    park(slots, job(1), job(2))
    slots.table.put(_place(job(1)), {"job_id": job(1).job_id})
    slots.release(job(1))
    assert woken(aws) == [1, 2, 1]
    assert held(aws) == {1, 2}


def test_a_slot_is_freed_even_when_others_are_always_quicker(
    aws: Aws, slots: Slots, monkeypatch: pytest.MonkeyPatch
) -> None:
    park(slots, job(1), job(2), job(3))
    monkeypatch.setattr(Slots, "_grant", lambda *_, **__: False)
    slots.release(job(1))
    assert held(aws) == {2}


@pytest.mark.parametrize(
    ("meanwhile", "writes"),
    [
        # More room does not disturb; that room is given away when it is seen.
        (lambda slots: slots._free("luma", job(2).job_id), 2),
        # The one that was first in line has a slot already.
        (lambda slots: slots.release(job(2)), 3),
    ],
)
def test_two_slots_that_are_handed_over_at_once_go_to_two_jobs(
    aws: Aws,
    slots: Slots,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: Callable[[Slots], object],
    writes: int,
) -> None:
    write_all, late, written = aws.table.write_all, iter([meanwhile]), list[int]()

    def writing(parts: Any) -> None:
        written.append(len(parts))
        next(late, lambda _: None)(slots)
        write_all(parts)

    park(slots, job(1), job(2), job(3), job(4))
    woken(aws)
    monkeypatch.setattr(aws.table, "write_all", writing)
    slots.release(job(1))
    assert sorted(woken(aws)) == [3, 4]
    assert held(aws) == {3, 4}
    assert len(written) == writes


def test_a_full_provider_gets_fewer_jobs_for_a_while(aws: Aws, slots: Slots, clock: Clock) -> None:
    slots = aws.slots(clock, luma=Limit(jobs=4))
    park(slots, *(job(number) for number in range(1, 7)))
    slots.back_off(job(3), 15, full=True)
    slots.back_off(job(4), 15, full=True)
    park(slots, job(3))  # its wait is over, but 1 and 2 are still there
    assert woken(aws) == [1, 2, 3, 4]
    slots.release(job(1))
    assert woken(aws) == [3]  # it was here before 5
    park(slots, job(4))  # who was refused last tries one more than there are
    assert woken(aws) == [4]
    slots.serve("luma")
    assert woken(aws) == []
    clock.pass_time(seconds=BELIEVED_S + 1)
    slots.serve("luma")
    assert woken(aws) == [5]


def test_while_a_provider_refuses_all_the_line_waits_for_the_last_refused_job(
    aws: Aws, slots: Slots, clock: Clock
) -> None:
    park(slots, job(1), job(2), job(3))
    woken(aws)
    slots.back_off(job(1), 60, full=False)
    slots.back_off(job(2), 60, full=False)
    slots.serve("luma")
    park(slots, job(1))
    assert woken(aws) == []
    park(slots, job(2))
    assert woken(aws) == [1, 2]


def test_after_a_back_off_the_line_moves_again(aws: Aws, slots: Slots, clock: Clock) -> None:
    park(slots, job(1), job(2), job(3))
    woken(aws)
    slots.back_off(job(1), 60, full=False)
    clock.pass_time(seconds=61)
    slots.release(job(2))
    assert woken(aws) == [3]


def test_orders_per_minute_are_spread(aws: Aws, clock: Clock) -> None:
    slots = aws.slots(clock, luma=Limit(jobs=50, orders_per_minute=3))
    now = clock().timestamp()
    park(slots, *(job(number) for number in range(7)))
    assert [turn and turn - now for _, turn in aws.woken] == [0, 0, 0, 60, 60, 60, 120]


def test_who_is_woken_again_keeps_its_turn(aws: Aws, clock: Clock) -> None:
    slots = aws.slots(clock, luma=Limit(jobs=2, orders_per_minute=1))
    park(slots, job(1), job(2))
    turns = dict(aws.woken)
    aws.woken.clear()
    park(slots, job(2))
    slots.heal("luma", lambda _: True)
    assert turns["token 2"] > turns["token 1"]
    assert aws.woken == [("token 2", turns["token 2"]), *turns.items()]


def test_a_hold_that_outlives_its_lease_is_free_for_who_waits(
    aws: Aws, slots: Slots, clock: Clock
) -> None:
    park(slots, job(1), job(2))
    clock.pass_time(seconds=3601)
    park(slots, job(3))
    assert woken(aws) == [1, 2, 3]
    assert held(aws) == {3}


def test_healing_frees_unused_slots_and_wakes_the_holders_of_the_others_again(
    aws: Aws, slots: Slots
) -> None:
    park(slots, job(1), job(2), job(3))
    woken(aws)
    assert slots.heal("luma", lambda job_id: job_id == job(2).job_id) == 1
    assert sorted(woken(aws)) == [2, 3]
    assert held(aws) == {2, 3}


def test_jobs_that_join_at_once_fill_the_slots_and_no_more(aws: Aws, clock: Clock) -> None:
    slots = aws.slots(clock, luma=Limit(jobs=5))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: park(slots, job(number)), range(40)))
    assert len(woken(aws)) == len(held(aws)) == 5


@hypothesis_settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_every_job_is_woken_once_and_the_limit_is_kept(aws: Aws, clock: Clock, data: Any) -> None:
    limit = data.draw(st.integers(1, 4))
    # Moto takes forty times as long; tests/faults hold this stand-in against it.
    aws = replace(aws, table=Table(Dynamo(), "ledger"), woken=[])  # type: ignore[arg-type]
    slots = aws.slots(clock, luma=Limit(jobs=limit))
    waiting, running, done = list(range(12)), list[int](), list[int]()
    while len(done) < 12:
        if waiting and (not running or data.draw(st.booleans())):
            park(slots, job(waiting.pop(0)))
        else:
            over = running.pop(data.draw(st.integers(0, len(running) - 1)))
            slots.release(job(over))
            done.append(over)
        running += woken(aws)
        assert len(running) <= limit
        assert set(running) == held(aws)
    assert sorted(done) == list(range(12))
