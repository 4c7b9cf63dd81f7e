"""An operator starts a job again that ended unpaid: the same files, without another upload."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from decimal import Decimal

import pytest

from dropreel.errors import OperatorError
from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import Job, State
from dropreel.steps.retry import Retry
from tests.support.aws import Aws, Clock, make_job
from tests.support.container import FakeContainer
from tests.support.pictures import picture

OVER_CAP = JobFailure.of(FailureKind.OVER_CAP, "over the cap of the day")


@pytest.fixture
def retry(aws: Aws, clock: Clock) -> Retry:
    return FakeContainer(aws, clock).step(Retry)


def refused(aws: Aws, **fields: object) -> Job:
    """A job that was refused for a cap, and whose mail was sent; its image lies in the inbox."""
    etag = aws.s3.put_object(Bucket="inbox", Key=make_job().source.key, Body=picture())["ETag"]
    source = replace(make_job().source, etag=etag)
    job = aws.ledger.claim(make_job(**{"source": source, "created_at": "2026-11-19", **fields}))
    job = aws.ledger.move(job, State.REFUSED, failure=OVER_CAP)
    aws.send_once.end(job.mail_id, "2026-11-20T09:00:00.000Z")
    return job


def test_a_refused_job_gets_its_next_run_with_todays_price(
    aws: Aws, retry: Retry, clock: Clock
) -> None:
    ended = refused(aws, estimate_usd=Decimal("9.99"), priority="high")
    again = retry.handle(ended.job_id)
    held = aws.ledger.require(ended.job_id)
    assert held == again
    assert (held.state, held.run, held.priority) == (State.CLAIMED, 2, "high")
    assert held.estimate_usd != ended.estimate_usd
    assert (held.settings, held.source, held.failure) == (ended.settings, ended.source, None)
    (execution,) = aws.executions()
    given = aws.workflow.describe_execution(executionArn=execution["executionArn"])["input"]
    assert (execution["name"], json.loads(given)["run"]) == (held.execution_name, 2)


def test_the_copy_of_the_image_is_made_anew_where_it_has_expired(aws: Aws, retry: Retry) -> None:
    job = refused(aws)
    retry.handle(job.job_id)
    assert aws.stored("sources/") == [job.source.pinned_key]


def test_without_copy_and_image_the_files_have_to_be_dropped_again(aws: Aws, retry: Retry) -> None:
    job = refused(aws)
    aws.s3.delete_object(Bucket="inbox", Key=job.source.key)
    with pytest.raises(OperatorError, match="is gone: drop"):
        retry.handle(job.job_id)
    assert aws.ledger.require(job.job_id) == job


def with_a_reference(aws: Aws) -> Job:
    look = picture(40, 40, "PNG")
    aws.s3.put_object(Bucket="inbox", Key="campaign/look.png", Body=look)
    pinned = f"sources/{hashlib.sha256(look).hexdigest()}.png"
    settings = replace(make_job().settings, reference_image_urls=(pinned,))
    given = {"references": {pinned: "/campaign/look.png"}, "advice": ("a tip",), "group_take": 2}
    return refused(aws, settings=settings, **given)


def test_references_go_along_and_are_copied_anew_where_the_copy_has_expired(
    aws: Aws, retry: Retry
) -> None:
    job = with_a_reference(aws)
    again = retry.handle(job.job_id)
    assert (again.references, again.advice) == (job.references, job.advice)
    assert again.clip_name == job.clip_name
    assert set(aws.stored("sources/")) == {job.source.pinned_key, *job.references}


@pytest.mark.parametrize("another", [None, picture(44, 44, "PNG")])
def test_a_reference_that_is_gone_or_another_image_now_is_not_replaced_in_silence(
    aws: Aws, retry: Retry, another: bytes | None
) -> None:
    job = with_a_reference(aws)
    aws.s3.delete_object(Bucket="inbox", Key="campaign/look.png")
    if another:
        aws.s3.put_object(Bucket="inbox", Key="campaign/look.png", Body=another)
    with pytest.raises(OperatorError, match=r"the reference image of job .* is gone: drop"):
        retry.handle(job.job_id)
    assert aws.ledger.require(job.job_id) == job


def test_what_may_have_been_paid_is_not_started_again(aws: Aws, retry: Retry) -> None:
    job = aws.ledger.move(aws.ledger.claim(make_job()), State.SUBMITTING, asked_at="now")
    job = aws.ledger.move(job, State.SUBMITTED, provider_job_id="p-1")
    perhaps = JobFailure(FailureKind.TRANSIENT, "no worker", billed=None)
    job = aws.ledger.move(job, State.FAILED, failure=perhaps)
    aws.send_once.end(job.mail_id, "2026-11-20T09:00:00.000Z")
    with pytest.raises(OperatorError, match=r'may have been paid\. Set "take": 2'):
        retry.handle(job.job_id)
    assert aws.ledger.require(job.job_id) == job


def test_what_has_not_ended_is_not_started_again(aws: Aws, retry: Retry) -> None:
    job = aws.ledger.claim(make_job())
    with pytest.raises(OperatorError, match="it is claimed"):
        retry.handle(job.job_id)


def test_a_job_whose_mail_is_still_to_be_sent_is_not_started_again(aws: Aws, retry: Retry) -> None:
    job = aws.ledger.move(aws.ledger.claim(make_job()), State.REFUSED, failure=OVER_CAP)
    with pytest.raises(OperatorError, match="Try again in a minute"):
        retry.handle(job.job_id)


def test_a_job_whose_files_were_replaced_is_not_started_again(aws: Aws, retry: Retry) -> None:
    job = refused(aws)
    key = retry.newest.of(job.source).key
    aws.table.put(key, {"job_1": "f" * 24, "image": "x", "sidecar": "y"})
    with pytest.raises(OperatorError, match=f"newer files of its image are job {'f' * 24}"):
        retry.handle(job.job_id)


def test_a_provider_that_is_not_in_use_any_more_gets_no_job(aws: Aws, retry: Retry) -> None:
    job = refused(aws, provider="eachlabs")
    with pytest.raises(OperatorError, match="eachlabs is not in use"):
        retry.handle(job.job_id)


def test_of_two_who_start_a_job_again_one_does(
    aws: Aws, retry: Retry, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = refused(aws)
    retry.handle(ended.job_id)
    clock.pass_time(seconds=1)
    monkeypatch.setattr(Retry, "plan", lambda self, _: self._next_run(ended))
    with pytest.raises(OperatorError, match="just been started by somebody else"):
        retry.handle(ended.job_id)
    assert (len(aws.executions()), aws.ledger.require(ended.job_id).run) == (1, 2)


def test_a_job_that_has_moved_begins_again_at_its_first_provider(aws: Aws, retry: Retry) -> None:
    job = refused(aws, provider="fal", first_provider="luma")
    assert (retry.plan(job.job_id).provider, retry.plan(job.job_id).first_provider) == ("luma", "")
