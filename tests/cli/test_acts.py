"""What an operator does with the command: pause, cancel, resume, retry, replay, sync."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import Job, State, utc_iso
from dropreel.providers.base import Failure, NoAnswer, Pending, Phase
from dropreel.providers.catalog import CATALOG
from dropreel.providers.search import Search
from tests.support.aws import Aws, Clock, FakeProvider, make_job
from tests.support.desk import Terminal
from tests.support.pictures import picture
from tests.support.submitting import sidecar

pytestmark = [pytest.mark.on_moto, pytest.mark.uncounted]

RUNNING = Pending(Phase.RUNNING, "processing")


@pytest.fixture(autouse=True)
def today(clock: Clock) -> None:
    """Lists are of the newest months: jobs are of today."""
    clock.now = datetime.now(UTC)


def claimed(aws: Aws, clock: Clock, **fields: Any) -> Job:
    return aws.ledger.claim(make_job(created_at=utc_iso(clock()), **fields))


def lost(aws: Aws, clock: Clock) -> Job:
    job = claimed(aws, clock)
    job = aws.ledger.move(job, State.SUBMITTING, asked_at=utc_iso(clock()), attempts=())
    return aws.ledger.move(job, State.UNKNOWN)


# --- pause ---------------------------------------------------------------------------------------


def test_orders_are_paused_and_go_on_and_who_did_it_is_told(aws: Aws, terminal: Terminal) -> None:
    said = terminal.run("pause", "--reason", "prices", "--json").json
    assert (said["paused"], said["by"], said["reason"]) == (True, "user/ann", "prices")
    assert "were paused already" in terminal.run("pause").out
    assert "Orders go on. In line: 0 jobs." in terminal.run("unpause", "--yes").out
    assert terminal.run("unpause").out == "Orders were not paused.\n"
    assert [mail["alert"] for mail in aws.operators.take()] == ["paused", "unpaused"]


def test_what_may_cost_money_is_asked_and_without_a_terminal_refused(terminal: Terminal) -> None:
    terminal.run("pause")
    said = terminal.run("unpause")
    assert said.code == 2
    assert said.err == (
        "dropreel: 0 jobs in line will be ordered, and paid. Let orders go on? Add --yes to agree "
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


def test_an_unknown_payment_needs_a_word(aws: Aws, clock: Clock, terminal: Terminal) -> None:
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


def test_the_word_goes_to_the_workflow(
    aws: Aws, clock: Clock, terminal: Terminal, provider: FakeProvider
) -> None:
    job = lost(aws, clock)
    provider.status_answers = [RUNNING]
    assert terminal.run("resume", "photo.jpg", "--order", "p-9", "--wait", "0").code == 0
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


# --- replay --------------------------------------------------------------------------------------


def dead(terminal: Terminal, queue: str, body: Any) -> None:
    terminal.aws.sqs.send_message(QueueUrl=terminal.queues[queue], MessageBody=json.dumps(body))


def drop_event(key: str) -> dict[str, Any]:
    detail = {"bucket": {"name": "inbox"}, "object": {"key": key}}
    return {"detail-type": "Object Created", "detail": detail}


def end_event(job: Job) -> dict[str, Any]:
    detail = {
        "executionArn": "arn:aws:states:us-east-1:123456789012:execution:render:photo",
        "status": "FAILED",
        "input": json.dumps({"job_id": job.job_id, "image": job.source.key, "run": 1}),
    }
    return {"detail-type": "Step Functions Execution Status Change", "detail": detail}


def ingested(aws: Aws) -> list[dict[str, Any]]:
    got = aws.sqs.receive_message(QueueUrl=aws.ingest_queue, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in got.get("Messages", [])]


def test_dead_letters_are_told_in_words_and_stay_while_they_are_only_shown(
    aws: Aws, clock: Clock, terminal: Terminal
) -> None:
    dead(terminal, "drops", drop_event("a/photo.jpg"))
    dead(terminal, "events", end_event(claimed(aws, clock)))
    for _ in range(2):
        said = terminal.run("replay", "--show", "--json").json["messages"]
        assert [one["kind"] for one in said] == ["drop", "end"]
    assert "the drop a/photo.jpg was not handled" in terminal.run("replay", "--show").out


def test_drops_go_back_into_the_queue_and_ends_are_handled(
    aws: Aws, clock: Clock, terminal: Terminal
) -> None:
    job = claimed(aws, clock)
    dead(terminal, "drops", drop_event("a/photo.jpg"))
    dead(terminal, "events", drop_event("b/photo.jpg"))
    dead(terminal, "events", {"requestPayload": end_event(job), "requestContext": {}})
    assert terminal.run("replay", "--yes").code == 0
    assert [one["detail"]["object"]["key"] for one in ingested(aws)] == [
        "a/photo.jpg",
        "b/photo.jpg",
    ]
    assert aws.ledger.require(job.job_id).state is State.REFUSED
    assert [mail["outcome"] for mail in aws.results.take()] == ["refused"]
    assert "are empty" in terminal.run("replay").out


def test_all_servers_of_a_queue_are_asked(terminal: Terminal, long_polls: list[int]) -> None:
    terminal.run("replay", "--show")
    assert len(long_polls) == 2
    assert all(long_polls)


ENDED = "Step Functions Execution Status Change"
UNREADABLE: list[tuple[str, Any]] = [
    ("drops", 5),
    ("drops", {"text": "hello"}),
    ("drops", {"recheck": "photo.jpg"}),
    ("events", ["drop"]),
    ("events", {"detail-type": "Something Else"}),
    ("events", {"detail-type": "Object Created", "detail": {}}),
    ("events", {"detail-type": ENDED}),
    ("events", {"detail-type": ENDED, "detail": {"input": '{"job_id": "j"}', "status": "FAILED"}}),
    ("events", {"requestPayload": {}, "requestContext": {}}),
]


def test_what_nobody_understands_is_kept(aws: Aws, terminal: Terminal) -> None:
    for queue, body in UNREADABLE:
        dead(terminal, queue, body)
    said = terminal.run("replay", "--yes", "--json")
    kinds = [(one["kind"], one["sent"]) for one in said.json["messages"]]
    assert (said.code, kinds) == (1, [("other", False)] * len(UNREADABLE))
    assert len(terminal.run("replay", "--show", "--json").json["messages"]) == len(UNREADABLE)
    assert ingested(aws) == []


def test_digests_and_batches_have_words_of_their_own(aws: Aws, terminal: Terminal) -> None:
    messages = [{"batch": "summer/batch.csv"}, {"digest": "2026-11-20T09:30"}]
    for message in messages:
        dead(terminal, "drops", message)
    said = terminal.run("replay", "--yes")
    assert "the batch summer/batch.csv was not looked at" in said.out
    assert "the digest 2026-11-20T09:30 was not sent" in said.out
    assert ingested(aws) == messages


def test_names_in_messages_are_not_taken_for_markup(terminal: Terminal) -> None:
    dead(terminal, "drops", drop_event("a/[/b] photo.jpg"))
    assert "the drop a/[/b] photo.jpg was not handled" in terminal.run("replay", "--yes").out


def test_what_was_not_sent_can_be_seen_at_once(
    aws: Aws, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead(terminal, "drops", drop_event("a/photo.jpg"))
    assert terminal.run("replay").code == 2  # nobody can be asked
    assert len(terminal.run("replay", "--show", "--json").json["messages"]) == 1
    monkeypatch.setattr(aws, "ingest_queue", f"{aws.ingest_queue}-gone")
    assert terminal.run("replay", "--yes").code == 3
    assert len(terminal.run("replay", "--show", "--json").json["messages"]) == 1


def test_an_end_that_cannot_be_handled_keeps_no_other_from_being_sent(
    aws: Aws, clock: Clock, terminal: Terminal
) -> None:
    dead(terminal, "events", end_event(make_job(job_id="unheard-of")))
    dead(terminal, "events", drop_event("b/photo.jpg"))
    said = terminal.run("replay", "--yes", "--json")
    assert (said.code, [one["sent"] for one in said.json["messages"]]) == (1, [False, True])
    assert "is not in the ledger" in said.json["messages"][0]["error"]
    assert len(ingested(aws)) == 1


# --- sync ----------------------------------------------------------------------------------------


def test_drops_that_were_never_seen_are_found_and_looked_at_again(
    aws: Aws, clock: Clock, terminal: Terminal
) -> None:
    for key, body in (("a/x.jpg", picture()), ("a/x.json", sidecar()), ("a/alone.jpg", picture())):
        aws.s3.put_object(Bucket="inbox", Key=key, Body=body)
    clock.pass_time(hours=2)
    said = terminal.run("sync", "--json")
    never = ["a/alone.jpg", "a/x.jpg", "a/x.json"]
    assert (said.code, said.json["never_seen"]) == (1, never)
    terminal.run("sync", "--fix", "--yes")
    assert [one["recheck"]["key"] for one in ingested(aws)] == never


def test_sync_looks_at_one_folder(aws: Aws, clock: Clock, terminal: Terminal) -> None:
    for key in ("sum/x.jpg", "summer/x.jpg"):
        aws.s3.put_object(Bucket="inbox", Key=key, Body=picture())
    clock.pass_time(hours=2)
    assert terminal.run("sync", "--folder", "sum", "--json").json["never_seen"] == ["sum/x.jpg"]


def test_a_drop_of_the_last_hour_is_left_to_its_own_event(aws: Aws, terminal: Terminal) -> None:
    aws.s3.put_object(Bucket="inbox", Key="a/x.jpg", Body=picture())
    assert terminal.run("sync", "--fix", "--yes", "--json").json["never_seen"] == []
    assert ingested(aws) == []


def test_an_unknown_payment_is_looked_for_at_its_provider(
    aws: Aws, clock: Clock, terminal: Terminal, provider: FakeProvider
) -> None:
    lost(aws, clock)
    provider.find_answers = [["p-7"]]
    assert "p-7" in terminal.run("sync").out


def test_orders_that_no_job_has_are_shown(
    aws: Aws, clock: Clock, terminal: Terminal, provider: FakeProvider
) -> None:
    job = aws.ledger.move(claimed(aws, clock), State.SUBMITTING, asked_at=utc_iso(clock()))
    aws.ledger.move(job, State.SUBMITTED, provider_job_id="p-1")
    provider.listed_orders = ["p-1", "by-hand"]
    said = terminal.run("sync", "--orders", "2d", "--json")
    listing = [name for name, row in CATALOG.items() if row.lists_orders]
    assert said.json["foreign_orders"] == [
        {"provider": name, "orders": ["by-hand"]} for name in listing
    ]
    assert (said.code, "no job has: by-hand" in terminal.run("sync", "--orders", "2d").out) == (
        1,
        True,
    )
    provider.listed_orders = ["p-1"]
    assert terminal.run("sync", "--orders", "2d").code == 0


def test_orders_of_the_last_five_minutes_are_left_out(
    terminal: Terminal, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[datetime] = []

    def list_orders(since: datetime, until: datetime) -> list[str]:
        read.append(Search(None, since, until).until)
        return []

    monkeypatch.setattr(provider, "list_orders", list_orders)
    terminal.run("sync", "--orders", "2d")
    assert read
    assert all(until <= datetime.now(UTC) - timedelta(minutes=5) for until in read)


def test_a_list_of_orders_that_cannot_be_read_is_told(
    terminal: Terminal, provider: FakeProvider
) -> None:
    provider.listed_orders = None
    said = terminal.run("sync", "--orders", "2d")
    assert (said.code, "no job has: could not be read" in said.out) == (1, True)


def test_where_all_agrees_the_exit_code_is_0(terminal: Terminal) -> None:
    said = terminal.run("sync")
    assert (said.code, said.out) == (0, "Inbox, ledger and providers agree.\n")
