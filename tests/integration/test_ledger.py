from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pytest

from dropreel.errors import LedgerConflictError
from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import ENDS, ClipInfo, Job, State
from dropreel.ledger.jobs import TRANSITIONS
from tests.support.aws import Aws, make_job
from tests.support.states import PATHS

pytestmark = pytest.mark.on_moto


def bring_to(aws: Aws, state: State, job: Job | None = None) -> Job:
    job = aws.ledger.claim(job or make_job())
    for step in PATHS[state]:
        job = aws.ledger.move(job, step)
    return job


def test_a_job_comes_back_from_the_ledger_as_it_went_in(aws: Aws) -> None:
    job = make_job(estimate_usd=Decimal("0.30"), unconfirmed=("10s",), provider_job_id="p-1")
    aws.ledger.claim(job)
    assert aws.ledger.get(job.job_id) == job


def test_facts_come_back_from_the_ledger_as_they_were_noted(aws: Aws) -> None:
    job = bring_to(aws, State.READY)
    clip = ClipInfo(duration_s=5.0, width=960, height=540, size=123, sha256="ab")
    failure = JobFailure(FailureKind.TRANSIENT, http_status=503, retryable=True)
    facts = {"clip": clip, "cost_usd": Decimal("1.00"), "failure": failure}
    moved = aws.ledger.move(job, State.DELIVERED, **facts)
    assert moved == aws.ledger.require(job.job_id)
    assert (moved.clip, moved.cost_usd, moved.failure) == (clip, Decimal("1.00"), failure)


def test_an_unknown_job_is_none_or_an_error_where_it_is_required(aws: Aws) -> None:
    assert aws.ledger.get("none") is None
    with pytest.raises(LedgerConflictError):
        aws.ledger.require("none")


@pytest.mark.parametrize("start", State)
def test_only_the_steps_of_the_table_are_possible(aws: Aws, start: State) -> None:
    job = bring_to(aws, start)
    for to in set(State) - TRANSITIONS[start]:
        with pytest.raises(LedgerConflictError):
            aws.ledger.move(job, to)
        assert aws.ledger.require(job.job_id).state is start
    for to in TRANSITIONS[start]:
        another = bring_to(aws, start, make_job(job_id=f"to {to}"))
        assert aws.ledger.move(another, to).state is to


def test_every_state_has_its_row_in_the_table() -> None:
    assert set(TRANSITIONS) == set(State) == set(PATHS)


def test_a_delivered_job_never_moves_again() -> None:
    assert not TRANSITIONS[State.DELIVERED]


def test_who_read_an_older_state_cannot_move_the_job(aws: Aws) -> None:
    old = bring_to(aws, State.CLAIMED)
    aws.ledger.move(old, State.SUBMITTING)
    with pytest.raises(LedgerConflictError):
        aws.ledger.move(old, State.SUBMITTING)


def test_the_second_claim_gets_the_first_ones_job(aws: Aws) -> None:
    first = aws.ledger.claim(make_job(created_at="first"))
    second = aws.ledger.claim(make_job(created_at="second"))
    assert second == first


@pytest.mark.parametrize("state", sorted(State))
def test_an_old_event_never_starts_a_job_again(aws: Aws, state: State) -> None:
    before = bring_to(aws, state)
    assert aws.ledger.claim(make_job()) == before


@pytest.mark.parametrize("state", sorted(State))
def test_a_new_drop_starts_a_job_again_only_if_nothing_may_be_paid_or_coming(
    aws: Aws, state: State
) -> None:
    before = bring_to(aws, state)
    after = aws.ledger.claim(make_job(dropped_at="2026-11-20T10:00:00.000Z"))
    if state is State.REFUSED:
        assert (after.state, after.run) == (State.CLAIMED, 2)
        assert after.execution_name.endswith("-2")
    else:
        assert after == replace(before, newest_drop_at="2026-11-20T10:00:00.000Z")


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
@pytest.mark.parametrize(("billed", "run"), [(False, 2), (None, 1), (True, 1)])
def test_a_failure_starts_again_only_if_it_is_known_to_be_unpaid(
    aws: Aws, state: State, billed: bool | None, run: int
) -> None:
    job = bring_to(aws, State.SUBMITTED)
    aws.ledger.move(job, state, failure=JobFailure(FailureKind.TRANSIENT, billed=billed))
    again = aws.ledger.claim(make_job(dropped_at="2026-11-20T10:00:00.000Z"))
    assert again.run == run


def test_a_drop_that_was_passed_over_starts_nothing_when_its_event_comes_again(aws: Aws) -> None:
    newer = make_job(dropped_at="2026-11-20T10:00:00.000Z")
    running = bring_to(aws, State.RUNNING)
    held = aws.ledger.claim(newer)
    assert held.state is State.RUNNING
    aws.ledger.move(running, State.FAILED, failure=JobFailure(FailureKind.TRANSIENT, billed=False))
    assert aws.ledger.claim(newer).state is State.FAILED
    newest = make_job(dropped_at="2026-11-20T11:00:00.000Z")
    assert aws.ledger.claim(newest).run == 2


def test_of_many_at_once_one_starts_a_job_again(aws: Aws) -> None:
    bring_to(aws, State.REFUSED)
    again = make_job(dropped_at="2026-11-20T10:00:00.000Z")
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(aws.ledger.claim, [again] * 8))
    assert {job.run for job in jobs} == {2}


def test_of_many_at_once_one_may_submit(aws: Aws) -> None:
    job = bring_to(aws, State.CLAIMED)

    def submit(_: int) -> bool:
        try:
            aws.ledger.move(job, State.SUBMITTING)
        except LedgerConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(submit, range(8))) == 1


def test_every_state_is_either_an_end_or_has_a_next_step() -> None:
    assert all(TRANSITIONS[state] for state in set(State) - ENDS)
