"""Watching inside the function: at the pace, for a bounded time, until something happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from dropreel.errors import LedgerConflictError
from dropreel.jobs.failure import FailureKind
from dropreel.jobs.job import Job, State, utc_iso
from dropreel.ledger.runtimes import MeasuredRuntimes
from dropreel.providers.base import (
    NO_ADDRESSES,
    Addresses,
    Failed,
    Failure,
    NoAnswer,
    Pending,
    Phase,
    Ready,
    StatusOutcome,
)
from dropreel.steps.poll import Poll
from dropreel.steps.watch import SLOW_ANSWER_S
from dropreel.waiting.runtimes import JobKind, shares
from tests.support.aws import NOW, Aws, Clock, FakeProvider, make_job
from tests.support.calls import poll
from tests.support.container import FakeContainer

PACE_S = 5  # Luma's
RUNNING = Pending(Phase.RUNNING, "processing")
READY = Ready("https://cdn.example/x")


@pytest.fixture
def polling(aws: Aws, provider: FakeProvider, clock: Clock) -> Poll:
    return FakeContainer(aws, clock, provider, WATCH_SECONDS="40").step(Poll)


@pytest.fixture
def job(aws: Aws, clock: Clock) -> Job:
    """Asked for a minute ago, of a kind that takes about a minute."""
    measured = MeasuredRuntimes(aws.table)
    for _ in range(30):
        measured.note(JobKind.of(make_job()), 50, 80)
    claimed = aws.ledger.claim(make_job())
    times = {"asked_at": utc_iso(NOW), "deadline_at": utc_iso(NOW + timedelta(hours=1))}
    asked = aws.ledger.move(claimed, State.SUBMITTING, **times)
    clock.pass_time(seconds=55)
    return aws.ledger.move(asked, State.SUBMITTED, provider_job_id="p-1")


def polls(provider: FakeProvider, answers: list[StatusOutcome]) -> int:
    return len(answers) - len(provider.status_answers)


def test_a_clip_that_is_due_is_seen_within_its_providers_pace(
    polling: Poll, provider: FakeProvider, job: Job, clock: Clock
) -> None:
    provider.status_answers = [RUNNING, RUNNING, RUNNING, READY]
    assert poll(polling, job.job_id)["outcome"] == "ready"
    assert clock() == NOW + timedelta(seconds=55 + 3 * PACE_S)


def test_a_watch_ends_and_the_workflow_sleeps_on(
    aws: Aws, polling: Poll, provider: FakeProvider, job: Job, clock: Clock
) -> None:
    answers: list[StatusOutcome] = [RUNNING] * 20
    provider.status_answers = [*answers]
    outcome = poll(polling, job.job_id)
    assert outcome["outcome"] == "wait"
    assert outcome["wait_seconds"] >= PACE_S
    assert 5 <= polls(provider, answers) <= 1 + 40 / PACE_S
    assert clock() <= NOW + timedelta(seconds=55 + 40 + PACE_S)
    assert outcome["pending_at"] == utc_iso(clock())
    assert aws.ledger.require(job.job_id).state is State.RUNNING


def test_where_functions_are_scarce_a_poll_looks_once(
    polling: Poll, provider: FakeProvider, job: Job, clock: Clock
) -> None:
    answers: list[StatusOutcome] = [RUNNING] * 20
    provider.status_answers = [*answers]
    assert poll(polling, job.job_id, crowded=True)["outcome"] == "wait"
    assert polls(provider, answers) == 1
    assert clock() == NOW + timedelta(seconds=55)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Failed(Failure(FailureKind.MODERATED, "no")), "ended"),
        (NoAnswer(Failure(FailureKind.TRANSIENT, "502")), "wait"),
        (NoAnswer(Failure(FailureKind.THROTTLED, "slow down"), retry_after=30), "wait"),
        (Pending(Phase.RUNNING, "processing", retry_after=30), "wait"),
    ],
)
def test_whatever_is_not_plainly_pending_ends_the_watch(
    polling: Poll, provider: FakeProvider, job: Job, answer: StatusOutcome, outcome: str
) -> None:
    provider.status_answers = [RUNNING, answer, RUNNING]
    seen = poll(polling, job.job_id)
    assert seen["outcome"] == outcome
    assert provider.status_answers == [RUNNING]
    assert seen.get("wait_seconds", 30) >= (getattr(answer, "retry_after", 0) or 0)


def test_a_clip_that_is_not_due_is_polled_once(
    polling: Poll, provider: FakeProvider, job: Job, clock: Clock
) -> None:
    clock.now = NOW + timedelta(seconds=5)
    provider.status_answers = [RUNNING, RUNNING]
    assert poll(polling, job.job_id)["wait_seconds"] > 20
    assert provider.status_answers == [RUNNING]


def test_a_job_past_its_deadline_is_not_watched(
    polling: Poll, provider: FakeProvider, job: Job, clock: Clock
) -> None:
    clock.pass_time(hours=2)
    provider.status_answers = [RUNNING, RUNNING]
    assert poll(polling, job.job_id)["state"] == "stalled"
    assert provider.status_answers == [RUNNING]


def lambda_time(clock: Clock, timeout_s: float) -> Callable[[], float]:
    end = clock() + timedelta(seconds=timeout_s)
    return lambda: (end - clock()).total_seconds()


def test_the_function_keeps_time_for_a_slow_answer(
    polling: Poll, provider: FakeProvider, job: Job, clock: Clock
) -> None:
    answers: list[StatusOutcome] = [RUNNING] * 20
    provider.status_answers = [*answers]
    time_left = lambda_time(clock, SLOW_ANSWER_S + 3 * PACE_S)
    assert poll(polling, job.job_id, time_left=time_left)["outcome"] == "wait"
    assert time_left() >= SLOW_ANSWER_S
    assert polls(provider, answers) == 3


# --- what it learns -------------------------------------------------------------------------------


def learnt(aws: Aws, before: dict[int, float], job: Job) -> dict[int, float]:
    after = MeasuredRuntimes(aws.table).of(JobKind.of(job)).counts
    changes = {number: after[number] - before.get(number, 0) for number in after}
    return {number: round(change, 3) for number, change in changes.items() if change > 0.001}


def test_a_ready_clip_counts_between_the_last_two_polls(
    aws: Aws, polling: Poll, provider: FakeProvider, job: Job
) -> None:
    before = dict(MeasuredRuntimes(aws.table).of(JobKind.of(job)).counts)
    provider.status_answers = [RUNNING, RUNNING, READY]
    poll(polling, job.job_id)
    assert learnt(aws, before, job) == pytest.approx(shares(60, 65), abs=0.01)


def test_a_clip_that_was_ready_at_once_counts_from_the_look_before(
    aws: Aws, polling: Poll, provider: FakeProvider, job: Job
) -> None:
    before = dict(MeasuredRuntimes(aws.table).of(JobKind.of(job)).counts)
    provider.status_answers = [READY]
    poll(polling, job.job_id, pending_at=utc_iso(NOW + timedelta(seconds=48)))
    assert learnt(aws, before, job) == pytest.approx(shares(48, 55), abs=0.01)


def test_what_was_seen_of_an_earlier_order_does_not_count(
    aws: Aws, polling: Poll, provider: FakeProvider, job: Job
) -> None:
    before = dict(MeasuredRuntimes(aws.table).of(JobKind.of(job)).counts)
    provider.status_answers = [READY]
    poll(polling, job.job_id, pending_at=utc_iso(NOW - timedelta(seconds=48)))
    assert learnt(aws, before, job) == pytest.approx(shares(0, 55), abs=0.01)


def test_a_clip_that_was_not_polled_for_hours_tells_nothing(
    aws: Aws, polling: Poll, provider: FakeProvider, job: Job, clock: Clock
) -> None:
    before = dict(MeasuredRuntimes(aws.table).of(JobKind.of(job)).counts)
    clock.pass_time(hours=2)
    provider.status_answers = [READY]
    assert poll(polling, job.job_id)["outcome"] == "ready"
    assert learnt(aws, before, job) == {}


def test_of_two_calls_that_see_a_job_ready_one_counts_it(
    aws: Aws, polling: Poll, provider: FakeProvider, job: Job
) -> None:
    before = dict(MeasuredRuntimes(aws.table).of(JobKind.of(job)).counts)

    class Twice(FakeProvider):
        def status(self, _: str, __: Addresses = NO_ADDRESSES, /) -> StatusOutcome:
            provider.status_answers = [READY]
            assert poll(polling, job.job_id)["outcome"] == "ready"
            return READY

    overtaken = replace(polling, provider=lambda _: Twice())
    with pytest.raises(LedgerConflictError):
        poll(overtaken, job.job_id)
    assert poll(polling, job.job_id)["outcome"] == "ready"
    assert sum(learnt(aws, before, job).values()) == pytest.approx(1, abs=0.01)
