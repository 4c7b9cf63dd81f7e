"""A pause stops all orders: jobs wait in line, unpaid, and go on when it ends."""

from __future__ import annotations

import pytest

from dropreel.errors import ContentionError
from dropreel.jobs.failure import FailureKind
from dropreel.jobs.job import Job, Reservation, State
from dropreel.ledger.pause import Pauses
from dropreel.providers.base import Accepted, Busy, Failure
from dropreel.providers.catalog import Limit
from dropreel.steps.generate import Generate
from dropreel.steps.pause import PauseOrders
from dropreel.steps.watch import waited_enough
from tests.support.aws import Aws, Clock, FakeProvider, make_job
from tests.support.calls import generate
from tests.support.container import FakeContainer
from tests.support.generating import CAPS, claimed, make_generation

HOUR_S = 3600


@pytest.fixture
def switch(aws: Aws, clock: Clock) -> PauseOrders:
    return FakeContainer(aws, clock, PROVIDER_LIMITS='{"luma": {"jobs": 2}}').step(PauseOrders)


@pytest.fixture
def generation(aws: Aws, provider: FakeProvider, clock: Clock) -> Generate:
    return make_generation(aws, provider, clock)


def park(aws: Aws, clock: Clock, job: Job, token: str = "token") -> None:  # noqa: S107
    aws.slots(clock, luma=Limit(jobs=2)).join(job, token)


def test_in_a_pause_no_job_in_line_is_woken_and_afterwards_all_that_have_room_are(
    aws: Aws, clock: Clock, switch: PauseOrders
) -> None:
    switch.pause("ann", "checking the prices")
    park(aws, clock, claimed(aws))
    assert aws.woken == []
    switch.unpause("ben")
    assert [token for token, _ in aws.woken] == ["token"]


def test_a_job_with_a_slot_gives_it_back_in_a_pause_and_is_not_ordered(
    aws: Aws, clock: Clock, switch: PauseOrders, generation: Generate, provider: FakeProvider
) -> None:
    job = claimed(aws)
    park(aws, clock, job)
    switch.pause("ann")
    assert generate(generation, job.job_id) == {
        "outcome": "wait",
        "wait_seconds": 1,
        "state": "claimed",
    }
    assert (aws.slots(clock).holders("luma"), provider.requests) == (0, [])
    switch.unpause("ann")
    provider.submit_answers = [Accepted("p-1")]
    assert generate(generation, job.job_id)["outcome"] == "accepted"


def test_a_slot_that_is_given_back_in_a_pause_goes_to_nobody(
    aws: Aws, clock: Clock, switch: PauseOrders
) -> None:
    first, second = claimed(aws), aws.ledger.claim(make_job(job_id="f" * 24))
    slots = aws.slots(clock, luma=Limit(jobs=1))
    slots.join(first, "first")
    slots.join(second, "second")
    switch.pause("ann")
    slots.release(first)
    assert [token for token, _ in aws.woken] == ["first"]
    assert slots.holders("luma") == 0
    switch.unpause("ann")
    assert [token for token, _ in aws.woken] == ["first", "second"]


def test_an_order_that_has_not_begun_when_the_pause_is_written_never_begins(
    aws: Aws, clock: Clock, switch: PauseOrders
) -> None:
    """Whatever `generate` has read before: the order's own transaction asks."""
    job = claimed(aws)
    switch.pause("ann")
    money = Reservation.at(clock(), CAPS.job)
    with pytest.raises(ContentionError):
        aws.ledger.move_reserving(job, State.SUBMITTING, money, CAPS, asked_at="now")
    assert aws.ledger.require(job.job_id) == job
    assert {one.committed for one in aws.ledger.spending(money, CAPS)} == {0}


def test_pausing_twice_is_one_pause_and_one_mail_and_so_is_its_end(
    aws: Aws, clock: Clock, switch: PauseOrders
) -> None:
    first = switch.pause("ann", "prices")
    clock.pass_time(minutes=1)
    assert switch.pause("ben") == first
    switch.unpause("ben")
    assert not switch.unpause("ben")
    assert [mail["alert"] for mail in aws.operators.take()] == ["paused", "unpaused"]


def test_the_time_of_a_pause_does_not_count_as_waiting(
    aws: Aws, clock: Clock, switch: PauseOrders, generation: Generate, provider: FakeProvider
) -> None:
    job = claimed(aws)
    for hours in (20, 10):
        switch.pause("ann")
        clock.pass_time(hours=hours)
        switch.unpause("ann")
    pause = Pauses(aws.table).read()
    assert pause.held_up_s(0, clock().timestamp()) == 30 * HOUR_S
    assert not waited_enough(job, generation.unpaid_wait, clock(), pause)
    provider.submit_answers = [Busy(Failure(FailureKind.THROTTLED, "busy"))]
    assert generate(generation, job.job_id)["outcome"] == "wait"
    clock.pass_time(hours=24)
    assert waited_enough(job, generation.unpaid_wait, clock(), pause)


def test_a_pause_that_is_long_over_is_forgotten(
    aws: Aws, clock: Clock, switch: PauseOrders
) -> None:
    for _ in range(2):
        switch.pause("ann")
        clock.pass_time(hours=1)
        switch.unpause("ann")
        clock.pass_time(days=9)
    assert len(Pauses(aws.table).read().earlier) == 1


def test_the_end_of_an_earlier_pause_does_not_end_a_new_one(aws: Aws, clock: Clock) -> None:
    pauses = Pauses(aws.table)
    first = pauses.begin(1000, "ann", "")
    assert pauses.end(first, 1100)
    pauses.begin(1200, "ben", "")
    assert not pauses.end(first, 1300)
    assert pauses.read().by == "ben"


def test_a_job_that_waited_a_day_in_a_pause_is_woken_to_join_the_line_again(
    aws: Aws, clock: Clock, switch: PauseOrders
) -> None:
    job = aws.ledger.claim(make_job())
    switch.pause("ann")
    park(aws, clock, job)
    slots = aws.slots(clock, luma=Limit(jobs=2))
    slots.heal("luma", lambda _: True)
    assert aws.woken == []
    clock.pass_time(hours=25)
    slots.heal("luma", lambda _: True)
    assert [token for token, _ in aws.woken] == ["token"]
    assert slots.holders("luma") == 0
