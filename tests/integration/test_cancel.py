"""A cancelled job is not ordered, or its clip is not delivered; it ends once, with its money."""

from __future__ import annotations

import json
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """An installation in which jobs are ordered, polled and cancelled."""

    aws: Aws
    clock: Clock
    provider: FakeProvider
    container: FakeContainer
    cancel: Cancel
    generation: Generate

    def ordered(self) -> Job:
        job = claimed(self.aws)
        self.provider.submit_answers = [Accepted("p-1")]
        generate(self.generation, job.job_id)
        return self.aws.ledger.require(job.job_id)

    def late(self, job: Job) -> Job:
        """Stalled, and people know it."""
        stalled = self.aws.ledger.move(job, State.STALLED)
        self.aws.send_once.end(stalled.mail_id, "2026-11-20T09:00:00.000Z")
        return stalled

    def committed(self) -> set[Decimal]:
        money = Reservation.at(self.clock(), Decimal(0))
        return {one.committed for one in self.aws.ledger.spending(money, CAPS)}


@pytest.fixture
def desk(aws: Aws, clock: Clock, provider: FakeProvider) -> Desk:
    container = FakeContainer(aws, clock, provider, PROVIDER_LIMITS='{"luma": {"jobs": 1}}')
    return Desk(
        aws=aws,
        clock=clock,
        provider=provider,
        container=container,
        cancel=container.step(Cancel),
        generation=make_generation(aws, provider, clock),
    )


def test_a_job_in_line_is_woken_and_ends_unpaid(desk: Desk) -> None:
    job = claimed(desk.aws)
    desk.aws.table.put("SLOTS#luma", {"hold_other": 2_000_000_000, "version": 1})
    desk.aws.slots(desk.clock, luma=Limit(jobs=1)).join(job, "token")
    desk.cancel.handle(job.job_id)
    assert desk.aws.woken == [("token", 0)]
    assert generate(desk.generation, job.job_id) == {"outcome": "ended", "state": "cancelled"}
    held = desk.aws.ledger.require(job.job_id)
    assert (held.state, held.may_start_again, desk.provider.requests) == (State.CANCELLED, True, [])
    assert (desk.aws.table.count("WAITING#luma"), sum(desk.committed())) == (0, 0)


def test_an_execution_that_may_not_order_ends_a_cancelled_job_unpaid(desk: Desk) -> None:
    job = claimed(desk.aws)
    desk.cancel.handle(job.job_id)
    outcome = poll(
        desk.container.step(Poll), job.job_id, resume={"left_behind": True}, may_order=False
    )
    assert outcome == {"outcome": "ended", "state": "cancelled"}
    assert desk.aws.ledger.require(job.job_id).may_start_again


def test_a_job_that_joins_the_line_after_it_was_cancelled_is_woken_at_once(desk: Desk) -> None:
    job = claimed(desk.aws)
    desk.aws.table.put("SLOTS#luma", {"hold_other": 2_000_000_000, "version": 1})
    desk.cancel.handle(job.job_id)
    desk.container.step(Slot).handle(SlotEvent(job.job_id, "token"))
    assert desk.aws.woken == [("token", 0)]


def test_an_order_that_has_not_begun_when_the_job_is_cancelled_never_begins(desk: Desk) -> None:
    read_before = claimed(desk.aws)
    desk.cancel.handle(read_before.job_id)
    money = Reservation.at(desk.clock(), Decimal("0.15"))
    with pytest.raises(ContentionError, match="being cancelled"):
        desk.aws.ledger.move_reserving(read_before, State.SUBMITTING, money, CAPS, asked_at="now")
    assert desk.committed() == {0}


def test_after_the_order_the_provider_is_asked_once_and_its_end_is_waited_for(desk: Desk) -> None:
    job = desk.ordered()
    desk.cancel.handle(job.job_id)
    desk.provider.status_answers = [RUNNING, Failed(Failure(FailureKind.CANCELLED, "stopped"))]
    polling = desk.container.step(Poll)
    assert poll(polling, job.job_id)["outcome"] == "wait"
    assert poll(polling, job.job_id) == {"outcome": "ended", "state": "cancelled"}
    held = desk.aws.ledger.require(job.job_id)
    assert (desk.provider.cancelled, held.cancel_answer) == (["p-1"], "requested")
    assert desk.committed() == {Decimal("0.15")}  # nobody says that it is free
    assert not held.may_start_again


def test_a_failure_that_is_not_billed_frees_the_money_and_is_not_ordered_again(desk: Desk) -> None:
    job = desk.ordered()
    desk.cancel.handle(job.job_id)
    free = Failure(FailureKind.TRANSIENT, "no worker", retryable=True, billed=False)
    desk.provider.status_answers = [Failed(free)]
    assert poll(desk.container.step(Poll), job.job_id)["state"] == "cancelled"
    assert sum(desk.committed()) == 0
    assert desk.aws.ledger.require(job.job_id).may_start_again


def test_a_clip_that_is_made_all_the_same_is_recorded_with_its_price_and_not_delivered(
    desk: Desk,
) -> None:
    job = desk.ordered()
    desk.cancel.handle(job.job_id)
    desk.provider.status_answers = [Ready("https://cdn/clip.mp4", cost_usd=Decimal("0.19"))]
    assert poll(desk.container.step(Poll), job.job_id)["state"] == "cancelled"
    finalize = desk.container.step(Finalize)
    for _ in range(2):
        assert finalize.handle(FinalizeEvent(job.job_id, run=1)).payload()["state"] == "cancelled"
    (mail,) = desk.aws.results.take()
    assert "luma charges for it ($0.19)." in mail["text"]
    assert desk.aws.read_json(job.record_key)["cost_usd"] == "0.19"
    assert [key for key in desk.aws.stored("clips/") if key.endswith(".mp4")] == []
    assert desk.committed() == {Decimal("0.19")}


def test_a_clip_that_is_ready_and_not_fetched_yet_is_not_delivered(desk: Desk) -> None:
    job = desk.ordered()
    desk.provider.status_answers = [Ready("https://cdn/clip.mp4", cost_usd=Decimal("0.19"))]
    poll(desk.container.step(Poll), job.job_id)
    desk.cancel.handle(job.job_id)
    ended = desk.container.step(Finalize).handle(FinalizeEvent(job.job_id, run=1)).payload()
    assert ended["state"] == "cancelled"
    assert desk.aws.ledger.require(job.job_id).cost_usd == Decimal("0.19")


def test_a_clip_that_was_ready_once_is_paid_for_whatever_its_provider_says_afterwards(
    desk: Desk,
) -> None:
    job = desk.ordered()
    desk.provider.status_answers = [Ready("https://cdn/clip.mp4")]
    poll(desk.container.step(Poll), job.job_id)
    ready = desk.aws.ledger.require(job.job_id)
    stalled = desk.late(ready)
    desk.cancel.handle(job.job_id)
    free = Failure(FailureKind.TRANSIENT, "no worker", retryable=True, billed=False)
    desk.provider.status_answers = [Failed(free)]
    resumed = poll(desk.container.step(Poll), stalled.job_id, resume={})
    assert resumed == {"outcome": "ended", "state": "cancelled"}
    assert not desk.aws.ledger.require(job.job_id).may_start_again
    assert desk.committed() == {Decimal("0.15")}


@pytest.mark.parametrize(("status", "outcome"), [(404, "ended"), (499, "ended"), (502, "wait")])
def test_an_order_that_is_gone_after_it_was_cancelled_has_ended_and_may_be_billed(
    desk: Desk, status: int, outcome: str
) -> None:
    job = desk.ordered()
    gone = NoAnswer(Failure(FailureKind.UNEXPECTED, "cancelled by the client", http_status=status))
    desk.provider.status_answers = [gone]
    # Nobody has cancelled it yet.
    assert poll(desk.container.step(Poll), job.job_id)["outcome"] == "wait"
    desk.cancel.handle(job.job_id)
    desk.provider.status_answers = [gone]
    assert poll(desk.container.step(Poll), job.job_id)["outcome"] == outcome
    assert desk.committed() == {Decimal("0.15")}


def test_at_the_deadline_a_cancelled_job_ends_and_is_watched_no_longer(desk: Desk) -> None:
    job = desk.ordered()
    desk.cancel.handle(job.job_id)
    desk.clock.pass_time(hours=3)
    desk.provider.status_answers = [RUNNING]
    assert poll(desk.container.step(Poll), job.job_id)["state"] == "cancelled"
    assert desk.committed() == {Decimal("0.15")}


def test_a_job_is_cancelled_only_after_the_mail_that_it_is_late(desk: Desk) -> None:
    job = desk.aws.ledger.move(desk.ordered(), State.STALLED)
    with pytest.raises(OperatorError, match="still to be sent; try again"):
        desk.cancel.handle(job.job_id)
    assert desk.aws.ledger.require(job.job_id) == job
    desk.aws.send_once.end(job.mail_id, "2026-11-20T09:00:00.000Z")
    assert desk.cancel.handle(job.job_id).cancel_requested


def test_an_order_that_is_being_sent_is_cancelled_by_the_next_poll(desk: Desk) -> None:
    money = Reservation.at(desk.clock(), Decimal("0.15"))
    times = {
        "asked_at": "2026-11-20T09:30:00.000Z",
        "deadline_at": "2026-11-20T10:30:00.000Z",
    }
    job = desk.aws.ledger.move_reserving(claimed(desk.aws), State.SUBMITTING, money, CAPS, **times)
    desk.cancel.handle(job.job_id)
    desk.aws.ledger.move(job, State.SUBMITTED, provider_job_id="p-1")  # the answer has come
    desk.provider.status_answers = [RUNNING]
    poll(desk.container.step(Poll), job.job_id)
    assert desk.provider.cancelled == ["p-1"]


def test_without_an_answer_of_the_provider_the_next_poll_asks_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = desk.ordered()
    answers = [CancelOutcome.NO_ANSWER, CancelOutcome.TOO_LATE]
    monkeypatch.setattr(FakeProvider, "cancel", lambda *_: answers.pop(0))
    assert desk.cancel.handle(job.job_id).cancel_answer == ""
    desk.provider.status_answers = [RUNNING]
    poll(desk.container.step(Poll), job.job_id)
    assert desk.aws.ledger.require(job.job_id).cancel_answer == "too_late"


def test_the_first_answer_of_the_provider_counts(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A poll may ask while the operator's command does: the second one comes too late."""
    job = desk.ordered()
    desk.provider.status_answers = [RUNNING]
    calls: list[str] = []

    def stop(*_: object) -> CancelOutcome:
        calls.append("asked")
        if len(calls) > 1:
            return CancelOutcome.REQUESTED
        poll(desk.container.step(Poll), job.job_id)
        return CancelOutcome.TOO_LATE

    monkeypatch.setattr(FakeProvider, "cancel", stop)
    assert desk.cancel.handle(job.job_id).cancel_answer == "requested"


def test_a_stalled_job_is_looked_at_once_more_by_an_execution_that_ends_it(desk: Desk) -> None:
    job = desk.late(desk.ordered())
    for _ in range(2):
        desk.cancel.handle(job.job_id)
    (execution,) = desk.aws.executions()
    given = desk.aws.workflow.describe_execution(executionArn=execution["executionArn"])["input"]
    assert json.loads(given)["resume"] == {}


@pytest.mark.parametrize("state", [State.DELIVERED, State.FAILED])
def test_what_has_ended_cannot_be_cancelled(desk: Desk, state: State) -> None:
    job = desk.aws.ledger.move(desk.ordered(), State.READY)
    job = desk.aws.ledger.move(job, state)
    with pytest.raises(OperatorError, match=f"it is {state} already"):
        desk.cancel.handle(job.job_id)
    assert desk.aws.ledger.require(job.job_id) == job


def test_an_unknown_payment_has_to_be_settled_first(desk: Desk) -> None:
    job = desk.aws.ledger.move(claimed(desk.aws), State.SUBMITTING, asked_at="now")
    job = desk.aws.ledger.move(job, State.UNKNOWN)
    with pytest.raises(OperatorError, match="settle that first"):
        desk.cancel.handle(job.job_id)
    assert desk.aws.ledger.require(job.job_id) == job


def test_who_cancels_while_the_job_moves_on_marks_it_where_it_is_now(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = [claimed(desk.aws)]  # what `cancel` reads first, and what has become of it
    desk.provider.submit_answers = [Accepted("p-1")]
    generate(desk.generation, seen[0].job_id)
    fresh = desk.aws.ledger.require
    with monkeypatch.context() as patch:
        patch.setattr(desk.aws.ledger, "require", lambda name: seen.pop() if seen else fresh(name))
        desk.cancel.handle(fresh(seen[0].job_id).job_id)
    held = fresh(claimed(desk.aws).job_id)
    assert (held.state, bool(held.cancel_requested)) == (State.SUBMITTED, True)
    assert desk.provider.cancelled == ["p-1"]


def test_an_execution_that_is_aborted_in_line_ends_a_cancelled_job_as_cancelled(desk: Desk) -> None:
    job = claimed(desk.aws)
    desk.cancel.handle(job.job_id)
    late = FinalizeEvent(job.job_id, run=1, accident="the workflow was aborted", late=True)
    assert desk.container.step(Finalize).handle(late).payload()["state"] == "cancelled"
    assert desk.aws.ledger.require(job.job_id).may_start_again
