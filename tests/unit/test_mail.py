from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import example, given
from hypothesis import strategies as st

from dropreel.errors import Problem, RejectedError
from dropreel.jobs.failure import ROWS, FailureKind, JobFailure
from dropreel.jobs.job import Attempt, ClipInfo, ClipSettings, Job, Source, State
from dropreel.mail.message import Links, Mail, legal_subject, sidecar_name
from dropreel.mail.operators import job_alert
from dropreel.mail.publisher import Publisher
from dropreel.mail.rejected import drop_rejected
from dropreel.mail.results import clip_delivered, clip_not_delivered
from tests.support.aws import make_job
from tests.support.fuzz import fuzzed
from tests.support.sidecars import parse_sidecar

PLACE = Links("eu-central-1", "clips", "arn:aws:states:eu-central-1:1:execution:render:photo-1")
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
    found = JobFailure(FailureKind(kind), "their words", **failure)
    return make_job(state=state, failure=found)


def test_the_mail_of_a_clip_tells_where_it_is_how_long_it_took_and_what_it_cost() -> None:
    mail = clip_delivered(delivered(), CLIP, PLACE)
    assert mail.subject == "photo.jpg: your clip is ready"
    for entry in (
        "Clip: s3://clips/clips/campaign/photo/0123456789abcdef01234567.mp4",
        "Settings: 5s, 540p, 16:9",
        "Video: 960x540, 5.0 s, 1.2 MB",
        "in 74 seconds",
        "Cost: about $0.15 (estimate)",
        "slow push-in",
        "https://eu-central-1.console.aws.amazon.com/s3/object/clips",
    ):
        assert entry in mail.text
    assert mail.document["outcome"] == "delivered"
    assert mail.attributes == {
        "outcome": "delivered",
        "provider": "luma",
        "folder": "campaign/",
    }


def test_the_real_price_is_told_where_the_provider_names_it() -> None:
    assert "Cost: $0.50" in clip_delivered(delivered(cost_usd=Decimal("0.5")), CLIP, PLACE).text


def test_the_mail_warns_of_settings_that_may_not_have_been_followed() -> None:
    mail = clip_delivered(delivered(unconfirmed=("10s", "3:1")), CLIP, PLACE)
    assert "luma may not have followed these settings: 10s, 3:1" in mail.text


@pytest.mark.parametrize("kind", FailureKind)
def test_a_failure_tells_reason_money_and_one_next_step(kind: str) -> None:
    mail = clip_not_delivered(ended(State.FAILED, kind, billed=False), PLACE)
    assert ("their words" in mail.text) == ROWS[FailureKind(kind)].reason_helps
    assert mail.document["failure"]["message"] == "their words"
    assert "Nothing was paid: luma does not charge for it." in mail.text
    assert mail.text.count("What to do: ") == 1
    assert "{" not in mail.text


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (State.REFUSED, "Nothing was paid"),
        (State.UNKNOWN, "It may or may not have been paid"),
        (State.STALLED, "was ordered and may be charged"),
        (State.FAILED, "luma may charge for it"),
    ],
)
def test_the_money_line_fits_the_state(state: State, says: str) -> None:
    assert says in clip_not_delivered(ended(state, "transient"), PLACE).text


@pytest.mark.parametrize("kind", ["transient", "cancelled", "not_a_clip"])
@pytest.mark.parametrize("billed", [None, True])
def test_a_failure_that_may_be_billed_proposes_another_take_not_the_same_files(
    kind: str, billed: bool | None
) -> None:
    text = clip_not_delivered(ended(State.FAILED, kind, billed=billed), PLACE).text
    assert '"take": 2' in text
    assert "rop the files again" not in text


def test_a_refused_order_is_told_as_not_charged() -> None:
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
    links = replace(PLACE, region=region)
    assert links.execution_link().startswith(host)
    assert links.object_link("a").startswith(host)


def test_operators_are_alerted_only_to_what_droppers_cannot_fix() -> None:
    assert job_alert(ended(State.FAILED, "moderated"), PLACE) is None
    note = job_alert(ended(State.UNKNOWN, "lost_answer"), PLACE)
    assert note
    assert note.subject == "photo.jpg: operator needed (lost_answer)"
    assert "could be paid twice" in note.text


def test_a_rejection_lists_every_problem() -> None:
    problems = [
        Problem("prompt", "nothing", "a text"),
        Problem('"promt"', "x", "y", "Did you mean prompt?"),
    ]
    mail = drop_rejected("a/b.jpg", problems, "clips/a/b/rejected-1.json", PLACE)
    assert mail.subject == "b.jpg: please correct its sidecar"
    assert "prompt is missing." in mail.text
    assert "Did you mean prompt?" in mail.text
    assert [problem["field"] for problem in mail.document["problems"]] == ["prompt", '"promt"']


@pytest.mark.parametrize(
    ("origin", "sidecar"),
    [
        ("campaign/photo.json", "photo.json"),
        ("campaign/photo.jpg.json", "photo.jpg.json"),
        ("campaign/photo.txt", "photo.json"),
        ("campaign/defaults.json", "photo.json"),
        ("campaign/batch.csv, row 3", "photo.json"),
    ],
)
def test_another_clip_is_asked_for_in_a_file_that_counts(origin: str, sidecar: str) -> None:
    job = make_job(origins={"prompt": origin}, state=State.DELIVERED)
    assert sidecar_name(job) == sidecar


@fuzzed(200)
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


# Everything that a UTF-8 name can hold, and what breaks lines, terminals and XML above all.
hostile = st.text(
    st.characters(codec="utf-8") | st.sampled_from("\x00\n\r\x1b\u2028\u202e\ufeff\uffff\"'\\/<&{%")
)
keys = hostile.filter(lambda text: 0 < len(text.encode()) <= 1024)
MAX_MESSAGE = 256 * 1024


def sent(mail: Mail) -> dict[str, Any]:
    """What SNS would get, checked against its limits."""
    topic = Topic()
    Publisher(topic, "arn").send(mail)  # type: ignore[arg-type]
    (message,) = topic.taken
    for attribute in message["MessageAttributes"].values():
        value = attribute["StringValue"]
        assert value
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", value)
    attributes = json.dumps(message["MessageAttributes"], ensure_ascii=False)
    size = len(message["Message"].encode()) + len(attributes.encode()) + len(message["Subject"])
    assert size < MAX_MESSAGE
    assert mail.document == json.loads(json.loads(message["Message"])["default"])
    return message


def lines_of(mail: Mail) -> int:
    assert all(
        char == "\n" or char.isprintable() or unicodedata.category(char) == "Zs"
        for char in mail.text
    )
    return mail.text.count("\n")


@fuzzed(100)
@given(keys, hostile, hostile, st.sampled_from(["transient", "lost_answer", "accident"]))
def test_hostile_names_prompts_and_reasons_change_no_line_of_a_mail(
    key: str, prompt: str, reason: str, kind: str
) -> None:
    def mails(key: str, prompt: str, reason: str) -> list[Mail]:
        source = Source("inbox", key, "e", "image/jpeg", 1, 1, "sources/x.jpg")
        settings = ClipSettings(prompt, "16:9", "540p", "5s")
        end = ended(State.FAILED, kind)
        end = replace(
            end, source=source, settings=settings, failure=JobFailure(FailureKind(kind), reason)
        )
        note = job_alert(end, PLACE)
        clip = clip_delivered(delivered(source=source, settings=settings), CLIP, PLACE)
        return [clip, clip_not_delivered(end, PLACE), *([note] if note else [])]

    tame = mails("a/b.jpg", "push", "x" if reason.strip() else "")
    for mail, plain in zip(mails(key, prompt, reason), tame, strict=True):
        assert sent(mail)["MessageAttributes"]["folder"]["StringValue"].endswith("/")
        assert lines_of(mail) == lines_of(plain)
        assert mail.document["image"] == key


@example(b'{"prompt": "\\ud800", "\\udfff": 1}')
@given(st.binary(max_size=200) | st.dictionaries(hostile, hostile).map(json.dumps).map(str.encode))
def test_the_mail_about_a_hostile_sidecar_can_be_sent(data: bytes) -> None:
    with suppress(StopIteration):
        mail = drop_rejected("a.jpg", problems_in(data), "clips/a/rejected-1.json", PLACE)
        sent(mail)
        lines_of(mail)


def problems_in(data: bytes) -> Sequence[Problem]:
    try:
        parse_sidecar(data)
    except RejectedError as error:
        return error.problems
    raise StopIteration


def test_thousands_of_problems_and_the_longest_names_fit_into_one_mail() -> None:
    key = "\x01" * 1024
    many = problems_in(json.dumps({f"f{n}": 1 for n in range(5000)}).encode())
    mail = drop_rejected(key, many, key, PLACE)
    sent(mail)
    assert mail.document["problems_in_all"] == len(many)
    source = Source("inbox", key, "e", "image/jpeg", 1, 1, "sources/x.jpg")
    failure = JobFailure(FailureKind.ACCIDENT, "\U0001f600" * 100_000)
    job = make_job(source=source, state=State.STALLED, failure=failure)
    sent(clip_not_delivered(job, PLACE))


@pytest.mark.parametrize(
    ("key", "folder"),
    [
        ("photo.jpg", "/"),
        ("campaign/photo.jpg", "campaign/"),
        ("campaign/summer/photo.jpg", "campaign/summer/"),
        ("campaign\u202f1/\x00/photo.jpg", "campaign\u202f1/?/"),
    ],
)
def test_a_mail_can_be_filtered_by_its_images_folder(key: str, folder: str) -> None:
    source = Source("inbox", key, "e", "image/jpeg", 1, 1, "sources/x.jpg")
    end = replace(ended(State.UNKNOWN, "lost_answer"), source=source)
    problems = [Problem("prompt", "nothing", "a text")]
    note = job_alert(end, PLACE)
    assert note
    for mail in (
        clip_delivered(delivered(source=source), CLIP, PLACE),
        clip_not_delivered(end, PLACE),
        drop_rejected(key, problems, "clips/x/rejected-1.json", PLACE),
        note,
    ):
        assert mail.attributes["folder"] == folder


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
    Publisher(topic, "arn").send(MAIL)  # type: ignore[arg-type]
    (message,) = topic.taken
    assert json.loads(message["Message"]) == {"default": '{"text": "text"}', "email": "text"}
    assert message["Subject"] == "subject"
    assert message["MessageAttributes"]["outcome"]["StringValue"] == "delivered"


def test_labels_are_an_attribute_by_which_subscriptions_filter() -> None:
    topic = Topic()
    labelled = make_job(state=State.REFUSED, labels=("campaign=spring", "möwe"))
    mail = clip_not_delivered(labelled, Links("eu-central-1", "clips"))
    Publisher(topic, "arn").send(mail)  # type: ignore[arg-type]
    attribute = topic.taken[0]["MessageAttributes"]["labels"]
    assert attribute["DataType"] == "String.Array"
    assert json.loads(attribute["StringValue"]) == ["campaign=spring", "möwe"]
    assert "Labels: campaign=spring, möwe" in mail.text


def test_a_subject_that_sns_refuses_does_not_lose_the_mail() -> None:
    topic = Topic("InvalidParameter")
    Publisher(topic, "arn").send(MAIL)  # type: ignore[arg-type]
    assert "Subject" not in topic.taken[0]


def test_another_refusal_is_not_swallowed() -> None:
    with pytest.raises(ClientError):
        Publisher(Topic("AuthorizationError"), "arn").send(MAIL)  # type: ignore[arg-type]
