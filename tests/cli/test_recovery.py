"""Recovering what was lost: replay, sync."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dropreel.jobs.job import Job, State, utc_iso
from dropreel.providers.catalog import CATALOG
from dropreel.providers.search import Search
from tests.support.aws import Aws, Clock, FakeProvider, make_job
from tests.support.desk import Terminal, claimed, lost
from tests.support.pictures import picture
from tests.support.submitting import sidecar

pytestmark = pytest.mark.usefixtures("today")

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


def test_a_message_of_unknown_content_is_kept(aws: Aws, terminal: Terminal) -> None:
    for queue, body in UNREADABLE:
        dead(terminal, queue, body)
    said = terminal.run("replay", "--yes", "--json")
    kinds = [(one["kind"], one["sent"]) for one in said.json["messages"]]
    assert (said.code, kinds) == (1, [("other", False)] * len(UNREADABLE))
    assert len(terminal.run("replay", "--show", "--json").json["messages"]) == len(UNREADABLE)
    assert ingested(aws) == []


def test_messages_about_sweeps_have_words_and_the_runbook_is_named(terminal: Terminal) -> None:
    failed = {"functionArn": "arn:aws:lambda:us-east-1:1:function:dropreel-SweepFunction-1A2B"}
    dead(terminal, "events", {"requestContext": failed, "requestPayload": {}})
    dead(terminal, "events", {})
    said = terminal.run("replay", "--yes")
    assert "a sweep failed: nothing to do if later ones succeed" in said.out
    assert "the Scheduler could not call the sweep: nothing to do if later ones ran" in said.out
    assert said.out.endswith(
        '0 sent again, 2 kept: docs/operations.md, section "Drops in a dead-letter queue", says '
        "what to do.\n"
    )
    assert said.code == 1


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
