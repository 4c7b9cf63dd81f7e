"""Clips that arrive: stored, recorded and mailed once, whatever is repeated."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from dropreel.errors import LedgerConflictError, MailBusyError
from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import ClipInfo, Source, State
from dropreel.mail.once import LEASE_S
from dropreel.mail.publisher import Publisher
from dropreel.observability import metrics
from dropreel.pages.tokens import PageKind, Token
from dropreel.providers.base import Failed, Failure, Ready, StatusOutcome
from dropreel.steps.outcomes import FinalizeEvent
from tests.support.aws import make_job
from tests.support.stage import (
    CLIP_KEY,
    EXECUTIONS,
    READY,
    SIGNED,
    Stage,
    execution_of,
    linking,
)

# --- delivered -------------------------------------------------------------------------------


def test_a_ready_clip_is_stored_and_mailed_once(stage: Stage, clip: bytes) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY]
    assert stage.finish(job) == {"outcome": "delivered", "state": "delivered", "clip": CLIP_KEY}
    stored = stage.aws.s3.get_object(Bucket="clips", Key=CLIP_KEY)
    assert stored["Body"].read() == clip
    assert stored["ContentType"] == "video/mp4"
    assert stored["ContentDisposition"].startswith('inline; filename="photo.mp4"')
    assert stored["Metadata"] == {"job-id": job.job_id, "provider": "luma"}
    ((mail,), operators) = stage.mails()
    assert (mail["outcome"], mail["clip"]) == ("delivered", f"s3://clips/{CLIP_KEY}")
    assert mail["cost_usd"] == "0.19"
    assert operators == []


@pytest.mark.parametrize(("days", "words"), [(7, "for 7 days"), (1, "for 1 day")])
def test_the_mail_links_to_the_page_of_the_clip(stage: Stage, days: int, words: str) -> None:
    stage.step = linking(stage, days)
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY]
    stage.finish(job)
    ((mail,), _) = stage.mails()
    link = mail["page"]
    end = stage.clock().timestamp() + days * 86400 - 1
    assert link in mail["text"]
    assert f"{words}, without signing in" in mail["text"]
    assert "console (you have to sign in)" not in mail["text"]
    token = Token.read(link.removeprefix("https://pages.example/"), end, b"s" * 64)
    assert (token.kind, token.ids) == (PageKind.JOB, (job.job_id,))


def test_the_mail_links_to_the_console_while_the_key_of_links_cannot_be_read(stage: Stage) -> None:
    stage.step = linking(stage)
    stage.aws.secrets.value = None
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY]
    assert stage.finish(job)["outcome"] == "delivered"
    ((mail,), _) = stage.mails()
    assert mail["page"] is None
    assert "console (you have to sign in)" in mail["text"]


def test_the_ledger_keeps_the_clips_facts_its_delivery_time_and_its_cost(
    stage: Stage, clip: bytes
) -> None:
    job = stage.job(State.READY)
    stage.clock.pass_time(minutes=2)
    stage.provider.status_answers = [READY]
    stage.finish(job)
    held = stage.held()
    assert held.state is State.DELIVERED
    assert held.clip == ClipInfo(5, 960, 540, len(clip), hashlib.sha256(clip).hexdigest())
    assert held.delivered_at == "2026-11-20T09:32:00.000Z"
    assert held.cost_usd == Decimal("0.19")


def test_a_price_known_from_polling_stays_when_the_last_answer_has_none(stage: Stage) -> None:
    job = stage.job(State.READY, cost_usd=Decimal("0.50"))
    stage.provider.status_answers = [Ready(SIGNED)]
    stage.finish(job)
    assert (stage.held().cost_usd, stage.committed()) == (Decimal("0.50"), {Decimal("0.50")})


@pytest.mark.parametrize(
    ("status", "committed"),
    [
        (READY, "0.19"),
        (Ready(SIGNED), "0.15"),
        (Failed(Failure(FailureKind.TRANSIENT, "no", billed=False)), "0.15"),
        (Failed(Failure(FailureKind.TRANSIENT, "no", billed=None)), "0.15"),
        (Failed(Failure(FailureKind.TRANSIENT, "no", billed=True)), "0.15"),
    ],
    ids=[
        "real price",
        "no price",
        "said to be free, after it was ready",
        "perhaps billed",
        "billed",
    ],
)
def test_the_budget_holds_what_the_job_has_cost_at_its_end(
    stage: Stage, status: StatusOutcome, committed: str
) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [status]
    stage.finish(job)
    assert stage.committed() == {Decimal(committed)}


def test_a_clip_is_counted_when_it_is_delivered(stage: Stage) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY]
    stage.finish(job)
    stage.finish(job)
    counted = {name: metric["Value"] for name, metric in metrics.provider.metric_set.items()}
    assert counted == {"ClipDelivered": [1.0], "SecondsToClip": [60.0]}


def test_the_headers_of_the_result_are_sent_with_its_download(stage: Stage) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY]
    stage.finish(job)
    (fetch,) = stage.cdn.fetches
    assert (str(fetch.url), fetch.headers["authorization"]) == (SIGNED, "Bearer k3y-of-luma")


# --- again and again -------------------------------------------------------------------------


def test_finalizing_twice_fetches_stores_and_mails_once(stage: Stage) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY]
    first = stage.finish(job)
    written = stage.aws.s3.head_object(Bucket="clips", Key=CLIP_KEY)["LastModified"]
    assert stage.finish(job) == first
    assert stage.aws.s3.head_object(Bucket="clips", Key=CLIP_KEY)["LastModified"] == written
    assert len(stage.cdn.fetches) == 1
    assert len(stage.mails()[0]) == 1


def test_after_a_crash_between_storing_and_the_ledger_the_next_run_delivers_once(
    stage: Stage, clip: bytes
) -> None:
    def die() -> datetime:
        raise ConnectionError("the process died")

    job = stage.job(State.READY)
    stage.provider.status_answers = [READY, READY]
    with pytest.raises(ConnectionError):
        stage.build(now=die).handle(FinalizeEvent(job.job_id, execution_of(job))).payload()
    assert stage.aws.stored("clips/") == [CLIP_KEY]
    assert (stage.held(), stage.mails()) == (job, ([], []))
    assert stage.finish(job)["outcome"] == "delivered"
    assert stage.aws.s3.get_object(Bucket="clips", Key=CLIP_KEY)["Body"].read() == clip
    assert len(stage.mails()[0]) == 1


def test_a_mail_that_could_not_be_sent_is_sent_by_the_next_run(stage: Stage) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY]
    with pytest.raises(ClientError, match="NotFound"):
        stage.without_mail().handle(FinalizeEvent(job.job_id, execution_of(job))).payload()
    assert (stage.held().state, stage.mails()) == (State.DELIVERED, ([], []))
    stage.clock.pass_time(seconds=LEASE_S + 1)
    for _ in range(2):
        assert stage.finish(job)["outcome"] == "delivered"
    assert len(stage.mails()[0]) == 1
    assert len(stage.cdn.fetches) == 1


def test_a_failing_operators_topic_repeats_no_mail_to_the_droppers(stage: Stage) -> None:
    job = stage.job(State.STALLED, failure=JobFailure(FailureKind.DEADLINE, "x"))
    gone = Publisher(stage.aws.operators.sns, f"{stage.aws.operators.topic_arn}-gone")
    for _ in range(2):
        with pytest.raises(ClientError, match="NotFound"):
            stage.build(operators=gone).handle(
                FinalizeEvent(job.job_id, execution_of(job))
            ).payload()
        stage.clock.pass_time(seconds=LEASE_S + 1)
    for _ in range(2):
        stage.finish(job)
    results, operators = stage.mails()
    assert (len(results), len(operators)) == (1, 1)


def test_while_another_run_sends_the_mail_this_one_raises_to_be_retried(stage: Stage) -> None:
    job = stage.job(State.REFUSED, failure=JobFailure(FailureKind.MODERATED, "no"))
    with pytest.raises(ClientError, match="NotFound"):
        stage.without_mail().handle(FinalizeEvent(job.job_id, f"{EXECUTIONS}:another")).payload()
    with pytest.raises(MailBusyError, match=job.job_id):
        stage.finish(job)
    assert stage.mails() == ([], [])
    stage.clock.pass_time(seconds=LEASE_S + 1)  # the other one has died
    assert stage.finish(job)["outcome"] == "ended"
    assert len(stage.mails()[0]) == 1


def test_an_unknown_job_is_an_error(stage: Stage) -> None:
    with pytest.raises(LedgerConflictError, match="not in the ledger"):
        stage.finish(make_job())


# --- what it is called with ------------------------------------------------------------------


def test_the_event_of_the_workflow_carries_run_polls_fetches_and_accident() -> None:
    event = {"job_id": "j", "execution_id": "e", "run": 2, "polls": 3, "fetches": 1}
    assert FinalizeEvent.of({**event, "accident": "Oops"}) == FinalizeEvent(
        "j", "e", 2, 3, 1, "Oops", late=False
    )


@pytest.mark.parametrize(
    ("status", "accident"),
    [
        ("ABORTED", "the workflow was aborted"),
        ("TIMED_OUT", "the workflow was timed out"),
        ("FAILED", "the workflow was failed"),
    ],
)
def test_the_event_of_a_closed_execution_is_a_late_accident(
    events: Path, status: str, accident: str
) -> None:
    event = json.loads((events / "execution-aborted.json").read_text())
    event["detail"]["status"] = status
    execution = event["detail"]["executionArn"]
    job_id = "0123456789abcdef01234567"
    assert FinalizeEvent.of(event) == FinalizeEvent(job_id, execution, accident=accident, late=True)
    event["detail"]["input"] = json.dumps({"job_id": "j", "run": 2, "image": "a.jpg"})
    assert FinalizeEvent.of(event) == FinalizeEvent("j", execution, 2, accident=accident, late=True)


def test_an_aborted_execution_is_mailed_once(stage: Stage, events: Path) -> None:
    ending = FinalizeEvent.of(json.loads((events / "execution-aborted.json").read_text()))
    source = Source("inbox", "campaign/lighthouse.jpg", '"e"', "image/jpeg", 8, 8, "sources/x.jpg")
    job = stage.aws.ledger.claim(make_job(job_id=ending.job_id, source=source))
    assert ending.execution_id.endswith(f":{job.execution_name}")
    for _ in range(2):
        assert stage.step.handle(ending).payload()["cause"] == "the workflow was aborted"
    ((mail,), (note,)) = stage.mails()
    assert mail["outcome"] == note["outcome"] == "refused"
