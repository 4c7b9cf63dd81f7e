from __future__ import annotations

import pytest

from dropreel.jobs.failure import FailureKind
from dropreel.ledger.breaker import LONGEST_OPEN_S, OPEN_S, PROBE_S, THRESHOLD, Breaker
from dropreel.providers.base import Accepted, Busy, Failure, Refused, SubmitOutcome, Unknown
from tests.support.aws import Aws, Clock, FakeProvider, make_job
from tests.support.calls import failure_of, generate
from tests.support.generating import claimed, make_generation

pytestmark = pytest.mark.on_moto

DOWN = Busy(Failure(FailureKind.UNREACHABLE, "connection refused"))
DEAD_KEY = Refused(Failure(FailureKind.AUTH, "invalid key"))


def open_breaker(aws: Aws, now: float = 1000.0) -> Breaker:
    breaker = Breaker(aws.table)
    for _ in range(THRESHOLD):
        breaker.note("luma", DOWN, now)
    return breaker


def test_a_provider_that_works_is_asked_and_costs_no_write(aws: Aws) -> None:
    breaker = Breaker(aws.table)
    assert breaker.wait_s("luma", "a", 1000) == 0
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
    assert breaker.wait_s("luma", "a", 1001) > 0
    assert breaker.wait_s("fal", "a", 1001) == 0


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
    assert breaker.wait_s("luma", "a", 1002) == 0


def test_after_its_time_one_tries_and_the_others_wait_for_it(aws: Aws) -> None:
    breaker = open_breaker(aws)
    later = 1000 + OPEN_S
    assert breaker.wait_s("luma", "a", later - 1) == 1
    assert breaker.wait_s("luma", "a", later) == 0
    assert breaker.wait_s("luma", "b", later) > 0
    assert breaker.wait_s("luma", "a", later) == 0


def test_a_probe_that_dies_is_replaced(aws: Aws) -> None:
    breaker = open_breaker(aws)
    later = 1000 + OPEN_S
    assert breaker.wait_s("luma", "dead", later) == 0
    assert breaker.wait_s("luma", "b", later + PROBE_S + 1) == 0


def test_ten_orders_under_way_when_the_provider_drops_count_as_one_outage(aws: Aws) -> None:
    breaker = Breaker(aws.table)
    opened = [breaker.note("luma", DOWN, 1000 + number) for number in range(10)]
    assert [bool(item) for item in opened].count(True) == 1
    assert breaker.wait_s("luma", "a", 1010) == OPEN_S - 10 + THRESHOLD - 1


def test_a_probe_that_fails_stops_orders_for_longer_up_to_a_limit(aws: Aws) -> None:
    breaker = open_breaker(aws)
    pauses = []
    now = 1000.0
    for _ in range(8):
        pauses.append(breaker.wait_s("luma", "a", now))
        now += pauses[-1]
        assert breaker.wait_s("luma", "a", now) == 0
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
    assert Breaker(aws.table).wait_s("luma", "b", clock().timestamp()) == 0
