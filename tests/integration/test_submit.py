"""`submit`: which drops start a job, and that each starts only one."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dropreel.drops.inbox import Drop
from dropreel.drops.settling import Pair
from dropreel.jobs.job import State
from dropreel.jobs.naming import job_id
from dropreel.ledger.newest import NewestDrop, NewestDrops
from dropreel.steps.ingest import IngestQueue
from dropreel.steps.submit import Submit
from tests.support.aws import NOW, Aws, Clock, make_job
from tests.support.pictures import picture
from tests.support.submitting import IMAGE, SIDECAR, delayed, put, sidecar, uploaded


@pytest.mark.parametrize("first", ["image", "sidecar"])
def test_image_and_sidecar_start_one_job_in_either_order(
    aws: Aws, submit: Submit, events: Path, first: str
) -> None:
    second = "sidecar" if first == "image" else "image"
    bodies = {"image": picture(), "sidecar": sidecar()}
    keys = {"image": IMAGE, "sidecar": SIDECAR}
    for name in (first, second):
        put(aws, keys[name], bodies[name])
        event = json.loads((events / f"s3-object-created-{name}.json").read_text())
        submit.handle(event)
    (execution,) = aws.executions()
    assert execution["name"].startswith("lighthouse-")
    assert aws.results.take() == []


def test_a_started_job_is_claimed_with_its_settings_and_its_image_is_pinned(
    aws: Aws, submit: Submit
) -> None:
    put(aws, SIDECAR, sidecar(duration=10, resolution="720p"))
    submit.handle(put(aws, IMAGE, picture(), ContentType="binary/octet-stream"))
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


def test_the_same_event_many_times_at_once_starts_one_job(aws: Aws, submit: Submit) -> None:
    put(aws, SIDECAR, sidecar())
    event = put(aws, IMAGE, picture())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: submit.handle(event), range(8)))
    assert len(aws.executions()) == 1


def test_a_changed_sidecar_image_or_take_is_another_job(aws: Aws, submit: Submit) -> None:
    put(aws, SIDECAR, sidecar())
    submit.handle(put(aws, IMAGE, picture()))
    submit.handle(put(aws, SIDECAR, sidecar(resolution="720p")))
    submit.handle(put(aws, SIDECAR, sidecar(resolution="720p", take=2)))
    submit.handle(put(aws, IMAGE, picture(80, 45)))
    assert len(aws.executions()) == 4


def test_the_same_files_dropped_again_are_the_same_job(aws: Aws, submit: Submit) -> None:
    for _ in range(2):
        put(aws, SIDECAR, sidecar())
        submit.handle(put(aws, IMAGE, picture()))
    assert len(aws.executions()) == 1


class Overtaken(NewestDrops):
    """Another event decides on files that came just before, while this one looks around."""

    def read(self, bucket: str, image_key: str) -> NewestDrop:
        before = super().read(bucket, image_key)
        image = Drop(image_key, '"older"', 1, NOW)
        assert self.note(before, Pair(image), [])
        return before


@pytest.mark.parametrize(
    ("body", "executions", "mails"), [(sidecar(), 1, 0), (b"{", 0, 1)], ids=["right", "wrong"]
)
def test_an_event_that_is_overtaken_decides_nothing_and_looks_again(
    aws: Aws, submit: Submit, body: bytes, executions: int, mails: int
) -> None:
    put(aws, SIDECAR, body)
    event = put(aws, IMAGE, picture())
    again = {"recheck": {"key": IMAGE, "since": "", "settled": []}}
    sent: list[dict[str, Any]] = []
    client: Any = SimpleNamespace(send_message=lambda **message: sent.append(message))
    queue = IngestQueue(client, "queue")
    replace(submit, newest=Overtaken(aws.table), queue=queue).handle(event)
    assert (aws.executions(), aws.results.take()) == ([], [])
    (message,) = sent
    assert (json.loads(message["MessageBody"]), message["DelaySeconds"]) == (again, 1)
    submit.handle(again)
    assert (len(aws.executions()), len(aws.results.take())) == (executions, mails)


def put_in_parts(aws: Aws, key: str, body: bytes) -> dict[str, Any]:
    """As many tools upload large files; the ETag is not that of one upload."""
    where = {"Bucket": "inbox", "Key": key}
    upload = {**where, "UploadId": aws.s3.create_multipart_upload(**where)["UploadId"]}
    part = aws.s3.upload_part(**upload, PartNumber=1, Body=body)
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    aws.s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    return {"detail": {"object": {"key": key}}}


def test_the_same_image_uploaded_by_another_tool_is_the_same_job(aws: Aws, submit: Submit) -> None:
    put(aws, SIDECAR, sidecar())
    submit.handle(put(aws, IMAGE, picture()))
    submit.handle(put_in_parts(aws, IMAGE, picture()))
    (execution,) = aws.executions()
    source = aws.ledger.require(execution["name"][-24:]).source
    assert source.sha256 == hashlib.sha256(picture()).hexdigest()


def test_a_clip_of_an_older_version_is_not_ordered_again(aws: Aws, submit: Submit) -> None:
    put(aws, SIDECAR, sidecar())
    image = put(aws, IMAGE, picture())
    etag = aws.s3.head_object(Bucket="inbox", Key=IMAGE)["ETag"]
    older = make_job(job_id=job_id("inbox", IMAGE, etag, {"prompt": "slow push-in"}))
    job = aws.ledger.claim(older)
    for state in (State.SUBMITTING, State.SUBMITTED):
        job = aws.ledger.move(job, state)
    submit.handle(image)
    assert aws.executions() == []


def test_a_job_in_line_takes_the_cap_and_the_priority_of_the_newest_sidecar(
    aws: Aws, submit: Submit
) -> None:
    put(aws, SIDECAR, sidecar(max_cost_usd=0.6))
    submit.handle(put(aws, IMAGE, picture()))
    (execution,) = aws.executions()
    job = aws.ledger.require(execution["name"][-24:])
    aws.table.put(f"WAITING#luma 5#{job.created_at}#{job.job_id}", {"job_id": job.job_id})
    submit.handle(put(aws, SIDECAR, sidecar(max_cost_usd=0.1, priority="high")))
    held = aws.ledger.require(job.job_id)
    assert (held.max_cost_usd, held.priority, held.run) == (Decimal("0.1"), "high", 1)
    (place,) = aws.table.query("WAITING#luma")
    assert place["sk"].startswith("1#")
    assert len(aws.executions()) == 1


def test_a_prompt_in_the_images_metadata_needs_no_sidecar(aws: Aws, submit: Submit) -> None:
    submit.handle(put(aws, IMAGE, picture(), Metadata={"prompt": "slow push-in"}))
    (execution,) = aws.executions()
    job = aws.ledger.require(execution["name"].removeprefix("lighthouse-"))
    assert job.settings.prompt == "slow push-in"


def test_a_partner_that_comes_during_the_grace_starts_the_job(aws: Aws, submit: Submit) -> None:
    submit.handle(put(aws, IMAGE, picture()))
    since = uploaded(aws, IMAGE)
    submit.handle(put(aws, SIDECAR, sidecar()))
    submit.handle({"look_again": {"key": IMAGE, "since": since}})
    assert len(aws.executions()) == 1
    assert aws.results.take() == []


@pytest.mark.parametrize("key", [IMAGE, SIDECAR])
def test_an_event_for_a_deleted_file_does_nothing(aws: Aws, submit: Submit, key: str) -> None:
    event = put(aws, key, picture())
    aws.s3.delete_object(Bucket="inbox", Key=key)
    submit.handle(event)
    assert aws.executions() == []
    assert delayed(aws) == []


def test_a_file_that_is_neither_image_nor_sidecar_is_ignored(aws: Aws, submit: Submit) -> None:
    submit.handle(put(aws, "campaign/notes.txt", b"x"))
    assert (aws.executions(), delayed(aws)) == ([], [])


def test_a_sidecar_named_without_the_images_extension_starts_every_image_of_its_name(
    aws: Aws, submit: Submit
) -> None:
    put(aws, "a/photo.jpg", picture())
    put(aws, "a/photo.png", picture(form="PNG"))
    submit.handle(put(aws, "a/photo.json", sidecar()))
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
def test_any_key_that_s3_takes_starts_a_job(aws: Aws, submit: Submit, name: str) -> None:
    folder = f"drop-{uuid4().hex}"  # a new one for each example: the bucket outlives it
    before = {execution["name"] for execution in aws.executions()}
    put(aws, f"{folder}/{name}.json", sidecar())
    submit.handle(put(aws, f"{folder}/{name}.JPG", picture()))
    (started,) = [one["name"] for one in aws.executions() if one["name"] not in before]
    assert aws.ledger.require(started[-24:]).source.key == f"{folder}/{name}.JPG"


@pytest.mark.parametrize(
    "name",
    ["two words", "a+b", "100%", "a%20b", "a+b%20c", "Größe", "写真", "e\u0301", "..", "x" * 1015],
)
def test_awkward_keys_start_exactly_one_job(aws: Aws, submit: Submit, name: str) -> None:
    put(aws, f"{name}.json", sidecar())
    submit.handle(put(aws, f"{name}.jpg", picture()))
    (execution,) = aws.executions()
    job = aws.ledger.require(execution["name"][-24:])
    assert job.source.key == f"{name}.jpg"
    assert len(job.record_key.encode()) <= 1024


def test_a_started_job_requests_its_thumbnail_once(aws: Aws, submit: Submit, clock: Clock) -> None:
    event = put(aws, "a/photo.jpg", picture())
    put(aws, "a/photo.json", sidecar())
    submit.handle(event)
    clock.pass_time(seconds=1)
    submit.handle(event)
    (execution,) = aws.executions()
    name = execution["name"][-24:]
    order = {"job_id": name, "pinned_key": f"sources/{name}.jpg"}
    assert aws.functions.invoked == [("thumbnail", order)]


def test_a_job_that_another_event_was_quicker_to_start_has_its_thumbnail(
    aws: Aws, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = aws.workflow.start_execution

    def started_before(**execution: Any) -> Any:
        start(**execution)
        raise aws.workflow.exceptions.ExecutionAlreadyExists({"Error": {}}, "StartExecution")

    monkeypatch.setattr(aws.workflow, "start_execution", started_before)
    put(aws, IMAGE, picture())
    submit.handle(put(aws, SIDECAR, sidecar()))
    assert [name for name, _ in aws.functions.invoked] == ["thumbnail"]


def test_a_failed_request_for_a_thumbnail_does_not_stop_the_job(aws: Aws, submit: Submit) -> None:
    aws.functions.error = ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke")
    put(aws, "a/photo.json", sidecar())
    submit.handle(put(aws, "a/photo.jpg", picture()))
    assert len(aws.executions()) == 1
