from __future__ import annotations

from decimal import Decimal

import pytest

from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import Attempt, State
from dropreel.ledger.table import Update
from dropreel.providers.base import Failed, Failure, NoAnswer, Pending, Phase, Ready, StatusOutcome
from dropreel.steps.poll import Poll
from tests.support.aws import Aws, Clock, FakeProvider, make_job
from tests.support.calls import failure_of, poll
from tests.support.container import FakeContainer
from tests.support.polling import lost, submitted

QUEUED = Pending(Phase.QUEUED, "queued")
RUNNING = Pending(Phase.RUNNING, "processing")
READY = Ready("https://cdn.example/x")
ASKED_AT, NOTHING_SEEN = "2026-11-20T09:30:00.000Z", ""


@pytest.fixture
def polling(aws: Aws, provider: FakeProvider, clock: Clock) -> Poll:
    return FakeContainer(aws, clock, provider).step(Poll)


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
def test_a_job_that_has_not_ended_is_polled_again(
    aws: Aws, polling: Poll, provider: FakeProvider, status: StatusOutcome, state: State
) -> None:
    job = submitted(aws)
    provider.status_answers = [status]
    outcome = poll(polling, job.job_id)
    assert (outcome["outcome"], outcome["state"]) == ("wait", state.value)
    assert outcome["wait_seconds"] > 30
    assert outcome["pending_at"] == (NOTHING_SEEN if isinstance(status, NoAnswer) else ASKED_AT)
    assert aws.ledger.require(job.job_id).state is state


def test_retry_after_is_obeyed(aws: Aws, polling: Poll, provider: FakeProvider) -> None:
    throttled = NoAnswer(Failure(FailureKind.THROTTLED, "slow down"), retry_after=61.5)
    provider.status_answers = [throttled]
    assert poll(polling, submitted(aws).job_id)["wait_seconds"] == 62


def test_a_ready_clip_is_noted_with_its_real_price(
    aws: Aws, polling: Poll, provider: FakeProvider
) -> None:
    job = submitted(aws)
    provider.status_answers = [RUNNING, Ready("https://cdn.example/x", cost_usd=Decimal("0.5"))]
    poll(polling, job.job_id)
    assert poll(polling, job.job_id) == {"outcome": "ready", "state": "ready"}
    assert aws.ledger.require(job.job_id).cost_usd == Decimal("0.5")
    assert poll(polling, job.job_id) == {"outcome": "ready", "state": "ready"}


@pytest.mark.parametrize(
    ("kind", "state"),
    [(FailureKind.MODERATED, State.FAILED), (FailureKind.CANCELLED, State.CANCELLED)],
)
def test_a_job_that_ended_without_a_clip_is_over(
    aws: Aws, polling: Poll, provider: FakeProvider, kind: FailureKind, state: State
) -> None:
    job = submitted(aws)
    provider.status_answers = [Failed(Failure(kind, "no", billed=False))]
    assert poll(polling, job.job_id) == {"outcome": "ended", "state": state.value}
    assert poll(polling, job.job_id) == {"outcome": "ended", "state": state.value}
    assert failure_of(aws.ledger.require(job.job_id))["billed"] is False


def test_past_its_deadline_a_job_is_stalled_and_keeps_its_id(
    aws: Aws, polling: Poll, provider: FakeProvider, clock: Clock
) -> None:
    job = submitted(aws)
    clock.pass_time(minutes=61)
    provider.status_answers = [RUNNING]
    assert poll(polling, job.job_id) == {"outcome": "ended", "state": "stalled"}
    held = aws.ledger.require(job.job_id)
    assert held.provider_job_id == "p-1"
    assert held.failure == JobFailure(FailureKind.DEADLINE, "last seen: running")


def test_a_clip_that_is_ready_past_the_deadline_is_taken(
    aws: Aws, polling: Poll, provider: FakeProvider, clock: Clock
) -> None:
    job = submitted(aws)
    clock.pass_time(minutes=61)
    provider.status_answers = [Ready("https://cdn.example/x")]
    assert poll(polling, job.job_id)["outcome"] == "ready"


# --- orders whose answer was lost -----------------------------------------------------------------


def test_a_lost_order_that_is_found_is_followed(
    aws: Aws, polling: Poll, provider: FakeProvider
) -> None:
    job = lost(aws)
    provider.find_answers = [[], ["p-7"]]
    first = poll(polling, job.job_id)
    assert first == {"outcome": "wait", "wait_seconds": 30, "searches": 1, "state": "unknown"}
    assert poll(polling, job.job_id, searches=1)["state"] == "submitted"
    held = aws.ledger.require(job.job_id)
    assert (held.provider_job_id, failure_of(held)) == ("p-7", {})
    assert held.attempts[-1].provider_job_id == "p-7"


@pytest.mark.parametrize("found", [[], ["p-7", "p-8"]])
def test_a_search_that_does_not_settle_it_is_given_up_after_some_tries(
    aws: Aws, polling: Poll, provider: FakeProvider, found: list[str]
) -> None:
    job = lost(aws)
    provider.find_answers = [found] * 4
    waits = [poll(polling, job.job_id, searches=number) for number in range(4)]
    assert [wait.get("wait_seconds") for wait in waits] == [30, 60, 120, None]
    assert waits[-1] == {"outcome": "ended", "state": "unknown"}


def test_a_list_that_cannot_be_read_now_is_read_again(
    aws: Aws, polling: Poll, provider: FakeProvider
) -> None:
    provider.find_answers = [None]
    assert poll(polling, lost(aws).job_id)["outcome"] == "wait"


def test_a_job_stays_unknown_at_once_where_its_provider_has_no_list(
    aws: Aws, polling: Poll, provider: FakeProvider
) -> None:
    provider.find_answers = [None]
    assert poll(polling, lost(aws, "luma").job_id) == {"outcome": "ended", "state": "unknown"}


def test_an_order_that_belongs_to_an_earlier_attempt_is_not_taken_for_the_lost_one(
    aws: Aws, polling: Poll, provider: FakeProvider
) -> None:
    job = lost(aws)
    earlier = (Attempt("luma", "x", provider_job_id="p-old"), *job.attempts)
    aws.table.update(Update(f"JOB#{job.job_id}", sets={"attempts": earlier}))
    provider.find_answers = [["p-old"]]
    assert poll(polling, job.job_id)["outcome"] == "wait"
    assert aws.ledger.require(job.job_id).state is State.UNKNOWN


def test_a_post_that_may_still_be_under_way_is_waited_for_and_then_searched(
    aws: Aws, polling: Poll, provider: FakeProvider, clock: Clock
) -> None:
    job = aws.ledger.claim(make_job())
    aws.ledger.move(job, State.SUBMITTING, asked_at="2026-11-20T09:30:00.000Z")
    assert poll(polling, job.job_id)["wait_seconds"] == 91
    clock.pass_time(seconds=91)
    provider.find_answers = [[]]
    assert poll(polling, job.job_id)["state"] == "unknown"


# --- failures that may pass -----------------------------------------------------------------------


def test_an_unbilled_failure_that_may_pass_is_ordered_once_more(
    aws: Aws, polling: Poll, provider: FakeProvider
) -> None:
    fault = Failed(Failure(FailureKind.TRANSIENT, "fault", retryable=True, billed=False))
    job = aws.ledger.claim(make_job())
    states = []
    for number in (1, 2):
        times = {"asked_at": "x", "deadline_at": "2026-11-20T10:30:00.000Z"}
        job = aws.ledger.move(job, State.SUBMITTING, attempts=job.ordering("x"), **times)
        order = {"provider_job_id": f"p-{number}"}
        attempts = job.attempted(**order)
        job = aws.ledger.move(job, State.SUBMITTED, attempts=attempts, **order)
        provider.status_answers = [fault]
        states.append(poll(polling, job.job_id)["outcome"])
        job = aws.ledger.require(job.job_id)
    assert states == ["again", "ended"]
    assert job.state is State.FAILED
    assert [attempt.provider_job_id for attempt in job.attempts] == ["p-1", "p-2"]


@pytest.mark.parametrize(
    "failure",
    [
        Failure(FailureKind.TRANSIENT, "fault", retryable=True, billed=None),
        Failure(FailureKind.TRANSIENT, "fault", retryable=True, billed=True),
        Failure(FailureKind.MODERATED, "no", retryable=False, billed=False),
    ],
)
def test_a_failure_that_may_be_billed_or_is_final_is_not_ordered_again(
    aws: Aws, polling: Poll, provider: FakeProvider, failure: Failure
) -> None:
    provider.status_answers = [Failed(failure)]
    assert poll(polling, submitted(aws).job_id)["outcome"] == "ended"


def test_a_resumed_job_never_orders_again(aws: Aws, polling: Poll, provider: FakeProvider) -> None:
    passing = Failure(FailureKind.TRANSIENT, "no", retryable=True, billed=False)
    provider.status_answers = [Failed(passing)]
    job = submitted(aws)
    assert poll(polling, job.job_id, may_order=False) == {"outcome": "ended", "state": "failed"}


# --- the clip was ready before --------------------------------------------------------------------


def test_an_order_whose_clip_was_ready_is_never_taken_for_free_nor_ordered_again(
    aws: Aws, polling: Poll, provider: FakeProvider
) -> None:
    job = submitted(aws)
    provider.status_answers = [READY]
    assert poll(polling, job.job_id)["outcome"] == "ready"
    aws.ledger.move(aws.ledger.require(job.job_id), State.STALLED)
    passing = Failure(FailureKind.TRANSIENT, "gone", retryable=True, billed=False)
    provider.status_answers = [Failed(passing)]
    assert poll(polling, job.job_id, resume={}) == {"outcome": "ended", "state": "failed"}
    held = aws.ledger.require(job.job_id)
    assert (held.is_unbilled, held.may_start_again, held.released()) == (False, False, {})


def test_success_without_a_clip_is_polled_again_until_the_deadline(
    aws: Aws, polling: Poll, provider: FakeProvider, clock: Clock
) -> None:
    job = submitted(aws)
    provider.status_answers = [Pending(Phase.WITHOUT_CLIP, "completed")] * 9
    waits, searches = [], 0
    for _ in range(8):
        outcome = poll(polling, job.job_id, searches=searches)
        searches = outcome["searches"]
        waits.append(outcome["wait_seconds"])
    assert waits[-1] > waits[0]
    assert waits == sorted(waits)
    clock.pass_time(hours=2)
    assert poll(polling, job.job_id) == {"outcome": "ended", "state": "stalled"}
    assert failure_of(aws.ledger.require(job.job_id))["message"] == "last seen: without clip"


def test_a_claimed_job_whose_generate_died_goes_back_to_generate_with_its_slot(
    aws: Aws, polling: Poll, clock: Clock
) -> None:
    """With its slot: the step may be alive after all, and ask."""
    job = aws.ledger.claim(make_job())
    aws.slots(clock).join(job, "token")
    for tries, seconds in ((0, 15), (1, 30), (50, 900)):
        answer = {"outcome": "again", "wait_seconds": seconds, "state": "claimed"}
        assert poll(polling, job.job_id, tries=tries) == answer
    assert f"hold_{job.job_id}" in (aws.table.get("SLOTS#luma") or {})


@pytest.mark.parametrize(("hours", "may_order"), [(24, True), (0, False)])
def test_a_claimed_job_ends_after_a_day_or_in_a_resumed_execution(
    aws: Aws, polling: Poll, clock: Clock, hours: int, may_order: bool
) -> None:
    job = aws.ledger.claim(make_job())
    clock.pass_time(hours=hours)
    ended = {"outcome": "ended", "state": "claimed"}
    assert poll(polling, job.job_id, may_order=may_order) == ended
