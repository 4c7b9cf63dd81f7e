"""What `generate` does when AWS or the key fails it, and what keeps two from ordering."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropreel.errors import LedgerConflictError
from dropreel.jobs.failure import FailureKind
from dropreel.jobs.job import Job, Reservation, State
from dropreel.ledger.breaker import THRESHOLD, Breaker
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.table import Table
from dropreel.money.budget import Caps
from dropreel.providers.base import (
    IMAGE_NOT_FETCHED,
    Accepted,
    Busy,
    Failure,
    Pending,
    Phase,
    Refused,
    SubmitOutcome,
    Unknown,
)
from dropreel.steps.generate import Generate
from dropreel.steps.poll import Poll
from tests.support.aws import Aws, Clock, FakeProvider, make_job
from tests.support.calls import failure_of, generate, poll
from tests.support.container import FakeContainer
from tests.support.generating import claimed, make_generation

AWAY = ClientError({"Error": {"Code": "InternalServerError"}}, "UpdateItem")
CAPS = Caps(job=Decimal(5), day=Decimal(25), month=Decimal(250))


@pytest.fixture
def generation(aws: Aws, provider: FakeProvider, clock: Clock) -> Generate:
    return replace(make_generation(aws, provider, clock), sleep=lambda _: None)


# --- the key ------------------------------------------------------------------------------------


def test_a_key_that_cannot_be_read_just_now_lets_the_job_wait_unordered(
    aws: Aws, generation: Generate, provider: FakeProvider
) -> None:
    job = claimed(aws)
    provider.key_answer = Busy(Failure(FailureKind.TRANSIENT, "the secret cannot be read now"))
    assert generate(generation, job.job_id)["outcome"] == "wait"
    assert (aws.ledger.require(job.job_id), provider.requests) == (job, [])
    provider.key_answer = None
    provider.submit_answers = [Accepted("p-1")]
    assert generate(generation, job.job_id, tries=1)["outcome"] == "accepted"


def test_a_key_that_cannot_be_read_changes_no_breaker(
    aws: Aws, generation: Generate, provider: FakeProvider
) -> None:
    away = Unknown(Failure(FailureKind.UNEXPECTED, "timed out"))
    for _ in range(THRESHOLD - 1):
        generation.breaker.note("luma", away, generation.now().timestamp())
    provider.key_answer = Busy(Failure(FailureKind.TRANSIENT, "the secret cannot be read now"))
    generate(generation, claimed(aws).job_id)
    assert (aws.table.get("BREAKER#luma") or {})["failures"] == THRESHOLD - 1


def test_a_missing_key_refuses_the_job_before_any_money_is_set_aside(
    aws: Aws, generation: Generate, provider: FakeProvider
) -> None:
    job = claimed(aws)
    provider.key_answer = Refused(Failure(FailureKind.NO_KEY, "no key for luma", billed=False))
    assert generate(generation, job.job_id)["state"] == "refused"
    held = aws.ledger.require(job.job_id)
    assert (held.reservation, held.attempts, provider.requests) == (None, (), [])
    assert failure_of(held)["kind"] == "no_key"


@pytest.mark.parametrize("under_way", [True, False])
def test_missing_credit_counts_as_busy_while_jobs_run_there_and_else_as_an_outage(
    aws: Aws, generation: Generate, provider: FakeProvider, clock: Clock, under_way: bool
) -> None:
    if under_way:
        aws.slots(clock).join(make_job(job_id="another"), "token")
    short = Busy(Failure(FailureKind.NO_CREDIT, "payment required", billed=False))
    provider.submit_answers = [short] * THRESHOLD
    for number in range(THRESHOLD):
        source = replace(make_job().source, key=f"campaign/{number}.jpg")
        job = make_job(job_id=f"job{number}", source=source, estimate_usd=Decimal("0.15"))
        aws.ledger.claim(job)
        assert generate(generation, job.job_id)["outcome"] == "wait"
    assert len(aws.operators.take()) == (0 if under_way else 1)


# --- the image ----------------------------------------------------------------------------------


def test_an_image_that_the_provider_could_not_fetch_gets_a_fresh_address_once(
    aws: Aws, generation: Generate, provider: FakeProvider
) -> None:
    job = claimed(aws)
    failure = Failure(FailureKind.BAD_INPUT, "failed to fetch URL", code=IMAGE_NOT_FETCHED)
    provider.submit_answers = [Refused(failure), Refused(failure)]
    assert generate(generation, job.job_id)["outcome"] == "wait"
    assert generate(generation, job.job_id, tries=1)["state"] == "refused"
    assert aws.ledger.require(job.job_id).reservation == no_money(aws, job)


def no_money(aws: Aws, job: Job) -> Reservation:
    held = aws.ledger.require(job.job_id).reservation
    assert held is not None
    return held.of(Decimal(0))


# --- the ledger ---------------------------------------------------------------------------------


def fails_after(monkeypatch: pytest.MonkeyPatch, method: Callable[..., Any], name: str) -> None:
    """The first write of this sort is made, and its answer is lost."""
    lost = iter([True])

    def write(self: Table, *given: Any) -> Any:
        answer = method(self, *given)
        if next(lost, False):
            raise AWAY
        return answer

    monkeypatch.setattr(Table, name, write)


def test_a_reservation_whose_answer_was_lost_is_proved_own_and_the_order_is_made(
    aws: Aws, generation: Generate, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = claimed(aws)
    provider.submit_answers = [Accepted("p-1")]
    fails_after(monkeypatch, Table.write_all, "write_all")
    assert generate(generation, job.job_id)["outcome"] == "accepted"
    assert len(provider.requests) == 1


def test_a_reservation_of_another_run_is_not_taken_for_the_own_one(
    aws: Aws, generation: Generate, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = claimed(aws)
    money = Reservation.at(generation.now(), Decimal("0.15"))
    write_all = Table.write_all

    def overtaken(self: Table, writes: Any) -> None:
        monkeypatch.setattr(Table, "write_all", write_all)
        aws.ledger.move_reserving(job, State.SUBMITTING, money, CAPS, asked_at="now")
        raise AWAY

    monkeypatch.setattr(Table, "write_all", overtaken)
    with pytest.raises(ClientError):
        generate(generation, job.job_id)
    assert provider.requests == []


def test_an_order_that_cannot_be_noted_is_handed_to_the_workflow_and_noted_by_the_next_poll(
    aws: Aws,
    generation: Generate,
    provider: FakeProvider,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = claimed(aws)
    provider.submit_answers = [Accepted("p-1")]
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "move", raising(AWAY))
        outcome = generate(generation, job.job_id)
    assert (outcome["outcome"], outcome["provider_job_id"]) == ("accepted", "p-1")
    assert aws.ledger.require(job.job_id).state is State.SUBMITTING
    polling = FakeContainer(aws, clock, provider).step(Poll)
    provider.status_answers = [Pending(Phase.QUEUED, "queued")]
    assert poll(polling, job.job_id, provider_job_id="p-1")["outcome"] == "wait"
    held = aws.ledger.require(job.job_id)
    assert (held.state, held.provider_job_id) == (State.SUBMITTED, "p-1")
    assert [attempt.provider_job_id for attempt in held.attempts] == ["p-1"]


REFUSED = Refused(Failure(FailureKind.MODERATED, "not this", billed=False))
BUSY = Busy(Failure(FailureKind.THROTTLED, "too many", billed=False), 5)


@pytest.mark.parametrize(("answer", "state"), [(REFUSED, "refused"), (BUSY, "claimed")])
def test_an_answer_that_is_noted_at_the_second_try_counts(
    aws: Aws,
    generation: Generate,
    provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
    answer: SubmitOutcome,
    state: str,
) -> None:
    job = claimed(aws)
    provider.submit_answers = [answer]
    move, away = Ledger.move, iter([True, True])

    def after_a_while(self: Ledger, *given: Any, **facts: Any) -> Job:
        if next(away, False):
            raise AWAY
        move(self, *given, **facts)  # its answer is lost, too
        monkeypatch.setattr(Ledger, "move", move)
        raise AWAY

    monkeypatch.setattr(Ledger, "move", after_a_while)
    assert generate(generation, job.job_id)["state"] == state
    assert aws.ledger.require(job.job_id).state == state


@pytest.mark.parametrize("answer", [REFUSED, BUSY])
def test_a_refusal_that_cannot_be_noted_is_handed_to_the_workflow_and_ordered_again(
    aws: Aws,
    generation: Generate,
    provider: FakeProvider,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    answer: SubmitOutcome,
) -> None:
    job = claimed(aws)
    provider.submit_answers = [answer]
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "move", raising(AWAY))
        outcome = generate(generation, job.job_id)
    refused = outcome["refused_order"]
    assert outcome["outcome"] == "search"
    polling = FakeContainer(aws, clock, provider).step(Poll)
    assert poll(polling, job.job_id, refused_order="another")["outcome"] == "wait"
    assert poll(polling, job.job_id, refused_order=refused)["outcome"] == "again"
    held = aws.ledger.require(job.job_id)
    assert (held.state, held.reservation) == (State.CLAIMED, no_money(aws, job))


def test_an_accepted_order_stands_if_breaker_and_alerts_cannot_be_updated(
    aws: Aws, generation: Generate, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = claimed(aws)
    provider.submit_answers = [Accepted("p-1")]
    monkeypatch.setattr(Breaker, "note", raising(AWAY))
    assert generate(generation, job.job_id)["outcome"] == "accepted"


def test_an_order_of_an_earlier_attempt_is_not_noted_again(
    aws: Aws, generation: Generate, provider: FakeProvider, clock: Clock
) -> None:
    job = claimed(aws)
    provider.submit_answers = [Accepted("p-1"), RuntimeError("killed")]
    generate(generation, job.job_id)
    aws.ledger.move(aws.ledger.require(job.job_id), State.CLAIMED, **job_free(aws, job))
    with pytest.raises(RuntimeError):
        generate(generation, job.job_id, tries=1)
    polling = FakeContainer(aws, clock, provider).step(Poll)
    assert poll(polling, job.job_id, provider_job_id="p-1")["outcome"] == "wait"
    assert aws.ledger.require(job.job_id).state is State.SUBMITTING


def job_free(aws: Aws, job: Job) -> dict[str, Any]:
    return {"provider_job_id": "", **aws.ledger.require(job.job_id).released()}


def test_an_accepted_order_never_replaces_a_newer_one(
    aws: Aws, generation: Generate, clock: Clock
) -> None:
    job = claimed(aws)

    class Slow(FakeProvider):
        def submit(self, request: object) -> SubmitOutcome:
            held = aws.ledger.require(job.job_id)
            refused = aws.ledger.move(held, State.REFUSED, **held.released())
            again = aws.ledger.claim(replace(refused, state=State.CLAIMED, dropped_at="9"))
            money = Reservation.at(clock(), Decimal("0.15"))
            aws.ledger.move_reserving(again, State.SUBMITTING, money, CAPS, asked_at="later")
            return Accepted("p-late")

    slow = replace(generation, provider=lambda _: Slow())
    assert generate(slow, job.job_id)["outcome"] == "accepted"
    held = aws.ledger.require(job.job_id)
    assert (held.state, held.provider_job_id, held.run) == (State.SUBMITTING, "", 2)


@pytest.mark.parametrize("changed", [{"provider": "fal"}, {"max_cost_usd": Decimal("0.10")}])
def test_an_order_fails_if_its_provider_or_cap_changed_since_it_was_read(
    aws: Aws, clock: Clock, changed: dict[str, Any]
) -> None:
    read = claimed(aws)
    aws.ledger.move(read, State.CLAIMED, **changed)
    money = Reservation.at(clock(), Decimal("0.15"))
    with pytest.raises(LedgerConflictError):
        aws.ledger.move_reserving(read, State.SUBMITTING, money, CAPS, asked_at="now")
    assert aws.ledger.require(read.job_id).state is State.CLAIMED


def raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail
