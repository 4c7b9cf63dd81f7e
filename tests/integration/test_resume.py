"""Resuming a job as an operator says: followed where its end is open, and nothing else changes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dropreel.errors import LedgerConflictError
from dropreel.jobs.failure import FailureKind
from dropreel.jobs.job import Reservation, State
from dropreel.money.budget import Caps
from dropreel.providers.base import Failure, NoAnswer, Pending, Phase
from dropreel.steps.poll import Poll
from tests.support.aws import Aws, Clock, FakeProvider, make_job
from tests.support.calls import poll
from tests.support.container import FakeContainer
from tests.support.polling import lost, submitted
from tests.support.states import PATHS

RUNNING = Pending(Phase.RUNNING, "processing")


@pytest.fixture
def polling(aws: Aws, provider: FakeProvider, clock: Clock) -> Poll:
    return FakeContainer(aws, clock, provider).step(Poll)


def test_a_stalled_job_is_looked_at_again_with_a_new_deadline(
    aws: Aws, polling: Poll, provider: FakeProvider, clock: Clock
) -> None:
    job = aws.ledger.move(submitted(aws), State.STALLED)
    clock.pass_time(hours=5)
    provider.status_answers = [RUNNING]
    assert poll(polling, job.job_id, resume={}, execution_id="e-2")["outcome"] == "wait"
    held = aws.ledger.require(job.job_id)
    assert (held.deadline_at, held.execution) == ("2026-11-20T15:30:00.000Z", "e-2")


def test_an_operator_can_name_the_lost_order_or_say_that_there_is_none(
    aws: Aws, polling: Poll, provider: FakeProvider
) -> None:
    job = lost(aws)
    provider.status_answers = [RUNNING, RUNNING]
    assert poll(polling, job.job_id, resume={"provider_job_id": "p-9"})["outcome"] == "wait"
    assert aws.ledger.require(job.job_id).provider_job_id == "p-9"


def test_a_job_that_was_never_ordered_can_be_dropped_again(aws: Aws, polling: Poll) -> None:
    for job in (lost(aws), aws.ledger.move(submitted(aws, job_id="f" * 24), State.STALLED)):
        outcome = poll(polling, job.job_id, resume={"nothing_made": True})
        assert outcome == {"outcome": "ended", "state": "refused"}
        assert aws.ledger.require(job.job_id).may_start_again


def test_an_operator_can_free_the_money_even_of_a_clip_that_was_reported_ready(
    aws: Aws, polling: Poll, clock: Clock
) -> None:
    money = Reservation.at(clock(), Decimal("0.15"))
    caps = Caps(job=Decimal(5), day=Decimal(5), month=Decimal(5))
    job = aws.ledger.claim(make_job())
    job = aws.ledger.move_reserving(job, State.SUBMITTING, money, caps, asked_at="now")
    job = aws.ledger.move(job, State.SUBMITTED, provider_job_id="p-1")
    job = aws.ledger.move(job, State.READY, ready_at="then")
    job = aws.ledger.move(job, State.STALLED)
    assert poll(polling, job.job_id, resume={"nothing_made": True})["state"] == "refused"
    assert {one.committed for one in aws.ledger.spending(money, caps)} == {0}


def test_an_operator_can_name_another_order_for_a_stalled_job(
    aws: Aws, polling: Poll, provider: FakeProvider
) -> None:
    job = aws.ledger.move(submitted(aws), State.STALLED)
    provider.status_answers = [RUNNING, RUNNING]
    poll(polling, job.job_id, resume={"provider_job_id": "p-9"})
    assert aws.ledger.require(job.job_id).provider_job_id == "p-9"


@pytest.mark.parametrize("word", ["...", "<id>", "p 1", "../x"])
def test_a_resume_with_an_impossible_order_id_changes_nothing(
    aws: Aws, polling: Poll, word: str
) -> None:
    job = lost(aws)
    outcome = poll(polling, job.job_id, resume={"provider_job_id": word})
    assert (outcome["error"], word in outcome["cause"]) == ("nothing_to_resume", True)
    assert aws.ledger.require(job.job_id) == job


@pytest.mark.parametrize(
    "said", [{"nothing_mad": True}, {"provider_job_ids": "p-9"}, {"nothing_made": True, "x": 1}]
)
def test_a_misspelt_resume_is_refused(aws: Aws, polling: Poll, said: dict[str, object]) -> None:
    job = aws.ledger.move(submitted(aws), State.STALLED)
    assert "not understood" in poll(polling, job.job_id, resume=said)["cause"]
    assert aws.ledger.require(job.job_id) == job


def test_an_order_that_the_provider_does_not_know_changes_nothing(
    aws: Aws, polling: Poll, provider: FakeProvider
) -> None:
    job = lost(aws)
    unknown = Failure(FailureKind.UNEXPECTED, "not found", http_status=404)
    provider.status_answers = [NoAnswer(unknown)]
    outcome = poll(polling, job.job_id, resume={"provider_job_id": "p-8"})
    assert outcome["cause"] == "luma knows no job p-8; nothing was changed"
    assert aws.ledger.require(job.job_id) == job


def test_a_provider_that_cannot_be_asked_about_the_order_changes_nothing(
    aws: Aws, polling: Poll, provider: FakeProvider
) -> None:
    job = lost(aws)
    away = Failure(FailureKind.TRANSIENT, "bad gateway", http_status=502)
    provider.status_answers = [NoAnswer(away)]
    outcome = poll(polling, job.job_id, resume={"provider_job_id": "p-8"})
    assert "could not be asked about p-8: bad gateway" in outcome["cause"]
    assert aws.ledger.require(job.job_id) == job


def test_an_order_that_was_cancelled_at_the_provider_changes_nothing_however_often_it_is_named(
    aws: Aws, polling: Poll, provider: FakeProvider
) -> None:
    job = lost(aws)
    provider.status_answers = [NoAnswer(Failure(FailureKind.CANCELLED, "", http_status=499))]
    outcome = poll(polling, job.job_id, resume={"provider_job_id": "p-8"})
    assert outcome["cause"] == (
        "luma says that p-8 was cancelled; nothing was changed. If it is not on the invoice, say "
        "--nothing-made"
    )
    assert aws.ledger.require(job.job_id) == job


def test_a_correction_replaces_a_wrong_order_that_an_operator_has_named(
    aws: Aws, polling: Poll, provider: FakeProvider
) -> None:
    job = lost(aws)
    provider.status_answers = [RUNNING] * 4
    poll(polling, job.job_id, resume={"provider_job_id": "wrong"}, execution_id="e-2")
    poll(polling, job.job_id, resume={"provider_job_id": "right"}, execution_id="e-3")
    held = aws.ledger.require(job.job_id)
    assert (held.provider_job_id, held.order_named, held.execution) == ("right", "right", "e-3")
    assert held.attempts[-1].provider_job_id == "right"


def test_who_has_asked_about_the_wrong_order_cannot_end_the_job_after_its_correction(
    aws: Aws, polling: Poll, provider: FakeProvider
) -> None:
    job = lost(aws)
    provider.status_answers = [RUNNING] * 4
    poll(polling, job.job_id, resume={"provider_job_id": "wrong"}, execution_id="e-2")
    asked_about_the_wrong_one = aws.ledger.require(job.job_id)
    poll(polling, job.job_id, resume={"provider_job_id": "right"}, execution_id="e-3")
    with pytest.raises(LedgerConflictError):
        aws.ledger.move(
            asked_about_the_wrong_one, State.FAILED, **asked_about_the_wrong_one.released()
        )


def test_an_order_that_the_provider_has_confirmed_is_not_replaced(aws: Aws, polling: Poll) -> None:
    job = submitted(aws)
    outcome = poll(polling, job.job_id, resume={"provider_job_id": "p-9"}, execution_id="e-2")
    assert outcome["error"] == "nothing_to_resume"
    assert aws.ledger.require(job.job_id) == job


OPEN = (State.STALLED, State.UNKNOWN)


@pytest.mark.parametrize("state", [state for state in State if state not in OPEN])
def test_resuming_a_job_that_is_not_open_changes_nothing_and_says_so(
    aws: Aws, polling: Poll, state: State
) -> None:
    job = aws.ledger.claim(make_job())
    for step in PATHS[state]:
        job = aws.ledger.move(job, step)
    for word in ({}, {"nothing_made": True}, {"provider_job_id": "p-9"}):
        assert poll(polling, job.job_id, resume=word, execution_id="e-2") == {
            "outcome": "superseded",
            "error": "nothing_to_resume",
            "cause": f"the job is {state}; nothing was changed",
        }
    assert aws.ledger.require(job.job_id) == job


def test_what_the_sweep_has_found_left_behind_goes_on_whatever_its_state(
    aws: Aws, polling: Poll, provider: FakeProvider
) -> None:
    job = submitted(aws)
    provider.status_answers = [RUNNING]
    said = {"left_behind": True}
    assert poll(polling, job.job_id, resume=said, execution_id="e-2")["outcome"] == "wait"
    assert aws.ledger.require(job.job_id).execution == "e-2"
