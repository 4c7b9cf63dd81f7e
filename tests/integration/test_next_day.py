"""What is over the day's cap waits for the next day, if the stack says so and that can help."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from dropreel.jobs.job import Job, State
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.pause import Pause
from dropreel.mail.once import LEASE_S, SendOnce
from dropreel.providers.base import Accepted
from dropreel.steps.cancel import Cancel
from dropreel.steps.generate import Generate
from dropreel.steps.poll import Poll
from dropreel.steps.watch import waited_enough
from tests.support.aws import NOW, Aws, Clock, FakeProvider, make_job
from tests.support.calls import failure_of, generate, poll
from tests.support.container import FakeContainer
from tests.support.generating import CAPS, RULES, make_generation

TO_MIDNIGHT = 14.5 * 3600  # seconds
PRICE = Decimal("0.15")


def spent(aws: Aws, period: str, usd: str) -> None:
    aws.table.put(f"BUDGET#{period}", {"committed_usd": Decimal(usd)})


@pytest.fixture
def job(aws: Aws, provider: FakeProvider) -> Job:
    spent(aws, "2026-11-20", "24.90")
    provider.submit_answers = [Accepted("p-1")]
    return aws.ledger.claim(make_job(estimate_usd=PRICE))


def step(aws: Aws, provider: FakeProvider, clock: Clock, **rules: Any) -> Generate:
    return make_generation(aws, provider, clock, replace(RULES, wait_for_day=True, **rules))


def test_a_job_waits_unpaid_and_is_ordered_when_the_day_begins(
    aws: Aws, provider: FakeProvider, clock: Clock, job: Job
) -> None:
    generation = step(aws, provider, clock)
    waiting = generate(generation, job.job_id)
    assert waiting == {"outcome": "wait", "wait_seconds": TO_MIDNIGHT, "state": State.CLAIMED}
    (mail,) = aws.results.take()
    assert mail["subject"] == "photo.jpg: waiting until 2026-11-21, nothing paid"
    assert generate(generation, job.job_id)["wait_seconds"] == TO_MIDNIGHT  # woken too early
    clock.pass_time(seconds=TO_MIDNIGHT)
    assert generate(generation, job.job_id)["outcome"] == "accepted"
    assert aws.results.take() == []
    assert provider.requests[0].job_id == job.job_id


@pytest.mark.parametrize(
    ("why", "change"),
    [
        ("the stack says so", {"wait_for_day": False}),
        ("it costs more than a day may", {"caps": replace(CAPS, day=Decimal("0.10"))}),
        ("the month is used up", {"caps": replace(CAPS, month=Decimal("24.95"))}),
    ],
)
def test_a_job_that_no_next_day_helps_is_refused_at_once(
    aws: Aws, provider: FakeProvider, clock: Clock, job: Job, why: str, change: dict[str, Any]
) -> None:
    spent(aws, "2026-11", "24.90")
    rules = {"wait_for_day": True, **change}
    generate(make_generation(aws, provider, clock, replace(RULES, **rules)), job.job_id)
    refused = aws.ledger.require(job.job_id)
    assert (refused.state, failure_of(refused)["kind"]) == (State.REFUSED, "over_cap"), why
    assert aws.results.take() == []


def test_a_new_month_helps_where_the_old_one_is_used_up(
    aws: Aws, provider: FakeProvider, clock: Clock
) -> None:
    clock.pass_time(days=10)
    spent(aws, "2026-11-30", "24.90")
    spent(aws, "2026-11", "24.90")
    caps = replace(CAPS, month=Decimal("24.95"))
    late = aws.ledger.claim(make_job(estimate_usd=PRICE, created_at="2026-11-30T09:30:00.000Z"))
    assert generate(step(aws, provider, clock, caps=caps), late.job_id)["outcome"] == "wait"


def test_a_job_waits_for_one_midnight_and_no_longer_than_its_hours(
    aws: Aws, provider: FakeProvider, clock: Clock, job: Job
) -> None:
    generation = step(aws, provider, clock)
    generate(generation, job.job_id)
    clock.pass_time(seconds=TO_MIDNIGHT)
    spent(aws, "2026-11-21", "24.90")
    assert generate(generation, job.job_id)["outcome"] == "ended"
    assert aws.ledger.require(job.job_id).state is State.REFUSED


def test_a_job_that_is_cancelled_while_it_is_put_off_does_not_wait_for_the_next_day(
    aws: Aws, provider: FakeProvider, clock: Clock, job: Job
) -> None:
    generation = step(aws, provider, clock)

    class CancelsMeanwhile(Ledger):
        def move(self, job: Job, to: State, **facts: Any) -> Job:
            FakeContainer(aws, clock, provider).step(Cancel).handle(job.job_id)
            return super().move(job, to, **facts)

    allowance = replace(generation.allowance, ledger=CancelsMeanwhile(aws.table))
    waits = generate(replace(generation, allowance=allowance), job.job_id)
    assert waits == {"outcome": "wait", "wait_seconds": 1, "state": "claimed"}
    assert generate(generation, job.job_id) == {"outcome": "ended", "state": "cancelled"}


def test_a_job_that_waits_for_the_next_day_is_cancelled_at_once(
    aws: Aws, provider: FakeProvider, clock: Clock, job: Job
) -> None:
    generation = step(aws, provider, clock)
    generate(generation, job.job_id)
    container = FakeContainer(aws, clock, provider)
    container.step(Cancel).handle(job.job_id)
    (execution,) = aws.executions()
    given = json.loads(
        aws.workflow.describe_execution(executionArn=execution["executionArn"])["input"]
    )
    ended = poll(
        container.step(Poll),
        job.job_id,
        resume=given["resume"],
        execution_id="e-2",
        may_order=False,
    )
    assert ended == {"outcome": "ended", "state": "cancelled"}
    assert aws.ledger.require(job.job_id).may_start_again
    clock.pass_time(seconds=TO_MIDNIGHT)
    assert generate(generation, job.job_id) == {"outcome": "ended", "state": "cancelled"}
    assert provider.requests == []


def test_a_job_of_the_day_before_may_still_wait_for_one_midnight(
    aws: Aws, provider: FakeProvider, clock: Clock
) -> None:
    provider.submit_answers = [Accepted("p-1")]
    late = aws.ledger.claim(make_job(estimate_usd=PRICE, created_at="2026-11-19T23:50:00.000Z"))
    spent(aws, "2026-11-20", "24.90")
    assert generate(step(aws, provider, clock), late.job_id)["wait_seconds"] == TO_MIDNIGHT
    clock.pass_time(seconds=TO_MIDNIGHT)
    assert generate(step(aws, provider, clock), late.job_id)["outcome"] == "accepted"


def test_a_job_that_has_waited_has_two_days_in_all() -> None:
    day = timedelta(days=1)
    waited = make_job(waits_until="2026-11-21T00:00:00.000Z")
    moment = timedelta(seconds=1)
    for job, wait, until in (
        (make_job(), day, NOW + day),
        (waited, timedelta(hours=1), NOW + 2 * day),
        (waited, 2 * day, NOW + 2 * day),
    ):
        assert not waited_enough(job, wait, until - moment, Pause())
        assert waited_enough(job, wait, until, Pause())


def test_a_job_waits_only_once_people_were_mailed(
    aws: Aws, provider: FakeProvider, clock: Clock, job: Job
) -> None:
    other = SendOnce(aws.table)
    other.begin(f"{job.job_id}-1-waits", clock().timestamp())  # and then it dies
    generation = step(aws, provider, clock)
    assert generate(generation, job.job_id)["wait_seconds"] == LEASE_S + 1
    clock.pass_time(seconds=LEASE_S + 1)
    assert generate(generation, job.job_id)["wait_seconds"] == TO_MIDNIGHT - LEASE_S - 1
    assert len(aws.results.take()) == 1


def test_a_job_that_waits_for_the_next_day_gives_its_slot_back(
    aws: Aws, provider: FakeProvider, clock: Clock, job: Job
) -> None:
    slots = aws.slots(clock)
    slots.join(job, "token")
    assert slots.holders("luma") == 1
    generate(step(aws, provider, clock), job.job_id)
    assert slots.holders("luma") == 0
    assert Ledger(aws.table).require(job.job_id).state is State.CLAIMED
