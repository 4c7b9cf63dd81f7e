from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import ClipInfo, Source, State
from dropreel.ledger.batches import Batches
from dropreel.ledger.table import Table
from dropreel.mail.digest import Digests, ResultMailer
from dropreel.mail.message import Links, Mail
from dropreel.mail.once import LEASE_S
from dropreel.mail.publisher import Publisher
from dropreel.mail.results import clip_delivered, clip_not_delivered
from dropreel.mail.windows import Window
from tests.support.aws import Aws, Clock, make_job
from tests.support.mailboxes import Mailbox

PLACE = Links("us-east-1", "clips", "arn:aws:states:us-east-1:1:execution:render:x")
CLIP = ClipInfo(duration_s=5.0, width=960, height=540, size=1_234_567, sha256="ab" * 32)
ABOVE = 3


class Stage:
    """Results that are sent, a person's mailbox as the template subscribes it, and a machine."""

    def __init__(self, aws: Aws, clock: Clock) -> None:
        self.aws, self.clock = aws, clock
        sns, sqs = aws.results.sns, aws.sqs
        self.mailbox = Mailbox(sns, sqs, "person", policy={"mail": ["yes"]})
        self.machine = Mailbox(sns, sqs, "machine", self.mailbox.topic_arn)
        self.publisher = Publisher(sns, self.mailbox.topic_arn)
        self.digests = self.teller(self.publisher)

    def teller(self, publisher: Publisher) -> Digests:
        return Digests(self.aws.table, self.aws.send_once, publisher, PLACE, self.clock)

    def sender(self, **changes: Any) -> ResultMailer:
        parts: dict[str, Any] = {
            "table": self.aws.table,
            "batches": Batches(self.aws.table),
            "queue": self.aws.sqs,
            "queue_url": self.aws.ingest_queue,
            "above": ABOVE,
            "minutes": 10,
            "now": self.clock,
        }
        return ResultMailer(self.publisher, **{**parts, **changes})

    def gone(self) -> Publisher:
        """As if SNS refused every message."""
        return Publisher(self.aws.results.sns, f"{self.mailbox.topic_arn}-gone")

    def asked(self) -> list[dict[str, Any]]:
        """The messages that wait in the ingest queue, at once."""
        answer = self.aws.sqs.receive_message(
            QueueUrl=self.aws.ingest_queue, MaxNumberOfMessages=10
        )
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    def untold(self) -> int:
        return len(list(self.aws.table.query_index("unsettled", "unsettled", "mails")))

    def window(self) -> Window:
        return Window.at(self.clock(), 10)


@pytest.fixture
def stage(aws: Aws, clock: Clock) -> Stage:
    return Stage(aws, clock)


def mail(number: int, state: State = State.DELIVERED) -> Mail:
    source = Source("inbox", f"set/{number:03}.jpg", "e", "image/jpeg", 1, 1, "sources/x.jpg")
    failure = JobFailure(FailureKind.MODERATED, "their words", billed=False)
    job = make_job(
        job_id=f"{number:024}",
        source=source,
        state=state,
        estimate_usd=Decimal("0.40"),
        delivered_at="2026-11-20T09:31:14.000Z",
        failure=None if state is State.DELIVERED else failure,
    )
    delivered = state is State.DELIVERED
    return clip_delivered(job, CLIP, PLACE) if delivered else clip_not_delivered(job, PLACE)


def outcomes(documents: list[dict[str, Any]]) -> list[str]:
    return sorted(document["outcome"] for document in documents)


def test_many_results_are_a_few_mails_and_a_digest_but_a_document_each(stage: Stage) -> None:
    sender = stage.sender()
    for number in range(8):
        sender.send(mail(number, State.FAILED if number == 6 else State.DELIVERED))
    assert outcomes(stage.mailbox.take()) == ["delivered"] * ABOVE
    assert outcomes(stage.machine.take()) == ["delivered"] * 7 + ["failed"]
    stage.clock.now = stage.window().end
    stage.digests.send(Window.at(stage.clock() - timedelta(seconds=1), 10))
    (told,) = stage.mailbox.take()
    assert told["counts"] == {"delivered": 4, "failed": 1}
    assert told["cost_usd"] == "1.60"
    for words in (
        "5 results in one mail",
        "4 delivered",
        "about $1.60 for 4 clips",
        "- 006.jpg: failed. The content filter of luma refused",
        "007.jpg",
    ):
        assert words in told["text"]
    assert "002.jpg" not in told["text"]
    assert told["text"].index("006.jpg") < told["text"].index("003.jpg")
    assert outcomes(stage.machine.take()) == ["digest"]
    assert stage.untold() == 0


def test_the_digest_is_asked_for_once_and_comes_after_the_windows_end(stage: Stage) -> None:
    delays: list[int] = []

    class Queue:
        def send_message(self, *, DelaySeconds: int, **message: str) -> None:  # noqa: N803
            delays.append(DelaySeconds)
            assert json.loads(message["MessageBody"]) == {"digest": "2026-11-20T09:30Z+10"}

    stage.clock.pass_time(minutes=4)
    sender = stage.sender(queue=Queue())
    for number in range(8):
        sender.send(mail(number))
    assert delays == [6 * 60 + 15]


def test_a_request_for_the_digest_that_failed_is_repeated_by_the_next_result(stage: Stage) -> None:
    for number in range(ABOVE):
        stage.sender().send(mail(number))
    gone = stage.sender(queue_url=f"{stage.aws.ingest_queue}-gone")
    with pytest.raises(ClientError):
        gone.send(mail(ABOVE))
    stage.sender(minutes=10).send(mail(ABOVE))
    assert stage.untold() == 1
    held = stage.aws.table.get(f"MAILS#{stage.window().name}")
    assert held
    assert held["asked"] is True


def test_a_window_with_few_results_has_no_digest(stage: Stage) -> None:
    sender = stage.sender()
    for window in range(3):
        for number in range(ABOVE):
            sender.send(mail(10 * window + number))
        stage.clock.pass_time(minutes=10)
    assert outcomes(stage.mailbox.take()) == ["delivered"] * 9
    assert (stage.asked(), stage.untold()) == ([], 0)


def test_without_a_limit_every_result_is_a_mail_and_nothing_is_counted(stage: Stage) -> None:
    sender = stage.sender(above=0)
    for number in range(9):
        sender.send(mail(number))
    assert len(stage.mailbox.take()) == 9
    assert stage.aws.table.get(f"MAILS#{stage.window().name}") is None


def test_a_digest_is_told_once_however_often_it_is_asked_for(stage: Stage) -> None:
    window, sender = stage.window(), stage.sender()
    for number in range(6):
        sender.send(mail(number))
    stage.mailbox.take()
    for _ in range(2):
        stage.digests.send(window)
        stage.teller(stage.publisher).send(window)
    assert outcomes(stage.mailbox.take()) == ["digest"]


def test_a_digest_that_could_not_be_sent_is_sent_by_the_sweep(stage: Stage) -> None:
    window, sender = stage.window(), stage.sender()
    for number in range(6):
        sender.send(mail(number))
    stage.mailbox.take()
    with pytest.raises(ClientError, match="NotFound"):
        stage.teller(stage.gone()).send(window)
    stage.digests.send_overdue()  # its time is not over
    assert stage.mailbox.take() == []
    stage.clock.pass_time(minutes=20, seconds=LEASE_S)
    for _ in range(2):
        stage.digests.send_overdue()
    (told,) = stage.mailbox.take()
    assert told["counts"] == {"delivered": 3}


def test_who_dies_after_sending_the_digest_tells_nobody_twice(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, sender = stage.window(), stage.sender()
    for number in range(6):
        sender.send(mail(number))
    stage.mailbox.take()
    dying = stage.teller(stage.publisher)
    with monkeypatch.context() as patch:
        patch.setattr(Digests, "_settle", lambda *_: None)
        dying.send(window)
    assert stage.untold() == 3
    stage.clock.pass_time(minutes=20)
    stage.digests.send_overdue()
    assert (outcomes(stage.mailbox.take()), stage.untold()) == (["digest"], 0)


def test_who_dies_between_two_parts_of_a_digest_tells_nobody_twice(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, sender = stage.window(), stage.sender()
    for number in range(ABOVE + 12):
        sender.send(mail(number))
    stage.mailbox.take()
    monkeypatch.setattr("dropreel.mail.digest._CHUNK", 5)
    settle, written = stage.aws.table.write_all, iter(range(9))

    def die_within(*given: Any) -> None:
        if next(written) == 4:  # three parts note the digest, the fourth settles
            raise KeyboardInterrupt
        settle(*given)

    with monkeypatch.context() as patch:
        patch.setattr(Table, "write_all", lambda _, *given: die_within(*given))
        with pytest.raises(KeyboardInterrupt):
            stage.teller(stage.publisher).send(window)
    assert stage.untold() == 7
    stage.sender().send(mail(99))
    stage.clock.pass_time(minutes=20)
    stage.digests.send_overdue()
    first, second = stage.mailbox.take()
    assert (first["counts"], second["counts"]) == ({"delivered": 12}, {"delivered": 1})
    assert stage.untold() == 0


def test_a_result_that_comes_too_late_for_its_digest_is_told_by_the_sweep(stage: Stage) -> None:
    window, late = stage.window(), stage.sender(now=Clock(stage.clock.now))
    for number in range(6):
        stage.sender().send(mail(number))
    stage.clock.pass_time(minutes=11)
    stage.digests.send(window)
    late.send(mail(99))
    stage.mailbox.take()
    stage.clock.pass_time(minutes=10)
    stage.digests.send_overdue()
    (told,) = stage.mailbox.take()
    assert "099.jpg" in told["text"]
    assert told["counts"] == {"delivered": 1}


@pytest.mark.parametrize("number", [0, ABOVE], ids=["mailed alone", "listed in a digest"])
def test_a_result_that_is_tried_again_in_a_later_window_is_told_once(
    stage: Stage, number: int
) -> None:
    """As it was to be told at first."""
    window = stage.window()
    for other in range(number):
        stage.sender().send(mail(other))
    stage.mailbox.take()
    for minutes in (0, 11, 11):
        stage.clock.pass_time(minutes=minutes)
        with pytest.raises(ClientError, match="NotFound"):
            replace(stage.sender(), publisher=stage.gone()).send(mail(99))
    for other in range(ABOVE + 1):  # the limit of this window is reached
        stage.sender().send(mail(10 + other))
    stage.mailbox.take()
    stage.sender().send(mail(99))
    assert len(stage.mailbox.take()) == (0 if number else 1)
    stage.digests.send(window)
    assert len(stage.mailbox.take()) == (1 if number else 0)
    stage.clock.pass_time(minutes=30)
    stage.digests.send_overdue()
    (told,) = stage.mailbox.take()  # of the last window
    assert told["counts"] == {"delivered": 1}


def test_a_failed_publish_leaves_the_result_to_be_told(stage: Stage) -> None:
    sender = stage.sender()
    for number in range(ABOVE):
        sender.send(mail(number))
    broken = replace(stage.sender(), publisher=stage.gone())
    with pytest.raises(ClientError, match="NotFound"):
        broken.send(mail(7))
    assert stage.untold() == 1


def test_two_hundred_results_are_told_together(stage: Stage) -> None:
    lines = [entry for n in range(200) if (entry := mail(n).entry)]
    for entry in lines:
        stage.sender()._note(stage.window(), entry)
    stage.digests.send(stage.window())
    (told,) = stage.mailbox.take()
    assert told["counts"] == {"delivered": 200}
    assert "about $80.00 for 200 clips" in told["text"]
    assert stage.untold() == 0
