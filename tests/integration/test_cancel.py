"""A cancelled job is not ordered, or its clip is not delivered; it ends once, with its money."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from dropreel.errors import ContentionError, OperatorError
from dropreel.jobs.failure import FailureKind
from dropreel.jobs.job import Job, Reservation, State
from dropreel.providers.base import (
    Accepted,
    CancelOutcome,
    Failed,
    Failure,
    NoAnswer,
    Pending,
    Phase,
    Ready,
)
from dropreel.providers.catalog import Limit
from dropreel.steps.cancel import Cancel
from dropreel.steps.finalize import Finalize
from dropreel.steps.generate import Generate
from dropreel.steps.outcomes import FinalizeEvent, SlotEvent
from dropreel.steps.poll import Poll
from dropreel.steps.slot import Slot
from tests.support.aws import Aws, Clock, FakeProvider
from tests.support.calls import generate, poll
from tests.support.container import FakeContainer
from tests.support.generating import CAPS, claimed, make_generation

RUNNING = Pending(Phase.RUNNING, "processing")


@pytest.fixture
def container(aws: Aws, clock: Clock, provider: FakeProvider) -> FakeContainer:
    return FakeContainer(aws, clock, provider, PROVIDER_LIMITS='{"luma": {"jobs": 1}}')


@pytest.fixture
def cancel(container: FakeContainer) -> Cancel:
    return container.step(Cancel)


@pytest.fixture
def generation(aws: Aws, provider: FakeProvider, clock: Clock) -> Generate:
    return make_generation(aws, provider, clock)


def ordered(aws: Aws, generation: Generate, provider: FakeProvider) -> Job:
    job = claimed(aws)
    provider.submit_answers = [Accepted("p-1")]
    generate(generation, job.job_id)
    return aws.ledger.require(job.job_id)


def committed(aws: Aws, clock: Clock) -> set[Decimal]:
    money = Reservation.at(clock(), Decimal(0))
    return {one.committed for one in aws.ledger.spending(money, CAPS)}


def test_a_job_in_line_is_woken_and_ends_unpaid(
    aws: Aws, clock: Clock, cancel: Cancel, generation: Generate, provider: FakeProvider
) -> None:
    job = claimed(aws)
    aws.table.put("SLOTS#luma", {"hold_other": 2_000_000_000, "version": 1})
    aws.slots(clock, luma=Limit(jobs=1)).join(job, "token")
    cancel.handle(job.job_id)
    assert aws.woken == [("token", 0)]
    assert generate(generation, job.job_id) == {"outcome": "ended", "state": "cancelled"}
    held = aws.ledger.require(job.job_id)
    assert (held.state, held.may_start_again, provider.requests) == (State.CANCELLED, True, [])
    assert (aws.table.count("WAITING#luma"), sum(committed(aws, clock))) == (0, 0)


def test_an_execution_that_may_not_order_ends_a_cancelled_job_unpaid(
    aws: Aws, container: FakeContainer, cancel: Cancel
) -> None:
    job = claimed(aws)
    cancel.handle(job.job_id)
    outcome = poll(container.step(Poll), job.job_id, resume={"left_behind": True}, may_order=False)
    assert outcome == {"outcome": "ended", "state": "cancelled"}
    assert aws.ledger.require(job.job_id).may_start_again


def test_a_job_that_joins_the_line_after_it_was_cancelled_is_woken_at_once(
    aws: Aws, container: FakeContainer, cancel: Cancel
) -> None:
    job = claimed(aws)
    aws.table.put("SLOTS#luma", {"hold_other": 2_000_000_000, "version": 1})
    cancel.handle(job.job_id)
    container.step(Slot).handle(SlotEvent(job.job_id, "token"))
    assert aws.woken == [("token", 0)]


def test_an_order_that_has_not_begun_when_the_job_is_cancelled_never_begins(
    aws: Aws, clock: Clock, cancel: Cancel
) -> None:
    read_before = claimed(aws)
    cancel.handle(read_before.job_id)
    money = Reservation.at(clock(), Decimal("0.15"))
    with pytest.raises(ContentionError, match="being cancelled"):
        aws.ledger.move_reserving(read_before, State.SUBMITTING, money, CAPS, asked_at="now")
    assert committed(aws, clock) == {0}


def test_after_the_order_the_provider_is_asked_once_and_its_end_is_waited_for(
    aws: Aws,
    clock: Clock,
    container: FakeContainer,
    cancel: Cancel,
    generation: Generate,
    provider: FakeProvider,
) -> None:
    job = ordered(aws, generation, provider)
    cancel.handle(job.job_id)
    provider.status_answers = [RUNNING, Failed(Failure(FailureKind.CANCELLED, "stopped"))]
    polling = container.step(Poll)
    assert poll(polling, job.job_id)["outcome"] == "wait"
    assert poll(polling, job.job_id) == {"outcome": "ended", "state": "cancelled"}
    held = aws.ledger.require(job.job_id)
    assert (provider.cancelled, held.cancel_answer) == (["p-1"], "requested")
    assert committed(aws, clock) == {Decimal("0.15")}  # nobody says that it is free
    assert not held.may_start_again


def test_a_failure_that_is_not_billed_frees_the_money_and_is_not_ordered_again(
    aws: Aws,
    clock: Clock,
    container: FakeContainer,
    cancel: Cancel,
    generation: Generate,
    provider: FakeProvider,
) -> None:
    job = ordered(aws, generation, provider)
    cancel.handle(job.job_id)
    free = Failure(FailureKind.TRANSIENT, "no worker", retryable=True, billed=False)
    provider.status_answers = [Failed(free)]
    assert poll(container.step(Poll), job.job_id)["state"] == "cancelled"
    assert sum(committed(aws, clock)) == 0
    assert aws.ledger.require(job.job_id).may_start_again


def test_a_clip_that_is_made_all_the_same_is_recorded_with_its_price_and_not_delivered(
    aws: Aws,
    clock: Clock,
    container: FakeContainer,
    cancel: Cancel,
    generation: Generate,
    provider: FakeProvider,
) -> None:
    job = ordered(aws, generation, provider)
    cancel.handle(job.job_id)
    provider.status_answers = [Ready("https://cdn/clip.mp4", cost_usd=Decimal("0.19"))]
    assert poll(container.step(Poll), job.job_id)["state"] == "cancelled"
    finalize = container.step(Finalize)
    for _ in range(2):
        assert finalize.handle(FinalizeEvent(job.job_id, run=1)).payload()["state"] == "cancelled"
    (mail,) = aws.results.take()
    assert "luma charges for it ($0.19)." in mail["text"]
    assert aws.read_json(job.record_key)["cost_usd"] == "0.19"
    assert [key for key in aws.stored("clips/") if key.endswith(".mp4")] == []
    assert committed(aws, clock) == {Decimal("0.19")}


def test_a_clip_that_is_being_stored_is_not_delivered(
    aws: Aws,
    container: FakeContainer,
    cancel: Cancel,
    generation: Generate,
    provider: FakeProvider,
) -> None:
    job = ordered(aws, generation, provider)
    provider.status_answers = [Ready("https://cdn/clip.mp4", cost_usd=Decimal("0.19"))]
    poll(container.step(Poll), job.job_id)
    cancel.handle(job.job_id)
    ended = container.step(Finalize).handle(FinalizeEvent(job.job_id, run=1)).payload()
    assert ended["state"] == "cancelled"
    assert aws.ledger.require(job.job_id).cost_usd == Decimal("0.19")


@pytest.mark.parametrize(("status", "outcome"), [(404, "ended"), (499, "ended"), (502, "wait")])
def test_an_order_that_is_gone_after_it_was_cancelled_has_ended_and_may_be_billed(
    aws: Aws,
    clock: Clock,
    container: FakeContainer,
    cancel: Cancel,
    generation: Generate,
    provider: FakeProvider,
    status: int,
    outcome: str,
) -> None:
    job = ordered(aws, generation, provider)
    gone = NoAnswer(Failure(FailureKind.UNEXPECTED, "cancelled by the client", http_status=status))
    provider.status_answers = [gone]
    assert poll(container.step(Poll), job.job_id)["outcome"] == "wait"  # nobody has cancelled it
    cancel.handle(job.job_id)
    provider.status_answers = [gone]
    assert poll(container.step(Poll), job.job_id)["outcome"] == outcome
    assert committed(aws, clock) == {Decimal("0.15")}


def test_at_the_deadline_a_cancelled_job_ends_and_is_watched_no_longer(
    aws: Aws,
    clock: Clock,
    container: FakeContainer,
    cancel: Cancel,
    generation: Generate,
    provider: FakeProvider,
) -> None:
    job = ordered(aws, generation, provider)
    cancel.handle(job.job_id)
    clock.pass_time(hours=3)
    provider.status_answers = [RUNNING]
    assert poll(container.step(Poll), job.job_id)["state"] == "cancelled"
    assert committed(aws, clock) == {Decimal("0.15")}


def test_an_order_that_is_being_sent_is_cancelled_by_the_next_poll(
    aws: Aws, clock: Clock, container: FakeContainer, cancel: Cancel, provider: FakeProvider
) -> None:
    money = Reservation.at(clock(), Decimal("0.15"))
    times = {
        "asked_at": "2026-11-20T09:30:00.000Z",
        "deadline_at": "2026-11-20T10:30:00.000Z",
    }
    job = aws.ledger.move_reserving(claimed(aws), State.SUBMITTING, money, CAPS, **times)
    cancel.handle(job.job_id)
    aws.ledger.move(job, State.SUBMITTED, provider_job_id="p-1")  # the answer has come
    provider.status_answers = [RUNNING]
    poll(container.step(Poll), job.job_id)
    assert provider.cancelled == ["p-1"]


def test_without_an_answer_of_the_provider_the_next_poll_asks_again(
    aws: Aws,
    container: FakeContainer,
    cancel: Cancel,
    generation: Generate,
    provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = ordered(aws, generation, provider)
    answers = [CancelOutcome.NO_ANSWER, CancelOutcome.TOO_LATE]
    monkeypatch.setattr(FakeProvider, "cancel", lambda *_: answers.pop(0))
    assert cancel.handle(job.job_id).cancel_answer == ""
    provider.status_answers = [RUNNING]
    poll(container.step(Poll), job.job_id)
    assert aws.ledger.require(job.job_id).cancel_answer == "too_late"


def test_the_first_answer_of_the_provider_counts(
    aws: Aws,
    container: FakeContainer,
    cancel: Cancel,
    generation: Generate,
    provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A poll may ask while the operator's command does: the second one comes too late."""
    job = ordered(aws, generation, provider)
    provider.status_answers = [RUNNING]
    calls: list[str] = []

    def stop(*_: object) -> CancelOutcome:
        calls.append("asked")
        if len(calls) > 1:
            return CancelOutcome.REQUESTED
        poll(container.step(Poll), job.job_id)
        return CancelOutcome.TOO_LATE

    monkeypatch.setattr(FakeProvider, "cancel", stop)
    assert cancel.handle(job.job_id).cancel_answer == "requested"


def test_a_stalled_job_is_looked_at_once_more_by_an_execution_that_ends_it(
    aws: Aws, cancel: Cancel, generation: Generate, provider: FakeProvider
) -> None:
    job = aws.ledger.move(ordered(aws, generation, provider), State.STALLED)
    for _ in range(2):
        cancel.handle(job.job_id)
    (execution,) = aws.executions()
    given = aws.workflow.describe_execution(executionArn=execution["executionArn"])["input"]
    assert json.loads(given)["resume"] == {}


@pytest.mark.parametrize("state", [State.DELIVERED, State.FAILED])
def test_what_has_ended_cannot_be_cancelled(
    aws: Aws, cancel: Cancel, generation: Generate, provider: FakeProvider, state: State
) -> None:
    job = aws.ledger.move(ordered(aws, generation, provider), State.READY)
    job = aws.ledger.move(job, state)
    with pytest.raises(OperatorError, match=f"it is {state} already"):
        cancel.handle(job.job_id)
    assert aws.ledger.require(job.job_id) == job


def test_an_unknown_payment_has_to_be_settled_first(aws: Aws, cancel: Cancel) -> None:
    job = aws.ledger.move(claimed(aws), State.SUBMITTING, asked_at="now")
    job = aws.ledger.move(job, State.UNKNOWN)
    with pytest.raises(OperatorError, match="settle that first"):
        cancel.handle(job.job_id)
    assert aws.ledger.require(job.job_id) == job


def test_who_cancels_while_the_job_moves_on_marks_it_where_it_is_now(
    aws: Aws,
    cancel: Cancel,
    generation: Generate,
    provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = [claimed(aws)]  # what `cancel` reads first, and what has become of it
    provider.submit_answers = [Accepted("p-1")]
    generate(generation, seen[0].job_id)
    fresh = aws.ledger.require
    with monkeypatch.context() as patch:
        patch.setattr(aws.ledger, "require", lambda name: seen.pop() if seen else fresh(name))
        cancel.handle(fresh(seen[0].job_id).job_id)
    held = fresh(claimed(aws).job_id)
    assert (held.state, bool(held.cancel_requested)) == (State.SUBMITTED, True)
    assert provider.cancelled == ["p-1"]


def test_an_execution_that_is_aborted_in_line_ends_a_cancelled_job_as_cancelled(
    aws: Aws, container: FakeContainer, cancel: Cancel
) -> None:
    job = claimed(aws)
    cancel.handle(job.job_id)
    late = FinalizeEvent(job.job_id, run=1, accident="the workflow was aborted", late=True)
    assert container.step(Finalize).handle(late).payload()["state"] == "cancelled"
    assert aws.ledger.require(job.job_id).may_start_again
