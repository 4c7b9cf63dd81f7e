"""What an operator does to jobs with the command: pause, cancel, resume, retry."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import Attempt, Job, State, utc_iso
from dropreel.providers.base import Failure, NoAnswer, Pending, Phase
from tests.support.aws import Aws, Clock, FakeProvider, make_job
from tests.support.desk import Terminal, claimed, lost

pytestmark = pytest.mark.usefixtures("today")

RUNNING = Pending(Phase.RUNNING, "processing")


# --- pause ---------------------------------------------------------------------------------------


def test_orders_are_paused_and_go_on_and_who_did_it_is_told(aws: Aws, terminal: Terminal) -> None:
    said = terminal.run("pause", "--reason", "prices", "--json").json
    assert (said["paused"], said["by"], said["reason"]) == (True, "user/ann", "prices")
    assert "were paused already" in terminal.run("pause").out
    assert "The pause has ended. In line: 0 jobs." in terminal.run("unpause", "--yes").out
    assert terminal.run("unpause").out == "Orders were not paused.\n"
    assert [mail["alert"] for mail in aws.operators.take()] == ["paused", "unpaused"]


def test_what_may_cost_money_is_asked_and_without_a_terminal_refused(terminal: Terminal) -> None:
    terminal.run("pause")
    said = terminal.run("unpause")
    assert said.code == 2
    assert said.err == (
        "dropreel: 0 jobs in line will be ordered, and paid. End the pause? Add --yes to agree "
        "where nobody can be asked.\n"
    )
    assert terminal.run("watch", "--json").json["paused_since"]


# --- cancel --------------------------------------------------------------------------------------


def test_a_job_in_line_is_cancelled_and_its_money_told(
    aws: Aws, clock: Clock, terminal: Terminal
) -> None:
    job = claimed(aws, clock)
    (said,) = terminal.run("cancel", "photo.jpg", "--json", "--wait", "0").json["jobs"]
    assert (said["was"], said["money"]) == ("claimed", "nothing was ordered")
    assert aws.ledger.require(job.job_id).cancel_requested
    assert "being cancelled" in terminal.run("show", "photo.jpg").out


def test_after_the_order_it_is_said_what_may_be_billed(
    aws: Aws, clock: Clock, terminal: Terminal, provider: FakeProvider
) -> None:
    job = claimed(aws, clock)
    job = aws.ledger.move(job, State.SUBMITTING, asked_at=utc_iso(clock()))
    aws.ledger.move(job, State.SUBMITTED, provider_job_id="p-1")
    asked = terminal.run("cancel", "photo.jpg")
    assert (asked.code, provider.cancelled) == (2, [])
    assert "1 of 1 is ordered already" in asked.err
    said = terminal.run("cancel", "photo.jpg", "--yes", "--wait", "0")
    assert "luma was asked to stop; it may still charge" in said.out
    assert provider.cancelled == ["p-1"]


def test_what_cannot_be_cancelled_is_told_and_the_exit_code_says_so(
    aws: Aws, clock: Clock, terminal: Terminal
) -> None:
    aws.ledger.move(claimed(aws, clock), State.REFUSED)
    said = terminal.run("cancel", "photo.jpg")
    assert (said.code, "it is refused already" in said.out) == (1, True)


# --- resume --------------------------------------------------------------------------------------


def test_resuming_an_unknown_payment_needs_exactly_one_answer(
    aws: Aws, clock: Clock, terminal: Terminal
) -> None:
    lost(aws, clock)
    for words in ([], ["--order", "p-1", "--nothing-made"]):
        assert terminal.run("resume", "photo.jpg", *words).code == 2
    assert aws.executions() == []


def test_an_order_that_the_provider_does_not_know_starts_nothing(
    aws: Aws, clock: Clock, terminal: Terminal, provider: FakeProvider
) -> None:
    lost(aws, clock)
    provider.status_answers = [NoAnswer(Failure(FailureKind.UNEXPECTED, "", http_status=404))]
    said = terminal.run("resume", "photo.jpg", "--order", "wrong")
    assert said.err == "dropreel: luma knows no job wrong; nothing was changed\n"
    assert (said.code, aws.executions()) == (2, [])


def test_an_order_of_another_job_is_not_taken_for_this_one(
    aws: Aws, clock: Clock, terminal: Terminal
) -> None:
    """The provider is not even asked: it would say that the order is its own."""
    source = replace(make_job().source, key="a/other.jpg")
    other = claimed(aws, clock, job_id="0" * 24, source=source)
    other = aws.ledger.move(other, State.SUBMITTING, asked_at=utc_iso(clock()))
    aws.ledger.move(other, State.SUBMITTED, provider_job_id="p-1")
    job = lost(aws, clock)
    said = terminal.run("resume", "campaign/photo.jpg", "--order", "p-1")
    assert said.err == "dropreel: p-1 is the order of 00000000 a/other.jpg; nothing was changed\n"
    assert (said.code, aws.executions()) == (2, [])
    aws.ledger.move(job, State.SUBMITTED, provider_job_id="p-2", order_named="p-2")
    assert terminal.run("resume", "campaign/photo.jpg", "--order", "p-1").code == 2


def test_an_order_of_an_earlier_attempt_of_another_job_is_its_own(
    aws: Aws, clock: Clock, terminal: Terminal
) -> None:
    attempt = Attempt("luma", utc_iso(clock()), provider_job_id="p-1")
    claimed(aws, clock, job_id="0" * 24, provider="fal", attempts=(attempt,))
    lost(aws, clock)
    said = terminal.run("resume", make_job().job_id, "--order", "p-1")
    assert (said.code, "is the order of 00000000" in said.err) == (2, True)


def test_the_named_order_is_passed_to_the_workflow(
    aws: Aws, clock: Clock, terminal: Terminal, provider: FakeProvider
) -> None:
    job = lost(aws, clock)
    provider.status_answers = [RUNNING]
    said = terminal.run("resume", "photo.jpg", "--order", "p-9", "--wait", "0")
    assert (said.code, "photo.jpg: payment unknown at luma" in said.out) == (0, True)
    (execution,) = aws.executions()
    given = aws.workflow.describe_execution(executionArn=execution["executionArn"])["input"]
    assert (json.loads(given)["job_id"], json.loads(given)["resume"]) == (
        job.job_id,
        {"provider_job_id": "p-9"},
    )


def test_who_may_not_read_the_keys_leaves_the_check_of_the_order_to_the_stack(
    aws: Aws, clock: Clock, terminal: Terminal
) -> None:
    lost(aws, clock)
    aws.secrets.value = None
    said = terminal.run("resume", "photo.jpg", "--order", "p-9", "--wait", "0")
    assert (said.code, "the stack checks the ID" in said.out) == (0, True)
    assert len(aws.executions()) == 1


# --- retry ---------------------------------------------------------------------------------------


def refused(aws: Aws, clock: Clock, kind: FailureKind = FailureKind.OVER_CAP) -> Job:
    job = claimed(aws, clock)
    job = aws.ledger.move(job, State.REFUSED, failure=JobFailure.of(kind, "too much"))
    aws.send_once.end(job.mail_id, "2026-11-20T09:00:00.000Z")
    aws.s3.put_object(Bucket="clips", Key=job.source.pinned_key, Body=b"image")
    return job


def test_all_that_a_cap_has_refused_starts_again(
    aws: Aws, clock: Clock, terminal: Terminal
) -> None:
    job = refused(aws, clock)
    none = terminal.run("retry", "--refused", "moderated", "--yes")
    words = "no job of the last 7 days was refused as moderated"
    assert (none.code, none.err) == (2, f"dropreel: {words}\n")
    (said,) = terminal.run("retry", "--refused", "over_cap", "--yes", "--json").json["jobs"]
    assert (said["job_id"], said["run"]) == (job.job_id, 2)
    assert aws.ledger.require(job.job_id).state is State.CLAIMED


def test_a_retry_says_what_it_may_cost_and_asks(aws: Aws, clock: Clock, terminal: Terminal) -> None:
    refused(aws, clock)
    said = terminal.run("retry", "photo.jpg")
    assert (said.code, "Start 1 job, for about $" in said.err) == (2, True)


def test_what_cannot_be_started_is_told(aws: Aws, clock: Clock, terminal: Terminal) -> None:
    claimed(aws, clock)
    said = terminal.run("retry", "photo.jpg", "--yes")
    assert (said.code, "cannot be started again: it is claimed" in said.out) == (1, True)
