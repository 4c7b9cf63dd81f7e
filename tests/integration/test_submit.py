from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dropreel.jobs.job import Attempt, State
from dropreel.mail.once import LEASE_S
from dropreel.steps.submit import Submit
from tests.support.aws import Aws, Clock
from tests.support.container import FakeContainer
from tests.support.pictures import animation, picture

IMAGE, SIDECAR = "campaign/lighthouse.jpg", "campaign/lighthouse.json"


@pytest.fixture
def intake(aws: Aws, clock: Clock) -> Submit:
    return make_intake(aws, clock)


def make_intake(aws: Aws, clock: Clock, grace_s: int = 900) -> Submit:
    return FakeContainer(aws, clock, SIDECAR_GRACE_SECONDS=str(grace_s)).step(Submit)


def put(aws: Aws, key: str, body: bytes, **options: Any) -> dict[str, Any]:
    """Upload a file; returns the event that S3 sends through EventBridge."""
    aws.s3.put_object(Bucket="inbox", Key=key, Body=body, **options)
    return {"detail": {"bucket": {"name": "inbox"}, "object": {"key": key}}}


def sidecar(**fields: Any) -> bytes:
    return json.dumps({"prompt": "slow push-in", **fields}).encode()


def delayed(aws: Aws) -> list[dict[str, Any]]:
    """Our own delayed messages, made visible at once."""
    answer = aws.sqs.receive_message(QueueUrl=aws.ingest_queue, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def finish(aws: Aws, ended_at: str) -> None:
    """Bring the only job there is to a delivered clip."""
    (execution,) = aws.executions()
    job = aws.ledger.require(execution["name"][-24:])
    for state in (State.SUBMITTING, State.SUBMITTED, State.READY):
        job = aws.ledger.move(job, state)
    order = Attempt(job.provider, asked_at=ended_at, ended_at=ended_at)
    aws.ledger.move(job, State.DELIVERED, attempts=(order,))


@pytest.mark.parametrize("first", ["image", "sidecar"])
def test_image_and_sidecar_start_one_job_in_either_order(
    aws: Aws, intake: Submit, events: Path, first: str
) -> None:
    second = "sidecar" if first == "image" else "image"
    bodies = {"image": picture(), "sidecar": sidecar()}
    keys = {"image": IMAGE, "sidecar": SIDECAR}
    for name in (first, second):
        put(aws, keys[name], bodies[name])
        event = json.loads((events / f"s3-object-created-{name}.json").read_text())
        intake.handle(event)
    (execution,) = aws.executions()
    assert execution["name"].startswith("lighthouse-")
    assert aws.results.take() == []


def test_a_started_job_is_claimed_with_its_settings_and_its_image_is_pinned(
    aws: Aws, intake: Submit
) -> None:
    put(aws, SIDECAR, sidecar(duration=10, resolution="720p"))
    intake.handle(put(aws, IMAGE, picture(), ContentType="binary/octet-stream"))
    (execution,) = aws.executions()
    described = aws.workflow.describe_execution(executionArn=execution["executionArn"])
    given_to_workflow = json.loads(described["input"])
    job = aws.ledger.require(given_to_workflow["job_id"])
    assert given_to_workflow == {
        "job_id": job.job_id,
        "image": IMAGE,
        "provider": "luma",
        "settings": "10s 720p 16:9",
        "estimate_usd": "0.90",
        "run": 1,
    }
    assert (job.state, job.run, job.settings.duration) == (State.CLAIMED, 1, "10s")
    pinned = aws.s3.get_object(Bucket="clips", Key=job.source.pinned_key)
    assert (pinned["ContentType"], pinned["Body"].read()) == ("image/jpeg", picture())


def test_the_same_event_many_times_at_once_starts_one_job(aws: Aws, intake: Submit) -> None:
    put(aws, SIDECAR, sidecar())
    event = put(aws, IMAGE, picture())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: intake.handle(event), range(8)))
    assert len(aws.executions()) == 1


def test_a_changed_sidecar_image_or_take_is_another_job(aws: Aws, intake: Submit) -> None:
    put(aws, SIDECAR, sidecar())
    intake.handle(put(aws, IMAGE, picture()))
    intake.handle(put(aws, SIDECAR, sidecar(resolution="720p")))
    intake.handle(put(aws, SIDECAR, sidecar(resolution="720p", take=2)))
    intake.handle(put(aws, IMAGE, picture(80, 45)))
    assert len(aws.executions()) == 4


def test_the_same_files_dropped_again_are_the_same_job(aws: Aws, intake: Submit) -> None:
    for _ in range(2):
        put(aws, SIDECAR, sidecar())
        intake.handle(put(aws, IMAGE, picture()))
    assert len(aws.executions()) == 1


def test_who_drops_the_files_of_a_finished_clip_again_is_told_how_to_get_another(
    aws: Aws, intake: Submit
) -> None:
    put(aws, SIDECAR, sidecar())
    intake.handle(put(aws, IMAGE, picture()))
    finish(aws, ended_at="2020-01-01T00:00:00.000Z")
    again = put(aws, IMAGE, picture())
    for _ in range(2):  # the event comes twice
        intake.handle(again)
    (mail,) = aws.results.take()
    assert mail["problems"][0]["field"] == "take"
    assert '"take": 2' in mail["text"]
    assert len(aws.executions()) == 1


def test_who_dropped_the_files_again_before_the_clip_was_finished_is_told_nothing_more(
    aws: Aws, intake: Submit
) -> None:
    put(aws, SIDECAR, sidecar())
    intake.handle(put(aws, IMAGE, picture()))
    again = put(aws, IMAGE, picture())
    finish(aws, ended_at="2999-01-01T00:00:00.000Z")
    intake.handle(again)  # late
    assert aws.results.take() == []


def test_a_prompt_in_the_images_metadata_needs_no_sidecar(aws: Aws, intake: Submit) -> None:
    intake.handle(put(aws, IMAGE, picture(), Metadata={"prompt": "slow push-in"}))
    (execution,) = aws.executions()
    job = aws.ledger.require(execution["name"].removeprefix("lighthouse-"))
    assert job.settings.prompt == "slow push-in"


def test_an_image_alone_waits_and_is_told_once_after_its_grace(aws: Aws, intake: Submit) -> None:
    intake.handle(put(aws, IMAGE, picture()))
    assert aws.results.take() == []
    again = {"look_again": {"key": IMAGE, "since": _uploaded(aws, IMAGE)}}
    for _ in range(2):
        intake.handle(again)
    (mail,) = aws.results.take()
    assert mail["subject"] == "lighthouse.jpg: no clip, please correct the files"
    assert mail["problems"][0]["found"] == "none beside this image"
    assert aws.read_json(mail["record"].removeprefix("s3://clips/"))["file"] == IMAGE


def test_a_sidecar_alone_is_told_after_its_grace(aws: Aws, intake: Submit) -> None:
    intake.handle(put(aws, SIDECAR, sidecar()))
    again = {"look_again": {"key": SIDECAR, "since": _uploaded(aws, SIDECAR)}}
    intake.handle(again)
    (mail,) = aws.results.take()
    assert mail["problems"][0]["field"] == "image"


def test_the_second_look_comes_through_the_queue_after_the_grace(aws: Aws, clock: Clock) -> None:
    impatient = make_intake(aws, clock, grace_s=0)
    impatient.handle(put(aws, IMAGE, picture()))
    (message,) = delayed(aws)
    impatient.handle(message)
    assert len(aws.results.take()) == 1


def test_a_partner_that_comes_during_the_grace_starts_the_job(aws: Aws, intake: Submit) -> None:
    intake.handle(put(aws, IMAGE, picture()))
    since = _uploaded(aws, IMAGE)
    intake.handle(put(aws, SIDECAR, sidecar()))
    intake.handle({"look_again": {"key": IMAGE, "since": since}})
    assert len(aws.executions()) == 1
    assert aws.results.take() == []


def test_a_second_look_at_an_image_that_was_replaced_says_nothing(aws: Aws, intake: Submit) -> None:
    put(aws, IMAGE, picture())
    intake.handle({"look_again": {"key": IMAGE, "since": "2020-01-01T00:00:00.000Z"}})
    assert aws.results.take() == []


@pytest.mark.parametrize("key", [IMAGE, SIDECAR])
def test_a_file_that_is_gone_is_nobodys_business(aws: Aws, intake: Submit, key: str) -> None:
    event = put(aws, key, picture())
    aws.s3.delete_object(Bucket="inbox", Key=key)
    intake.handle(event)
    assert aws.executions() == []
    assert delayed(aws) == []


def test_other_files_are_left_alone(aws: Aws, intake: Submit) -> None:
    intake.handle(put(aws, "campaign/notes.txt", b"x"))
    assert aws.executions() == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "0 bytes"),
        (b"just some text", "text"),
        (picture(form="GIF"), "GIF"),
        (animation("WEBP"), "animat"),
        (animation("PNG"), "animat"),
        (picture()[:20], ""),
    ],
    ids=["empty", "text", "gif", "webp-animation", "png-animation", "cut"],
)
def test_a_file_that_is_no_still_image_is_rejected(
    aws: Aws, intake: Submit, body: bytes, says: str
) -> None:
    put(aws, SIDECAR, sidecar())
    intake.handle(put(aws, IMAGE, body))
    (mail,) = aws.results.take()
    assert says.lower() in mail["problems"][0]["found"].lower()
    assert aws.executions() == []
    assert len(aws.stored("clips/campaign/lighthouse/rejected-")) == 1


def test_problems_of_both_files_come_in_one_mail(aws: Aws, intake: Submit, events: Path) -> None:
    put(aws, SIDECAR, (events / "sidecars/misspelt.json").read_bytes())
    intake.handle(put(aws, IMAGE, b"just some text"))
    (mail,) = aws.results.take()
    fields = {problem["field"] for problem in mail["problems"]}
    assert fields == {'"promt"', "prompt", "resolution", "image"}


def test_what_no_provider_can_do_is_rejected(aws: Aws, intake: Submit) -> None:
    put(aws, SIDECAR, sidecar(provider="luma", aspect_ratio="3:1"))
    intake.handle(put(aws, IMAGE, picture()))
    (mail,) = aws.results.take()
    assert mail["problems"][0]["hint"] == "Providers that can: oxen"


def test_a_rejection_is_told_once_however_often_the_events_come(aws: Aws, intake: Submit) -> None:
    sidecar_event = put(aws, SIDECAR, b"{")
    image_event = put(aws, IMAGE, picture())
    for event in (sidecar_event, image_event, image_event):
        intake.handle(event)
    assert len(aws.results.take()) == 1


def test_a_rejection_whose_mail_failed_is_told_by_the_retry(aws: Aws, clock: Clock) -> None:
    class Broken:
        def send(self, mail: object) -> None:
            raise RuntimeError("no mail today")

    put(aws, SIDECAR, b"{")
    event = put(aws, IMAGE, picture())
    broken = replace(make_intake(aws, clock), results=Broken())
    with pytest.raises(RuntimeError):
        broken.handle(event)
    clock.pass_time(seconds=LEASE_S + 1)
    make_intake(aws, clock).handle(event)
    assert len(aws.results.take()) == 1


def test_mending_the_sidecar_starts_the_job(aws: Aws, intake: Submit) -> None:
    put(aws, SIDECAR, b"{")
    intake.handle(put(aws, IMAGE, picture()))
    intake.handle(put(aws, SIDECAR, sidecar()))
    assert len(aws.executions()) == 1


def test_one_short_sidecar_starts_every_image_of_its_name(aws: Aws, intake: Submit) -> None:
    put(aws, "a/photo.jpg", picture())
    put(aws, "a/photo.png", picture(form="PNG"))
    intake.handle(put(aws, "a/photo.json", sidecar()))
    assert len(aws.executions()) == 2


keys = st.text(
    st.characters(codec="utf-8", exclude_characters="\0/\\", exclude_categories=("Cc", "Cs")),
    min_size=1,
    max_size=60,
)


@hypothesis_settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(name=keys)
def test_any_key_that_s3_takes_starts_a_job(aws: Aws, intake: Submit, name: str) -> None:
    folder = f"drop-{uuid4().hex}"  # a new one for each example: the bucket outlives it
    before = {execution["name"] for execution in aws.executions()}
    put(aws, f"{folder}/{name}.json", sidecar())
    intake.handle(put(aws, f"{folder}/{name}.JPG", picture()))
    (started,) = [one["name"] for one in aws.executions() if one["name"] not in before]
    assert aws.ledger.require(started[-24:]).source.key == f"{folder}/{name}.JPG"


@pytest.mark.parametrize(
    "name",
    ["two words", "a+b", "100%", "a%20b", "a+b%20c", "Größe", "写真", "e\u0301", "..", "x" * 1015],
)
def test_awkward_keys_start_exactly_one_job(aws: Aws, intake: Submit, name: str) -> None:
    put(aws, f"{name}.json", sidecar())
    intake.handle(put(aws, f"{name}.jpg", picture()))
    (execution,) = aws.executions()
    job = aws.ledger.require(execution["name"][-24:])
    assert job.source.key == f"{name}.jpg"
    assert len(job.record_key.encode()) <= 1024


def _uploaded(aws: Aws, key: str) -> str:
    head = aws.s3.head_object(Bucket="inbox", Key=key)
    from dropreel.jobs.job import utc_iso

    return utc_iso(head["LastModified"])


def test_a_thumbnail_is_asked_for_once_when_the_job_has_started(
    aws: Aws, intake: Submit, clock: Clock
) -> None:
    event = put(aws, "a/photo.jpg", picture())
    put(aws, "a/photo.json", sidecar())
    intake.handle(event)
    clock.pass_time(seconds=1)
    intake.handle(event)
    (execution,) = aws.executions()
    name = execution["name"][-24:]
    order = {"job_id": name, "pinned_key": f"sources/{name}.jpg"}
    assert aws.functions.invoked == [("thumbnail", order)]


def test_a_thumbnail_that_cannot_be_asked_for_troubles_nobody(aws: Aws, intake: Submit) -> None:
    aws.functions.error = ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke")
    put(aws, "a/photo.json", sidecar())
    intake.handle(put(aws, "a/photo.jpg", picture()))
    assert len(aws.executions()) == 1
