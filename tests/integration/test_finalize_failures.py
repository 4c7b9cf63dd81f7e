"""Clips that do not arrive, or not at once: retried, given up, mailed."""

from __future__ import annotations

import json
from decimal import Decimal

import httpx
import pytest

from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import ENDS, State, utc_iso
from dropreel.providers.base import Failed, Failure, NoAnswer, Pending, Phase, Ready
from dropreel.steps.finalize import MAX_FETCHES, NO_VIDEO_AFTER
from dropreel.steps.outcomes import FinalizeEvent
from tests.support.aws import make_job
from tests.support.mp4 import mp4
from tests.support.stage import (
    CLIP_KEY,
    EXECUTIONS,
    LIMIT,
    READY,
    RECORD_KEY,
    Answer,
    Stage,
    execution_of,
    file,
)

# --- not yet, or not at all ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Pending(Phase.RUNNING, "processing"), "processing"),
        (NoAnswer(Failure(FailureKind.TRANSIENT, "HTTP 502")), "HTTP 502"),
    ],
    ids=["pending", "no answer"],
)
def test_a_clip_that_is_not_ready_after_all_is_polled_a_limited_number_of_times(
    stage: Stage, status: Pending | NoAnswer, reason: str
) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [status, status]
    assert stage.finish(job) == {"outcome": "wait", "wait_seconds": 30}
    assert (stage.held(), stage.aws.stored(), stage.mails()) == (job, [], ([], []))
    assert stage.finish(job, fetches=MAX_FETCHES - 1)["error"] == "stalled.download"
    assert stage.held().failure == JobFailure(FailureKind.DOWNLOAD, reason)
    assert stage.cdn.fetches == []


def test_a_failure_reported_after_ready_stalls_the_job_and_frees_no_money(stage: Stage) -> None:
    job = stage.job(State.READY)
    failure = Failure(FailureKind.MODERATED, "flagged after all", code="nsfw", billed=False)
    stage.provider.status_answers = [Failed(failure)] * 2
    assert stage.finish(job) == {"outcome": "wait", "wait_seconds": 30}
    ended = stage.finish(job, fetches=MAX_FETCHES - 1)
    assert (ended["error"], ended["cause"]) == ("stalled.download", "flagged after all")
    assert stage.committed() == {Decimal("0.15")}
    ((mail,), (note,)) = stage.mails()
    assert mail["outcome"] == note["outcome"] == "stalled"
    assert "Nothing was paid" not in mail["text"]


def broken_line() -> httpx.Response:
    raise httpx.ConnectError("connection refused")


TROUBLES: dict[str, Answer] = {
    "expired": lambda: httpx.Response(403),
    "busy": lambda: httpx.Response(503, headers={"Retry-After": "9"}),
    "broken line": broken_line,
    "cut short": lambda: file(b"\0\0\0\x18ftypisom" * 9, announced=100_000),
    "cut short without a word": lambda: file(mp4(5.0, 64, 36)[:-100]),
    "empty": lambda: file(b""),
    "announced too large": lambda: file(b"", announced=LIMIT + 1),
    "too large": lambda: httpx.Response(200, content=iter([b"\0\0\0\x18ftypisom", bytes(LIMIT)])),
    "no video": lambda: file(b"<!doctype html><p>Sorry", "text/html"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_download_is_tried_five_times_with_growing_pauses(stage: Stage, trouble: str) -> None:
    job = stage.job(State.READY)
    stage.cdn.answer = TROUBLES[trouble]
    stage.provider.status_answers = [READY] * MAX_FETCHES
    answers = [stage.finish(job, fetches=number) for number in range(MAX_FETCHES)]
    assert answers[:-1] == [{"outcome": "wait", "wait_seconds": s} for s in (30, 60, 120, 240)]
    assert (answers[-1]["state"], answers[-1]["error"]) == ("stalled", "stalled.download")
    assert "5ec2e7" not in answers[-1]["cause"]
    assert len(stage.cdn.fetches) == MAX_FETCHES
    ((mail,), (note,)) = stage.mails()
    assert mail["outcome"] == note["outcome"] == "stalled"
    assert "operator needed (download)" in note["subject"]
    assert stage.aws.stored("clips/") == [RECORD_KEY]


def test_a_download_that_succeeds_after_a_failure_is_delivered(stage: Stage, clip: bytes) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY, READY]
    stage.cdn.answer = TROUBLES["busy"]
    assert stage.finish(job)["outcome"] == "wait"
    stage.cdn.answer = lambda: file(clip)
    assert stage.finish(job, fetches=1)["outcome"] == "delivered"
    assert len(stage.mails()[0]) == 1


def test_a_download_that_outlasts_the_run_stalls_the_job_and_alerts_operators(
    stage: Stage, clip: bytes
) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY]
    ending = FinalizeEvent(job.job_id, execution_of(job), job.run)
    assert stage.step.handle(ending, lambda: 10).payload()["error"] == "stalled.download"
    assert len(stage.cdn.fetches) == 1
    assert stage.aws.stored("clips/") == [RECORD_KEY]
    ((mail,), (note,)) = stage.mails()
    assert mail["outcome"] == note["outcome"] == "stalled"
    assert "too slowly" in mail["failure"]["message"]


def test_a_clip_that_was_too_slow_is_fetched_from_its_start_after_the_sweep_polls_again(
    stage: Stage, clip: bytes
) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY, READY]
    ending = FinalizeEvent(job.job_id, execution_of(job), job.run)
    assert stage.step.handle(ending, lambda: 10).payload()["outcome"] == "ended"
    for state in (State.SUBMITTED, State.READY):
        job = stage.aws.ledger.move(stage.held(), state)
    assert stage.finish(job)["outcome"] == "delivered"
    assert [fetch.headers.get("range") for fetch in stage.cdn.fetches] == [None, None]
    stored = stage.aws.s3.get_object(Bucket="clips", Key=CLIP_KEY)
    assert stored["Body"].read() == clip


OTHER_CLIPS: dict[str, tuple[tuple[float, int, int], str]] = {
    "another length": ((2.0, 64, 36), "ordered 5s, got 2.00 s"),
    "another shape": ((5.0, 36, 64), "ordered 16:9, got 36 x 64 pixels"),
}


@pytest.mark.parametrize("case", OTHER_CLIPS)
def test_a_video_that_differs_from_its_order_is_delivered_with_a_remark(
    stage: Stage, case: str
) -> None:
    made, remark = OTHER_CLIPS[case]
    stage.cdn.answer = lambda: file(mp4(*made))
    stage.provider.status_answers = [READY]
    assert stage.finish(stage.job(State.READY))["outcome"] == "delivered"
    assert stage.aws.s3.get_object(Bucket="clips", Key=CLIP_KEY)["Body"].read() == mp4(*made)
    assert stage.aws.read_json(RECORD_KEY)["remark"] == remark
    ((mail,), (note,)) = stage.mails()
    assert remark in mail["text"]
    assert remark in note["text"]
    assert mail["subject"] == "photo.jpg: your clip is ready"
    assert note["subject"] == "photo.jpg: the clip differs from the order"


def test_what_is_no_video_for_hours_fails_the_job_and_is_kept_in_quarantine(stage: Stage) -> None:
    job = stage.job(State.READY, ready_at=utc_iso(stage.clock() - NO_VIDEO_AFTER))
    page = b"<!doctype html><p>Sorry"
    stage.cdn.answer = lambda: file(page, "text/html")
    stage.provider.status_answers = [READY]
    ended = stage.finish(job)
    assert (ended["outcome"], ended["error"]) == ("ended", "failed.not_a_clip")
    kept = stage.aws.s3.get_object(Bucket="clips", Key=job.quarantine_key)
    assert (kept["Body"].read(), kept["ContentType"]) == (page, "application/octet-stream")
    ((mail,), (note,)) = stage.mails()
    assert "is not a video" in mail["text"]
    assert "a web page" in mail["failure"]["message"]
    assert f"s3://clips/{job.quarantine_key}" in note["text"]
    assert stage.committed() == {Decimal("0.15")}
    assert stage.aws.stored("clips/") == [RECORD_KEY]


def test_what_can_be_neither_checked_nor_kept_stalls_the_job(stage: Stage) -> None:
    job = stage.job(State.READY, ready_at=utc_iso(stage.clock() - NO_VIDEO_AFTER))
    answers = iter([file(b"<!doctype html><p>Sorry", "text/html"), httpx.Response(503)])
    stage.cdn.answer = lambda: next(answers)
    stage.provider.status_answers = [READY]
    assert stage.finish(job, fetches=MAX_FETCHES - 1)["error"] == "stalled.download"
    assert stage.aws.stored("quarantine/") == []


@pytest.mark.parametrize(
    "address",
    [
        "http://8.8.8.8/clip.mp4?sig=5ec2e7",
        "https://169.254.169.254/latest/meta-data?sig=5ec2e7",
        "https://user:5ec2e7@8.8.8.8/clip.mp4",
    ],
    ids=["not https", "not public", "with a password"],
)
def test_an_unsafe_address_is_not_fetched_and_looked_at_again(stage: Stage, address: str) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [Ready(address)] * 2
    assert stage.finish(job) == {"outcome": "wait", "wait_seconds": 30}
    ended = stage.finish(job, fetches=MAX_FETCHES - 1)
    assert (ended["state"], ended["error"]) == ("stalled", "stalled.unsafe_result")
    assert "5ec2e7" not in json.dumps([ended, stage.aws.read_json(RECORD_KEY)])
    assert stage.cdn.fetches == []
    ((mail,), (note,)) = stage.mails()
    assert mail["clip"] is None
    assert "operator needed (unsafe_result)" in note["subject"]
    assert stage.committed() == {Decimal("0.15")}


# --- accidents -------------------------------------------------------------------------------

AFTER = {
    State.CLAIMED: ("refused", "accident"),
    State.SUBMITTING: ("unknown", "lost_answer"),
    State.SUBMITTED: ("stalled", "accident"),
    State.RUNNING: ("stalled", "accident"),
    State.READY: ("stalled", "accident"),
}


@pytest.mark.parametrize("state", [state for state in State if state not in ENDS])
def test_an_accident_never_ends_a_possibly_paid_job_as_unpaid(stage: Stage, state: State) -> None:
    job = stage.job(state)
    ended = stage.finish(job, accident="States.Timeout", late=state is State.READY)
    end, kind = AFTER[state]
    assert ended == {
        "outcome": "ended",
        "state": end,
        "error": f"{end}.{kind}",
        "cause": "States.Timeout",
    }
    held = stage.held()
    assert (held.state, held.provider_job_id) == (State(end), job.provider_job_id)
    ((mail,), (note,)) = stage.mails()
    assert mail["outcome"] == note["outcome"] == end
    assert ("Nothing was paid" in mail["text"]) == (state is State.CLAIMED)
    assert stage.committed() == {Decimal(0) if state is State.CLAIMED else Decimal("0.15")}
    assert stage.cdn.fetches == []


def test_a_ready_clip_is_delivered_despite_an_accident_in_the_workflow(
    stage: Stage,
) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY]
    assert stage.finish(job, accident="States.Timeout")["outcome"] == "delivered"
    assert stage.mails()[1] == []


def test_a_workflow_that_ends_before_the_job_does_is_an_accident(stage: Stage) -> None:
    ended = stage.finish(stage.job(State.SUBMITTED))
    assert ended["error"] == "stalled.accident"
    assert ended["cause"] == "the workflow ended too early"


@pytest.mark.parametrize(
    ("state", "failure", "error", "cause"),
    [
        (State.REFUSED, JobFailure(FailureKind.BAD_INPUT, "x"), "refused.bad_input", "x"),
        (State.UNKNOWN, JobFailure(FailureKind.LOST_ANSWER, "y"), "unknown.lost_answer", "y"),
        (State.FAILED, JobFailure(FailureKind.TRANSIENT, ""), "failed.transient", "transient"),
        (State.STALLED, JobFailure(FailureKind.DEADLINE, "z"), "stalled.deadline", "z"),
        (State.CANCELLED, None, "cancelled.unexpected", "unexpected"),
    ],
)
def test_a_job_that_ended_without_a_clip_is_recorded_and_mailed_once(
    stage: Stage, state: State, failure: JobFailure | None, error: str, cause: str
) -> None:
    job = stage.job(state, failure=failure)
    expected = {"outcome": "ended", "state": state.value, "error": error, "cause": cause}
    assert stage.finish(job) == expected
    # An accident behind the end changes nothing of it.
    assert stage.finish(job, accident="States.Timeout") == expected
    assert stage.held() == job
    record = stage.aws.read_json(RECORD_KEY)
    assert (record["state"], record["failure"]) == (
        state.value,
        failure.facts() if failure else None,
    )
    assert [mail["outcome"] for mail in stage.mails()[0]] == [state.value]


def test_a_run_replaced_by_a_newer_one_changes_nothing(stage: Stage) -> None:
    old = stage.job(State.REFUSED, failure=JobFailure(FailureKind.BAD_INPUT, "x"))
    new = stage.aws.ledger.claim(make_job(dropped_at="2026-11-20T10:00:00.000Z"))
    assert (new.run, new.state) == (2, State.CLAIMED)
    assert stage.finish(old, accident="States.Timeout")["outcome"] == "superseded"
    assert (stage.held(), stage.aws.stored(), stage.mails()) == (new, [], ([], []))
    assert stage.finish(new, accident="States.Timeout")["state"] == "refused"
    assert len(stage.mails()[0]) == 1


def test_a_closed_execution_does_not_end_a_job_that_another_execution_resumed(
    stage: Stage,
) -> None:
    job = stage.job(State.RUNNING, execution=f"{EXECUTIONS}:resumed")
    assert stage.finish(job, accident="aborted", late=True)["outcome"] == "superseded"
    assert (stage.held(), stage.mails()) == (job, ([], []))
    resumed = FinalizeEvent(job.job_id, job.execution, job.run, accident="aborted", late=True)
    assert stage.step.handle(resumed).payload()["error"] == "stalled.accident"
