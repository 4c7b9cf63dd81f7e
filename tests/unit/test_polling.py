from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from dropreel.jobs import Job, State
from dropreel.polling import Polling
from dropreel.providers.base import (
    Failed,
    Failure,
    FailureKind,
    NoAnswer,
    Pending,
    Phase,
    Ready,
    StatusOutcome,
)
from tests.unit.support import Aws, Clock, FakeProvider, make_job

QUEUED = Pending(Phase.QUEUED, "queued")
RUNNING = Pending(Phase.RUNNING, "processing")


@pytest.fixture
def polling(aws: Aws, provider: FakeProvider, clock: Clock) -> Polling:
    return Polling(
        ledger=aws.ledger,
        clips=aws.clips,
        provider=lambda _: provider,
        max_orders=2,
        deadline=timedelta(minutes=60),
        now=clock,
    )


def submitted(aws: Aws) -> Job:
    job = aws.ledger.claim(make_job())
    times = {"asked_at": "2026-11-20T09:30:00.000Z", "deadline_at": "2026-11-20T10:30:00.000Z"}
    job = aws.ledger.move(job, State.SUBMITTING, **times)
    return aws.ledger.move(job, State.SUBMITTED, provider_job_id="p-1")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (QUEUED, State.SUBMITTED),
        (RUNNING, State.RUNNING),
        (Pending(Phase.UNRECOGNISED, "pondering"), State.SUBMITTED),
        (NoAnswer(Failure(FailureKind.TRANSIENT, "502")), State.SUBMITTED),
        (NoAnswer(Failure(FailureKind.AUTH, "401")), State.SUBMITTED),
    ],
)
def test_a_job_that_has_not_ended_is_looked_at_again(
    aws: Aws, polling: Polling, provider: FakeProvider, status: StatusOutcome, state: State
) -> None:
    job = submitted(aws)
    provider.status_answers = [status]
    assert polling.run(job.job_id) == {
        "outcome": "wait",
        "wait_seconds": 10,
        "state": state.value,
    }
    assert aws.ledger.require(job.job_id).state is state


def test_retry_after_is_obeyed(aws: Aws, polling: Polling, provider: FakeProvider) -> None:
    throttled = NoAnswer(Failure(FailureKind.THROTTLED, "slow down"), retry_after=61.5)
    provider.status_answers = [throttled]
    assert polling.run(submitted(aws).job_id)["wait_seconds"] == 62


def test_a_ready_clip_is_noted_with_its_real_price(
    aws: Aws, polling: Polling, provider: FakeProvider
) -> None:
    job = submitted(aws)
    provider.status_answers = [RUNNING, Ready("https://cdn.example/x", cost_usd=Decimal("0.5"))]
    polling.run(job.job_id)
    assert polling.run(job.job_id) == {"outcome": "ready", "state": "ready"}
    assert aws.ledger.require(job.job_id).cost_usd == Decimal("0.5")
    assert polling.run(job.job_id) == {"outcome": "ready", "state": "ready"}


@pytest.mark.parametrize(
    ("kind", "state"),
    [(FailureKind.MODERATED, State.FAILED), (FailureKind.CANCELLED, State.CANCELLED)],
)
def test_a_job_that_ended_without_a_clip_is_over(
    aws: Aws, polling: Polling, provider: FakeProvider, kind: FailureKind, state: State
) -> None:
    job = submitted(aws)
    provider.status_answers = [Failed(Failure(kind, "no", billed=False))]
    assert polling.run(job.job_id) == {"outcome": "ended", "state": state.value}
    assert polling.run(job.job_id) == {"outcome": "ended", "state": state.value}
    assert aws.ledger.require(job.job_id).failure["billed"] is False


def test_past_its_deadline_a_job_is_stalled_and_keeps_its_id(
    aws: Aws, polling: Polling, provider: FakeProvider, clock: Clock
) -> None:
    job = submitted(aws)
    clock.pass_time(minutes=61)
    provider.status_answers = [RUNNING]
    assert polling.run(job.job_id) == {"outcome": "ended", "state": "stalled"}
    held = aws.ledger.require(job.job_id)
    assert held.provider_job_id == "p-1"
    assert held.failure == {"kind": "deadline", "message": "last seen: running"}


def test_a_clip_that_is_ready_past_the_deadline_is_taken(
    aws: Aws, polling: Polling, provider: FakeProvider, clock: Clock
) -> None:
    job = submitted(aws)
    clock.pass_time(minutes=61)
    provider.status_answers = [Ready("https://cdn.example/x")]
    assert polling.run(job.job_id)["outcome"] == "ready"
