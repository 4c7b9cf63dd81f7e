from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from dropreel.clip import ClipInfo
from dropreel.errors import Problem
from dropreel.jobs import Attempt, Job, Source, State
from dropreel.mail import (
    Mail,
    Place,
    clip_delivered,
    clip_not_delivered,
    drop_rejected,
    legal_subject,
    operator_note,
)
from dropreel.notices import Notifier
from dropreel.providers.base import FailureKind
from tests.unit.support import make_job

PLACE = Place("eu-central-1", "clips", "arn:aws:states:eu-central-1:1:execution:render:photo-1")
CLIP = ClipInfo(duration_s=5.0, width=960, height=540, size=1_234_567, sha256="ab" * 32)


def delivered(**changes: Any) -> Job:
    facts: dict[str, Any] = {
        "state": State.DELIVERED,
        "provider_job_id": "p-1",
        "estimate_usd": Decimal("0.15"),
        "clip": CLIP,
        "delivered_at": "2026-11-20T09:31:14.000Z",
    }
    return make_job(**{**facts, **changes})


def ended(state: State, kind: str, **failure: Any) -> Job:
    return make_job(state=state, failure={"kind": kind, "message": "their words", **failure})


def test_the_mail_of_a_clip_tells_where_it_is_how_long_it_took_and_what_it_cost() -> None:
    mail = clip_delivered(delivered(), CLIP, PLACE)
    assert mail.subject == "photo.jpg: your clip is ready"
    for line in (
        "Clip: s3://clips/clips/campaign/photo/0123456789abcdef01234567.mp4",
        "Settings: 5s, 540p, 16:9",
        "Video: 960x540, 5.0 s, 1,234,567 bytes",
        "Took: 74 seconds",
        "Cost: about $0.15",
        "slow push-in",
        "https://eu-central-1.console.aws.amazon.com/s3/object/clips",
    ):
        assert line in mail.text
    assert mail.document["outcome"] == "delivered"
    assert mail.attributes == {"outcome": "delivered", "provider": "luma"}


def test_the_real_price_is_told_where_the_provider_names_it() -> None:
    assert "Cost: $0.50" in clip_delivered(delivered(cost_usd=Decimal("0.5")), CLIP, PLACE).text


def test_the_mail_warns_of_settings_that_may_not_have_been_followed() -> None:
    mail = clip_delivered(delivered(unconfirmed=("10s", "3:1")), CLIP, PLACE)
    assert "luma does not promise to follow 10s, 3:1" in mail.text


@pytest.mark.parametrize("kind", [*FailureKind, "deadline", "download", "accident", "new kind"])
def test_a_failure_tells_reason_money_and_one_next_step(kind: str) -> None:
    mail = clip_not_delivered(ended(State.FAILED, kind, billed=False), PLACE)
    assert "What happened: " in mail.text
    assert "Reason given: their words" in mail.text
    assert "Money: The provider does not charge for this." in mail.text
    assert mail.text.count("What to do: ") == 1
    assert "{" not in mail.text


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (State.REFUSED, "Nothing was paid"),
        (State.UNKNOWN, "It is not known"),
        (State.STALLED, "may be or become paid"),
        (State.FAILED, "may have charged"),
    ],
)
def test_the_money_line_fits_the_state(state: State, says: str) -> None:
    assert says in clip_not_delivered(ended(state, "transient"), PLACE).text


@pytest.mark.parametrize("kind", ["transient", "cancelled", "not_a_clip"])
@pytest.mark.parametrize("billed", [None, True])
def test_nobody_is_sent_to_drop_files_again_that_would_start_nothing(
    kind: str, billed: bool | None
) -> None:
    text = clip_not_delivered(ended(State.FAILED, kind, billed=billed), PLACE).text
    assert '"take": 2' in text
    assert "rop the files again" not in text


def test_an_order_that_came_to_nothing_is_not_called_no_order() -> None:
    attempt = Attempt("luma", "2026-11-20T09:30:00.000Z", provider_job_id="p-1")
    job = replace(ended(State.REFUSED, "transient"), attempts=(attempt,))
    assert "is not charged" in clip_not_delivered(job, PLACE).text


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "https://eu-central-1.console.aws.amazon.com/"),
        ("us-gov-west-1", "https://console.amazonaws-us-gov.com/"),
        ("cn-north-1", "https://cn-north-1.console.amazonaws.cn/"),
    ],
)
def test_links_lead_to_the_console_of_the_region(region: str, host: str) -> None:
    place = replace(PLACE, region=region)
    assert place.execution_link().startswith(host)
    assert place.object_link("a").startswith(host)


def test_the_operator_is_told_only_what_the_dropper_cannot_mend() -> None:
    assert operator_note(ended(State.FAILED, "moderated"), PLACE) is None
    note = operator_note(ended(State.UNKNOWN, "lost_answer"), PLACE)
    assert note
    assert note.subject == "photo.jpg: operator needed (lost_answer)"
    assert "would be paid twice" in note.text


def test_a_rejection_lists_every_problem() -> None:
    problems = [
        Problem("prompt", "nothing", "a text"),
        Problem('"promt"', "x", "y", "Did you mean prompt?"),
    ]
    mail = drop_rejected("a/b.jpg", problems, "clips/a/b/rejected-1.json", PLACE)
    assert mail.subject == "b.jpg: no clip, please mend"
    assert "Found: nothing" in mail.text
    assert "Did you mean prompt?" in mail.text
    assert [problem["field"] for problem in mail.document["problems"]] == ["prompt", '"promt"']


@given(st.text())
def test_a_subject_is_always_one_that_sns_takes(text: str) -> None:
    subject = legal_subject(text)
    assert 0 < len(subject) < 100
    assert subject.isascii()
    assert subject.isprintable()
    assert subject[0] != " "


def test_a_long_name_keeps_its_end_and_the_outcome() -> None:
    subject = legal_subject(f"{'x' * 300}_final.jpg: your clip is ready")
    assert subject.endswith("_final.jpg: your clip is ready")
    assert len(subject) == 99


@given(st.text(min_size=1), st.text(min_size=1))
def test_hostile_names_and_reasons_never_break_a_mail(key: str, reason: str) -> None:
    source = Source("inbox", key, "e", "image/jpeg", 1, 1, "sources/x.jpg")
    job = make_job(source=source, state=State.FAILED, failure={"kind": "x", "message": reason})
    mail = clip_not_delivered(job, PLACE)
    assert json.loads(json.dumps(mail.document))["image"] == key


class Topic:
    """Refuses what it is told to refuse; remembers what it took."""

    def __init__(self, *refusals: str) -> None:
        self.refusals = list(refusals)
        self.taken: list[dict[str, Any]] = []

    def publish(self, **message: Any) -> None:
        if self.refusals:
            raise ClientError({"Error": {"Code": self.refusals.pop(0)}}, "Publish")
        self.taken.append(message)


MAIL = Mail("subject", "text", {"text": "text"}, {"outcome": "delivered"})


def test_people_get_text_and_machines_get_json() -> None:
    topic = Topic()
    Notifier(topic, "arn").send(MAIL)  # type: ignore[arg-type]
    (message,) = topic.taken
    assert json.loads(message["Message"]) == {"default": '{"text": "text"}', "email": "text"}
    assert message["Subject"] == "subject"
    assert message["MessageAttributes"]["outcome"]["StringValue"] == "delivered"


def test_a_subject_that_sns_refuses_does_not_lose_the_mail() -> None:
    topic = Topic("InvalidParameter")
    Notifier(topic, "arn").send(MAIL)  # type: ignore[arg-type]
    assert "Subject" not in topic.taken[0]


def test_another_refusal_is_not_swallowed() -> None:
    with pytest.raises(ClientError):
        Notifier(Topic("AuthorizationError"), "arn").send(MAIL)  # type: ignore[arg-type]
