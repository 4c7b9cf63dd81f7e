from __future__ import annotations

from dataclasses import replace

import pytest

from dropreel.jobs.failure import FailureKind
from dropreel.ledger.breaker import (
    LONGEST_OPEN_S,
    OPEN_S,
    PROBE_S,
    RATE_LIMIT_S,
    THRESHOLD,
    Breaker,
    Stopped,
)
from dropreel.providers.base import (
    Accepted,
    Busy,
    Failure,
    Limited,
    Refused,
    SubmitOutcome,
    Unknown,
)
from tests.support.aws import Aws, Clock, FakeProvider, make_job
from tests.support.calls import failure_of, generate
from tests.support.generating import claimed, make_generation

DOWN = Busy(Failure(FailureKind.UNREACHABLE, "connection refused"))
RATE = Busy(Failure(FailureKind.THROTTLED, "429"), 60, Limited.RATE)
DEAD_KEY = Refused(Failure(FailureKind.AUTH, "invalid key"))


def wait_s(breaker: Breaker, provider: str, owner: str, now: float) -> int:
    """How long nothing may be ordered; 0 if it may."""
    stopped = breaker.stopped(provider, owner, now)
    return stopped.seconds if stopped else 0


def open_breaker(aws: Aws, now: float = 1000.0) -> Breaker:
    breaker = Breaker(aws.table)
    for _ in range(THRESHOLD):
        breaker.note("luma", DOWN, now)
    return breaker


def test_a_provider_that_works_gets_orders_and_costs_no_write(aws: Aws) -> None:
    breaker = Breaker(aws.table)
    assert wait_s(breaker, "luma", "a", 1000) == 0
    assert breaker.note("luma", Accepted("p"), 1000) is None
    assert aws.table.get("BREAKER#luma") is None


@pytest.mark.parametrize(
    "outage", [DOWN, DEAD_KEY, Unknown(Failure(FailureKind.UNEXPECTED, "timed out"))]
)
def test_outages_in_a_row_stop_further_orders_and_one_caller_learns_of_it(
    aws: Aws, outage: SubmitOutcome
) -> None:
    breaker = Breaker(aws.table)
    opened = [breaker.note("luma", outage, 1000) for _ in range(THRESHOLD + 1)]
    assert [bool(item) for item in opened] == [False, False, True, False]
    assert wait_s(breaker, "luma", "a", 1001) > 0
    assert wait_s(breaker, "fal", "a", 1001) == 0


@pytest.mark.parametrize(
    "answer",
    [
        Accepted("p"),
        Refused(Failure(FailureKind.MODERATED, "no")),
        Busy(Failure(FailureKind.THROTTLED, "429")),
    ],
)
def test_any_answer_of_a_working_provider_forgets_the_failures(
    aws: Aws, answer: SubmitOutcome
) -> None:
    breaker = open_breaker(aws)
    breaker.note("luma", answer, 1001)
    assert wait_s(breaker, "luma", "a", 1002) == 0


def test_after_its_time_one_tries_and_the_others_wait_for_it(aws: Aws) -> None:
    breaker = open_breaker(aws)
    later = 1000 + OPEN_S
    assert wait_s(breaker, "luma", "a", later - 1) == 1
    assert wait_s(breaker, "luma", "a", later) == 0
    assert wait_s(breaker, "luma", "b", later) > 0
    assert wait_s(breaker, "luma", "a", later) == 0


def test_a_probe_that_dies_is_replaced(aws: Aws) -> None:
    breaker = open_breaker(aws)
    later = 1000 + OPEN_S
    assert wait_s(breaker, "luma", "dead", later) == 0
    assert wait_s(breaker, "luma", "b", later + PROBE_S + 1) == 0


def test_ten_orders_under_way_when_the_provider_drops_count_as_one_outage(aws: Aws) -> None:
    breaker = Breaker(aws.table)
    opened = [breaker.note("luma", DOWN, 1000 + number) for number in range(10)]
    assert [bool(item) for item in opened].count(True) == 1
    assert wait_s(breaker, "luma", "a", 1010) == OPEN_S - 10 + THRESHOLD - 1


def test_a_probe_that_fails_stops_orders_for_longer_up_to_a_limit(aws: Aws) -> None:
    breaker = open_breaker(aws)
    pauses = []
    now = 1000.0
    for _ in range(8):
        pauses.append(wait_s(breaker, "luma", "a", now))
        now += pauses[-1]
        assert wait_s(breaker, "luma", "a", now) == 0
        breaker.note("luma", DOWN, now)
    assert pauses[:3] == [OPEN_S, 2 * OPEN_S, 4 * OPEN_S]
    assert max(pauses) == LONGEST_OPEN_S


def test_jobs_wait_while_their_provider_is_stopped_and_the_operator_is_told_once(
    aws: Aws, provider: FakeProvider, clock: Clock
) -> None:
    generation = make_generation(aws, provider, clock)
    provider.submit_answers = [DOWN] * THRESHOLD
    for number in range(THRESHOLD):
        generate(
            generation, aws.ledger.claim(make_job(job_id=f"job{number}", estimate_usd=1)).job_id
        )
    job = claimed(aws)
    assert generate(generation, job.job_id)["outcome"] == "wait"
    assert len(provider.requests) == THRESHOLD
    (mail,) = aws.operators.take()
    assert mail["subject"] == "dropreel: luma does not work"


# --- rate limits --------------------------------------------------------------------------------


def test_a_rate_limit_holds_every_job_until_it_is_over(aws: Aws) -> None:
    breaker = Breaker(aws.table)
    breaker.note("luma", RATE, 1000)
    assert [wait_s(breaker, "luma", job, 1001.5) for job in "ab"] == [59, 59]
    assert wait_s(breaker, "fal", "a", 1001) == 0
    assert [wait_s(breaker, "luma", job, 1060) for job in "ab"] == [0, 0]


def test_a_shorter_rate_limit_does_not_end_a_longer_one(aws: Aws) -> None:
    breaker = Breaker(aws.table)
    for answer in (RATE, replace(RATE, retry_after=2), Accepted("p")):
        breaker.note("luma", answer, 1001)
    assert wait_s(breaker, "luma", "a", 1003) == 58


def test_a_rate_limit_that_names_no_time_lasts_a_little(aws: Aws) -> None:
    breaker = Breaker(aws.table)
    breaker.note("luma", replace(RATE, retry_after=None), 1000)
    assert wait_s(breaker, "luma", "a", 1000) == RATE_LIMIT_S


def test_too_many_jobs_at_once_hold_nobody(aws: Aws) -> None:
    breaker = Breaker(aws.table)
    breaker.note("luma", replace(RATE, limited=Limited.JOBS), 1000)
    assert wait_s(breaker, "luma", "a", 1000) == 0


def test_while_a_rate_limit_lasts_nobody_tries_whether_an_outage_is_over(aws: Aws) -> None:
    breaker = open_breaker(aws)
    breaker.note("luma", replace(RATE, retry_after=3600), 1000)
    assert breaker.stopped("luma", "a", 1000 + OPEN_S) == Stopped(3600 - OPEN_S, limited=True)


def test_another_job_keeps_its_slot_and_orders_when_the_rate_limit_is_over(
    aws: Aws, provider: FakeProvider, clock: Clock
) -> None:
    generation = make_generation(aws, provider, clock)
    jobs = [
        aws.ledger.claim(make_job(job_id=f"job{number}", estimate_usd=1)) for number in range(2)
    ]
    for job in jobs:
        generation.slots.join(job, f"token {job.job_id}")
    provider.submit_answers = [RATE, Accepted("p-2")]
    assert generate(generation, jobs[0].job_id)["wait_seconds"] == 60
    clock.pass_time(seconds=10)
    held = generate(generation, jobs[1].job_id)
    assert (held["outcome"], held["wait_seconds"]) == ("wait", 50)
    assert generation.slots.holders("luma") == 1
    clock.pass_time(seconds=50)
    assert generate(generation, jobs[1].job_id)["outcome"] == "accepted"


def test_a_job_that_meets_rate_limits_for_a_day_is_refused_unpaid(
    aws: Aws, provider: FakeProvider, clock: Clock
) -> None:
    job = claimed(aws)
    clock.pass_time(hours=24)
    generation = make_generation(aws, provider, clock)
    generation.breaker.note("luma", RATE, clock().timestamp())
    assert generate(generation, job.job_id)["state"] == "refused"
    assert failure_of(aws.ledger.require(job.job_id))["kind"] == "throttled"
    assert provider.requests == []


# --- jobs ---------------------------------------------------------------------------------------


def test_a_job_does_not_wait_for_ever(aws: Aws, provider: FakeProvider, clock: Clock) -> None:
    job = claimed(aws)
    clock.pass_time(hours=24)
    open_breaker(aws, clock().timestamp())
    generation = make_generation(aws, provider, clock)
    assert generate(generation, job.job_id)["state"] == "refused"
    assert failure_of(aws.ledger.require(job.job_id))["kind"] == "unreachable"
    assert provider.requests == []


def test_the_first_orders_after_the_pause_go_through(
    aws: Aws, provider: FakeProvider, clock: Clock
) -> None:
    open_breaker(aws, clock().timestamp())
    clock.pass_time(seconds=OPEN_S)
    provider.submit_answers = [Accepted("p-1")]
    assert (
        generate(make_generation(aws, provider, clock), claimed(aws).job_id)["outcome"]
        == "accepted"
    )
    assert wait_s(Breaker(aws.table), "luma", "b", clock().timestamp()) == 0
