from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropreel.jobs.job import Job, State
from dropreel.ledger.breaker import Breaker
from dropreel.ledger.runtimes import MeasuredRuntimes
from dropreel.ledger.slots import Slots
from dropreel.mail.alerts import Alerts
from dropreel.money.budget import Caps
from dropreel.money.policy import SpendingRules
from dropreel.money.pricing import PriceList
from dropreel.providers.base import (
    Accepted,
    Busy,
    Failure,
    FailureKind,
    Refused,
    SubmitOutcome,
    Unknown,
)
from dropreel.providers.limits import Limit
from dropreel.steps.generate import Generate
from dropreel.steps.orders import MAX_TRIES
from dropreel.waiting.runtimes import Kind
from tests.unit.support import Aws, Clock, FakeProvider, make_job

BUSY = Busy(Failure(FailureKind.THROTTLED, "too many jobs", http_status=429), retry_after=7.0)
REFUSED = Refused(Failure(FailureKind.MODERATED, "not this"))
UNKNOWN = Unknown(Failure(FailureKind.UNEXPECTED, "read timed out"))


CAPS = Caps(job=Decimal(5), day=Decimal(25), month=Decimal(250))
RULES = SpendingRules(caps=CAPS, prices=PriceList())


def make_generation(
    aws: Aws, provider: FakeProvider, clock: Clock, rules: SpendingRules = RULES
) -> Generate:
    return Generate(
        ledger=aws.ledger,
        clips=aws.clips,
        provider=lambda _: provider,
        watcher=aws.watcher(clock),
        rules=rules,
        breaker=Breaker(aws.table),
        alerts=Alerts(aws.send_once, aws.publisher(aws.operators), clock),
        slots=aws.slots(clock, luma=Limit(jobs=2)),
        deadline=timedelta(minutes=60),
        source_url_seconds=600,
        now=clock,
    )


@pytest.fixture
def generation(aws: Aws, provider: FakeProvider, clock: Clock) -> Generate:
    return make_generation(aws, provider, clock)


def claimed(aws: Aws) -> Job:
    return aws.ledger.claim(make_job(estimate_usd=Decimal("0.15")))


def test_the_provider_is_asked_once_and_its_id_is_noted(
    aws: Aws, generation: Generate, provider: FakeProvider
) -> None:
    job = claimed(aws)
    provider.submit_answers = [Accepted("p-1")]
    assert generation.run(job.job_id)["outcome"] == "accepted"
    held = aws.ledger.require(job.job_id)
    assert (held.state, held.provider_job_id) == (State.SUBMITTED, "p-1")
    assert held.deadline_at == "2026-11-20T10:30:00.000Z"


def test_the_first_wait_follows_from_how_long_such_jobs_took(
    aws: Aws, generation: Generate, provider: FakeProvider
) -> None:
    for _ in range(40):
        MeasuredRuntimes(aws.table).note(Kind("luma", "540p", "5s"), 295, 305)
    provider.submit_answers = [Accepted("p-1")]
    assert 150 < generation.run(claimed(aws).job_id)["wait_seconds"] < 295


def test_the_provider_gets_the_pinned_image_by_a_signed_address(
    aws: Aws, generation: Generate, provider: FakeProvider
) -> None:
    provider.submit_answers = [Accepted("p-1")]
    generation.run(claimed(aws).job_id)
    (request,) = provider.requests
    assert "/sources/0123456789abcdef01234567.jpg?" in request.image_url
    assert request.image_url.startswith("https://")
    assert (request.prompt, request.aspect_ratio) == ("slow push-in", "16:9")


def test_asking_again_after_acceptance_asks_nobody(
    aws: Aws, generation: Generate, provider: FakeProvider
) -> None:
    job = claimed(aws)
    provider.submit_answers = [Accepted("p-1")]
    generation.run(job.job_id)
    assert generation.run(job.job_id)["outcome"] == "accepted"
    assert len(provider.requests) == 1


def test_a_busy_provider_is_asked_again_after_its_time(
    aws: Aws, generation: Generate, provider: FakeProvider
) -> None:
    job = claimed(aws)
    provider.submit_answers = [BUSY, Accepted("p-1")]
    assert generation.run(job.job_id) == {
        "outcome": "wait",
        "wait_seconds": 7,
        "state": "claimed",
    }
    assert generation.run(job.job_id, tries=1)["outcome"] == "accepted"
    assert aws.ledger.require(job.job_id).failure == {}


def test_a_provider_that_stays_busy_ends_the_job_unpaid(
    aws: Aws, generation: Generate, provider: FakeProvider
) -> None:
    job = claimed(aws)
    provider.submit_answers = [BUSY]
    assert generation.run(job.job_id, tries=MAX_TRIES)["state"] == "refused"
    assert aws.ledger.require(job.job_id).failure["kind"] == "throttled"


@pytest.mark.parametrize(
    ("answer", "state", "kind", "outcome"),
    [
        (REFUSED, State.REFUSED, "moderated", "ended"),
        (UNKNOWN, State.UNKNOWN, "lost_answer", "search"),
    ],
)
def test_an_end_is_noted_with_its_reason_and_never_asked_again(
    aws: Aws,
    generation: Generate,
    provider: FakeProvider,
    answer: SubmitOutcome,
    state: State,
    kind: str,
    outcome: str,
) -> None:
    job = claimed(aws)
    provider.submit_answers = [answer]
    assert generation.run(job.job_id)["outcome"] == outcome
    assert generation.run(job.job_id)["outcome"] == outcome
    held = aws.ledger.require(job.job_id)
    assert (held.state, held.failure["kind"]) == (state, kind)
    assert len(provider.requests) == 1


def test_a_step_that_died_during_the_post_is_never_repeated(
    aws: Aws, generation: Generate, provider: FakeProvider
) -> None:
    job = claimed(aws)
    provider.submit_answers = [RuntimeError("killed")]
    with pytest.raises(RuntimeError, match="killed"):
        generation.run(job.job_id)
    again = generation.run(job.job_id)
    assert again == {"outcome": "search", "wait_seconds": 90}
    assert len(provider.requests) == 1


def test_a_late_answer_is_noted_even_after_the_job_was_given_up(
    aws: Aws, generation: Generate, provider: FakeProvider
) -> None:
    job = claimed(aws)

    class Slow(FakeProvider):
        def submit(self, request: object) -> SubmitOutcome:
            held = aws.ledger.require(job.job_id)
            aws.ledger.move(held, State.UNKNOWN)
            return Accepted("p-late")

    generation._provider = lambda _: Slow()
    assert generation.run(job.job_id)["outcome"] == "accepted"
    assert aws.ledger.require(job.job_id).provider_job_id == "p-late"


def test_a_slot_that_cannot_be_given_back_fails_no_job(
    aws: Aws, generation: Generate, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException"}}, "UpdateItem")

    monkeypatch.setattr(Slots, "back_off", broken)
    provider.submit_answers = [Busy(Failure(FailureKind.THROTTLED, "too many"), 5)]
    assert generation.run(claimed(aws).job_id)["outcome"] == "wait"
