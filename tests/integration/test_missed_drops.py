"""The daily comparison of the inbox with the ledger, on stand-ins of S3, SQS and DynamoDB."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from dropreel.drops.inbox import Inbox
from dropreel.drops.settling import Pair
from dropreel.ledger.newest import NewestDrops
from dropreel.ledger.table import Table
from dropreel.observability import metrics
from dropreel.steps import missed_drops
from dropreel.steps.missed_drops import MissedDrops
from dropreel.steps.outcomes import DropEvent
from local.faults.dynamo import Dynamo
from local.faults.s3 import S3
from local.faults.services import Sqs
from tests.support.aws import Clock
from tests.support.uploads import HOUR, PHOTO, Uploads, fields

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
        self.inbox = Inbox(self.s3, "inbox")  # type: ignore[arg-type]
        self.missed = MissedDrops(
            inbox=self.inbox,
            table=self.table,
            newest=self.newest,
            queue=Sqs(lambda body, _: self.sent.append(body)),  # type: ignore[arg-type]
            queue_url="https://queue/ingest",
            now=self.clock,
        )
        self.missed.check()

    def drop(self, *keys: str) -> None:
        for key in keys:
            self.s3.put_object(Bucket="inbox", Key=key, Body=key.encode())

    def decide(self, sidecar: str = SIDECAR) -> None:
        """As `submit` does it when it starts or rejects a pair."""
        found, beside = self.inbox.head(IMAGE), self.inbox.head(sidecar)
        assert found
        pair = Pair(found, (beside,) if beside else ())
        assert self.newest.note(self.newest.read("inbox", IMAGE), pair, [])

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


WITHOUT_A_JOB: dict[str, dict[str, bytes]] = {
    "an image alone": {"a/photo.jpg": PHOTO},
    "a sidecar alone": {"a/photo.json": fields(prompt="push-in")},
    "names that nearly agree": {"a/photo.jpg": PHOTO, "a/photos.json": fields(prompt="push-in")},
    "an image that waits for defaults": {"a/defaults.json": b"{", "a/photo.jpg": PHOTO},
    "a wrong row": {"a/batch.csv": b"image,prompt,duration\nphoto.jpg,a,7s", "a/photo.jpg": PHOTO},
}


@pytest.mark.parametrize("files", WITHOUT_A_JOB.values(), ids=WITHOUT_A_JOB)
def test_files_of_which_nothing_could_be_made_are_told_of_and_not_sent(
    files: dict[str, bytes],
) -> None:
    uploads = Uploads()
    uploads.compare_inbox()
    for number, (key, content) in enumerate(files.items()):
        uploads.upload(number, key, content, 1)
    uploads.upload(5, "b/unseen.jpg", PHOTO)
    sent: list[str] = []
    uploads.at(3 * HOUR, lambda: sent.extend(uploads.compare_inbox()))
    uploads.run()
    assert sent == ["b/unseen.jpg"]
    assert uploads.mails != []


def test_a_drop_of_the_last_hour_is_left_to_its_own_event(stage: Stage) -> None:
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
