"""The daily comparison of the inbox with the ledger, on stand-ins of S3, SQS and DynamoDB."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from dropreel.drops.folder import NO_SIDECAR
from dropreel.drops.inbox import Inbox
from dropreel.drops.settling import Pair
from dropreel.jobs.job import utc_iso
from dropreel.jobs.naming import rejection_id
from dropreel.ledger.newest import NewestDrops
from dropreel.ledger.table import Table
from dropreel.mail.once import SendOnce
from dropreel.observability import metrics
from dropreel.steps import missed_drops
from dropreel.steps.missed_drops import MissedDrops
from dropreel.steps.outcomes import DropEvent
from dropreel.steps.rejections import NO_IMAGE
from local.faults.dynamo import Dynamo
from local.faults.s3 import S3
from local.faults.services import Sqs
from tests.support.aws import Clock

IMAGE, SIDECAR = "campaign/photo.jpg", "campaign/photo.json"


@pytest.fixture(autouse=True)
def _no_metrics_left() -> Iterator[None]:
    yield
    metrics.clear_metrics()


@dataclass
class Stage:
    """An inbox and a ledger that were there before: the first comparison is due in two hours."""

    clock: Clock = field(default_factory=Clock)
    sent: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.s3 = S3(self.clock)
        self.table = Table(Dynamo(now=lambda: self.clock().timestamp()), "ledger")  # type: ignore[arg-type]
        self.newest = NewestDrops(self.table)
        self.send_once = SendOnce(self.table)
        self.inbox = Inbox(self.s3, "inbox")  # type: ignore[arg-type]
        self.missed = MissedDrops(
            inbox=self.inbox,
            table=self.table,
            newest=self.newest,
            send_once=self.send_once,
            queue=Sqs(lambda body, _: self.sent.append(body)),  # type: ignore[arg-type]
            queue_url="https://queue/ingest",
            now=self.clock,
        )
        self.missed.check()

    def drop(self, *keys: str) -> None:
        for key in keys:
            self.s3.put_object(Bucket="inbox", Key=key, Body=key.encode())

    def decide(self, image: str = IMAGE, sidecar: str = SIDECAR) -> None:
        """As `submit` does it when it starts or rejects a pair."""
        found, beside = self.inbox.head(image), self.inbox.head(sidecar)
        assert found
        pair = Pair(found, (beside,) if beside else ())
        assert self.newest.note(self.newest.read("inbox", image), pair, [])

    def compare(self, hours: float = 3, sweeps: int = 1) -> list[str]:
        """The keys that are sent by so many sweeps, after so many hours."""
        self.clock.pass_time(hours=hours)
        for _ in range(sweeps):
            self.missed.check()
        keys = [DropEvent.of(json.loads(body)).key for body in self.sent]
        self.sent.clear()
        return keys


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_drop_without_an_event_is_sent_as_s3_would_have_sent_it(stage: Stage) -> None:
    stage.drop(IMAGE, SIDECAR, "notes.txt")
    assert stage.compare() == [IMAGE, SIDECAR]


def test_a_drop_is_sent_once(stage: Stage) -> None:
    stage.drop(IMAGE, SIDECAR)
    assert stage.compare() != []
    assert [stage.compare(hours=25) for _ in range(3)] == [[], [], []]


def test_a_drop_that_was_decided_on_is_not_sent(stage: Stage) -> None:
    stage.drop(IMAGE, SIDECAR)
    stage.decide()
    assert stage.compare() == []


def test_a_sidecar_that_was_replaced_unseen_is_sent_alone(stage: Stage) -> None:
    stage.drop(IMAGE, SIDECAR)
    stage.decide()
    stage.clock.pass_time(minutes=5)
    stage.drop(SIDECAR)
    assert stage.compare() == [SIDECAR]


def test_a_sidecar_beside_the_one_that_counts_is_not_sent(stage: Stage) -> None:
    stage.drop(IMAGE, SIDECAR, f"{IMAGE}.json")
    stage.decide(sidecar=f"{IMAGE}.json")
    assert stage.compare() == []


@pytest.mark.parametrize(("key", "problem"), [(IMAGE, NO_SIDECAR), (SIDECAR, NO_IMAGE)])
def test_a_file_that_was_rejected_alone_is_not_sent(
    stage: Stage, key: str, problem: object
) -> None:
    stage.drop(key)
    head = stage.inbox.head(key)
    assert head
    mail_id = rejection_id("inbox", key, utc_iso(head.dropped_at), [str(problem)])
    stage.send_once.end(mail_id, "2026-11-20T09:30:00.000Z")
    assert stage.compare() == []


def test_what_has_just_been_dropped_may_still_be_under_way(stage: Stage) -> None:
    stage.clock.pass_time(hours=3)
    stage.drop(IMAGE, SIDECAR)
    assert stage.compare(hours=0.9) == []
    assert stage.compare(hours=25) == [IMAGE, SIDECAR]


def test_what_lay_there_before_the_first_comparison_is_left_alone() -> None:
    stage = Stage()
    now = stage.clock.now
    stage.clock.now = now - timedelta(days=2)
    stage.drop(IMAGE)
    stage.clock.now = now
    assert stage.compare() == []


def test_a_round_takes_as_many_sweeps_as_its_bounds_want(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missed_drops, "MOST_SENT", 2)
    names = [f"photo-{number}.jpg" for number in range(5)]
    stage.drop(*names)
    assert stage.compare() == names[:2]
    assert stage.compare(hours=0.5) == names[2:4]
    assert stage.compare(hours=0.5, sweeps=3) == names[4:]


def test_the_next_round_begins_a_day_later(stage: Stage) -> None:
    assert stage.compare() == []
    stage.drop(IMAGE)
    assert stage.compare(hours=23) == []
    assert stage.compare(hours=1) == [IMAGE]
