from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropreel.clips.addresses import ImageAddresses
from dropreel.errors import AddressTooShortError, ContentionError
from dropreel.jobs.failure import FailureKind
from dropreel.jobs.job import State
from dropreel.ledger.runtimes import MeasuredRuntimes
from dropreel.ledger.slots import Slots
from dropreel.providers.base import Accepted, Busy, Failure, Refused, SubmitOutcome, Unknown
from dropreel.steps.generate import Generate
from dropreel.waiting.runtimes import JobKind
from local.faults.services import IMAGE_READER, Sts
from tests.support.aws import Aws, Clock, FakeProvider
from tests.support.calls import failure_of, generate
from tests.support.generating import claimed, make_generation

BUSY = Busy(Failure(FailureKind.THROTTLED, "too many jobs", http_status=429), retry_after=7.0)
REFUSED = Refused(Failure(FailureKind.MODERATED, "not this"))
UNKNOWN = Unknown(Failure(FailureKind.UNEXPECTED, "read timed out"))


@pytest.fixture
def generation(aws: Aws, provider: FakeProvider, clock: Clock) -> Generate:
    return make_generation(aws, provider, clock)


def test_the_clip_is_ordered_once_and_the_id_of_the_order_is_noted(
    aws: Aws, generation: Generate, provider: FakeProvider
) -> None:
    job = claimed(aws)
    provider.submit_answers = [Accepted("p-1")]
    assert generate(generation, job.job_id)["outcome"] == "accepted"
    held = aws.ledger.require(job.job_id)
    assert (held.state, held.provider_job_id) == (State.SUBMITTED, "p-1")
    assert held.deadline_at == "2026-11-20T10:30:00.000Z"


def test_the_first_wait_follows_from_how_long_such_jobs_took(
    aws: Aws, generation: Generate, provider: FakeProvider
) -> None:
    for _ in range(40):
        MeasuredRuntimes(aws.table).note(JobKind("luma", "540p", "5s"), 295, 305)
    provider.submit_answers = [Accepted("p-1")]
    assert 150 < generate(generation, claimed(aws).job_id)["wait_seconds"] < 295


def test_the_provider_gets_the_pinned_image_by_a_signed_address(
    aws: Aws, generation: Generate, provider: FakeProvider
) -> None:
    provider.submit_answers = [Accepted("p-1")]
    generate(generation, claimed(aws).job_id)
    (request,) = provider.requests
    assert "/sources/0123456789abcdef01234567.jpg?" in request.image_url
    assert request.image_url.startswith("https://")
    assert (request.prompt, request.aspect_ratio) == ("slow push-in", "16:9")


def test_generating_again_after_acceptance_orders_nothing(
    aws: Aws, generation: Generate, provider: FakeProvider
) -> None:
    job = claimed(aws)
    provider.submit_answers = [Accepted("p-1")]
    generate(generation, job.job_id)
    assert generate(generation, job.job_id)["outcome"] == "accepted"
    assert len(provider.requests) == 1


def test_an_order_that_met_a_busy_provider_is_sent_again_after_its_time(
    aws: Aws, generation: Generate, provider: FakeProvider
) -> None:
    job = claimed(aws)
    provider.submit_answers = [BUSY, Accepted("p-1")]
    assert generate(generation, job.job_id) == {
        "outcome": "wait",
        "wait_seconds": 7,
        "state": "claimed",
    }
    assert generate(generation, job.job_id, tries=1)["outcome"] == "accepted"
    assert failure_of(aws.ledger.require(job.job_id)) == {}


def test_a_provider_that_stays_busy_for_a_day_ends_the_job_unpaid(
    aws: Aws, generation: Generate, provider: FakeProvider, clock: Clock
) -> None:
    job = claimed(aws)
    provider.submit_answers = [BUSY, BUSY]
    clock.pass_time(hours=23, minutes=59)
    assert generate(generation, job.job_id, tries=300)["outcome"] == "wait"
    clock.pass_time(minutes=1)
    assert generate(generation, job.job_id, tries=301)["state"] == "refused"
    assert failure_of(aws.ledger.require(job.job_id))["kind"] == "throttled"


@pytest.mark.parametrize(
    ("answer", "state", "kind", "outcome"),
    [
        (REFUSED, State.REFUSED, "moderated", "ended"),
        (UNKNOWN, State.UNKNOWN, "lost_answer", "search"),
    ],
)
def test_an_end_is_noted_with_its_reason_and_never_ordered_again(
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
    assert generate(generation, job.job_id)["outcome"] == outcome
    assert generate(generation, job.job_id)["outcome"] == outcome
    held = aws.ledger.require(job.job_id)
    assert (held.state, failure_of(held)["kind"]) == (state, kind)
    assert len(provider.requests) == 1


def test_a_step_that_died_during_the_post_is_never_repeated(
    aws: Aws, generation: Generate, provider: FakeProvider
) -> None:
    job = claimed(aws)
    provider.submit_answers = [RuntimeError("killed")]
    with pytest.raises(RuntimeError, match="killed"):
        generate(generation, job.job_id)
    again = generate(generation, job.job_id)
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

    slow = replace(generation, provider=lambda _: Slow())
    assert generate(slow, job.job_id)["outcome"] == "accepted"
    assert aws.ledger.require(job.job_id).provider_job_id == "p-late"


@pytest.mark.parametrize(
    "trouble",
    [
        ContentionError("the ledger is busy"),
        ClientError({"Error": {"Code": "InternalServerError"}}, "UpdateItem"),
    ],
    ids=["contention", "aws"],
)
def test_a_slot_that_cannot_be_given_back_fails_no_job(
    aws: Aws,
    generation: Generate,
    provider: FakeProvider,
    trouble: Exception,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise trouble

    for name in ("release", "back_off"):
        monkeypatch.setattr(Slots, name, refuse)
    busy = Busy(Failure(FailureKind.THROTTLED, "too many", retryable=True, billed=False), 5)
    refusal = Refused(Failure(FailureKind.MODERATED, "no", billed=False))
    provider.submit_answers = [busy, refusal]
    job = claimed(aws)
    assert generate(generation, job.job_id)["outcome"] == "wait"
    assert generate(generation, job.job_id, tries=1) == {"outcome": "ended", "state": "refused"}


def test_without_an_address_that_lives_long_enough_nothing_is_ordered(
    aws: Aws, generation: Generate, provider: FakeProvider, clock: Clock
) -> None:
    job = claimed(aws)
    sts: Any = Sts(clock)
    signs = ImageAddresses(sts, IMAGE_READER, "clips", lambda _: aws.s3, clock)
    behind = replace(signs, now=lambda: clock() + timedelta(minutes=5))
    unable = replace(signs, role="arn:aws:iam::111122223333:role/gone")
    for addresses, error in ((behind, AddressTooShortError), (unable, ClientError)):
        with pytest.raises(error):
            generate(replace(generation, addresses=addresses), job.job_id)
    held = aws.ledger.require(job.job_id)
    assert (held.state, held.reservation, provider.requests) == (State.CLAIMED, None, [])
    provider.submit_answers = [Accepted("p-1")]
    assert generate(generation, job.job_id)["outcome"] == "accepted"
