"""`submit`: drops that start no job are mailed once, with what to correct."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dropreel.jobs.job import State
from dropreel.jobs.naming import rejection_record
from dropreel.ledger.rejected import newest_rejected
from dropreel.mail.once import LEASE_S
from dropreel.steps.submit import Submit
from tests.support.aws import Aws, Clock
from tests.support.pictures import animation, picture
from tests.support.submitting import (
    IMAGE,
    SIDECAR,
    delayed,
    finish,
    make_submit,
    put,
    sidecar,
    uploaded,
)


def test_dropping_the_files_of_a_delivered_clip_again_mails_once_how_to_get_another_take(
    aws: Aws, submit: Submit
) -> None:
    put(aws, SIDECAR, sidecar())
    submit.handle(put(aws, IMAGE, picture()))
    finish(aws, ended_at="2020-01-01T00:00:00.000Z")
    again = put(aws, IMAGE, picture())
    for _ in range(2):  # the event comes twice
        submit.handle(again)
    (mail,) = aws.results.take()
    assert mail["problems"][0]["field"] == "take"
    assert '"take": 2' in mail["text"]
    assert len(aws.executions()) == 1


def test_dropping_the_files_again_before_the_delivery_sends_no_mail(
    aws: Aws, submit: Submit
) -> None:
    put(aws, SIDECAR, sidecar())
    submit.handle(put(aws, IMAGE, picture()))
    again = put(aws, IMAGE, picture())
    finish(aws, ended_at="2999-01-01T00:00:00.000Z")
    submit.handle(again)  # late
    assert aws.results.take() == []


def test_an_image_alone_is_mailed_once_after_its_grace(aws: Aws, submit: Submit) -> None:
    submit.handle(put(aws, IMAGE, picture()))
    assert aws.results.take() == []
    again = {"look_again": {"key": IMAGE, "since": uploaded(aws, IMAGE)}}
    for _ in range(2):
        submit.handle(again)
    (mail,) = aws.results.take()
    assert mail["subject"] == "lighthouse.jpg: one file is missing"
    assert mail["problems"][0]["found"] == "none beside this image"
    assert aws.read_json(mail["record"].removeprefix("s3://clips/"))["file"] == IMAGE


def test_a_sidecar_alone_is_mailed_after_its_grace(aws: Aws, submit: Submit) -> None:
    submit.handle(put(aws, SIDECAR, sidecar()))
    again = {"look_again": {"key": SIDECAR, "since": uploaded(aws, SIDECAR)}}
    submit.handle(again)
    (mail,) = aws.results.take()
    assert mail["problems"][0]["field"] == "image"


def test_the_check_for_a_missing_partner_comes_through_the_queue_after_the_grace(
    aws: Aws, clock: Clock
) -> None:
    impatient = make_submit(aws, clock, grace_s=0)
    impatient.handle(put(aws, IMAGE, picture()))
    (message,) = delayed(aws)
    impatient.handle(message)
    assert len(aws.results.take()) == 1


def test_the_check_for_a_missing_partner_ignores_an_image_that_was_replaced(
    aws: Aws, submit: Submit
) -> None:
    put(aws, IMAGE, picture())
    submit.handle({"look_again": {"key": IMAGE, "since": "2020-01-01T00:00:00.000Z"}})
    assert aws.results.take() == []


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
    aws: Aws, submit: Submit, body: bytes, says: str
) -> None:
    put(aws, SIDECAR, sidecar())
    submit.handle(put(aws, IMAGE, body))
    (mail,) = aws.results.take()
    assert says.lower() in mail["problems"][0]["found"].lower()
    assert aws.executions() == []
    assert len(aws.stored("clips/campaign/lighthouse/rejected-")) == 1


def test_the_dashboard_lists_a_rejected_drop_with_its_reason(aws: Aws, submit: Submit) -> None:
    put(aws, SIDECAR, sidecar(duration=7))
    for _ in range(2):
        submit.handle(put(aws, IMAGE, picture()))
    (first, *_) = newest_rejected(aws.table, "2026-11")
    assert first.key == IMAGE
    assert "duration" in first.reason
    assert aws.stored(f"clips/{IMAGE.removesuffix('.jpg')}/") == [
        rejection_record(IMAGE, one.rejection_id)
        for one in sorted(newest_rejected(aws.table, "2026-11"), key=lambda one: one.rejection_id)
    ]


def test_problems_of_both_files_come_in_one_mail(aws: Aws, submit: Submit, events: Path) -> None:
    put(aws, SIDECAR, (events / "sidecars/misspelt.json").read_bytes())
    submit.handle(put(aws, IMAGE, b"just some text"))
    (mail,) = aws.results.take()
    fields = {problem["field"] for problem in mail["problems"]}
    assert fields == {'"promt"', "prompt", "resolution", "image"}


def test_settings_beyond_the_provider_are_rejected_naming_those_that_can(
    aws: Aws, submit: Submit
) -> None:
    put(aws, SIDECAR, sidecar(provider="luma", aspect_ratio="3:1"))
    submit.handle(put(aws, IMAGE, picture()))
    (mail,) = aws.results.take()
    assert mail["problems"][0]["hint"] == "Providers that can: oxen"


def test_a_rejection_is_mailed_once_however_often_the_events_come(aws: Aws, submit: Submit) -> None:
    sidecar_event = put(aws, SIDECAR, b"{")
    image_event = put(aws, IMAGE, picture())
    for event in (sidecar_event, image_event, image_event):
        submit.handle(event)
    assert len(aws.results.take()) == 1


def test_a_rejection_whose_mail_failed_is_mailed_by_the_retry(aws: Aws, clock: Clock) -> None:
    class Broken:
        def send(self, mail: object) -> None:
            raise RuntimeError("no mail today")

    put(aws, SIDECAR, b"{")
    event = put(aws, IMAGE, picture())
    step = make_submit(aws, clock)
    broken = replace(step, rejections=replace(step.rejections, results=Broken()))
    with pytest.raises(RuntimeError):
        broken.handle(event)
    clock.pass_time(seconds=LEASE_S + 1)
    make_submit(aws, clock).handle(event)
    assert len(aws.results.take()) == 1


def test_correcting_the_sidecar_starts_the_job(aws: Aws, submit: Submit) -> None:
    put(aws, SIDECAR, b"{")
    submit.handle(put(aws, IMAGE, picture()))
    submit.handle(put(aws, SIDECAR, sidecar()))
    assert len(aws.executions()) == 1


@pytest.mark.parametrize("state", [State.UNKNOWN, State.STALLED])
def test_dropping_the_files_of_an_open_order_again_mails_once_to_wait(
    aws: Aws, submit: Submit, state: State
) -> None:
    put(aws, SIDECAR, sidecar())
    first = put(aws, IMAGE, picture())
    submit.handle(first)
    (execution,) = aws.executions()
    job = aws.ledger.require(execution["name"][-24:])
    steps = [State.SUBMITTING, *([State.SUBMITTED] if state is State.STALLED else []), state]
    for step in steps:
        job = aws.ledger.move(job, step, dropped_at="2020-01-01T00:00:00.000Z")
    again = put(aws, IMAGE, picture())
    for _ in range(2):
        submit.handle(again)
    (mail,) = aws.results.take()
    assert "please wait, do not upload it again" in mail["text"]
    assert len(aws.executions()) == 1


def test_a_late_event_of_an_open_order_is_no_new_drop(aws: Aws, submit: Submit) -> None:
    put(aws, SIDECAR, sidecar())
    event = put(aws, IMAGE, picture())
    submit.handle(event)
    (execution,) = aws.executions()
    job = aws.ledger.require(execution["name"][-24:])
    for step in (State.SUBMITTING, State.UNKNOWN):
        job = aws.ledger.move(job, step)
    submit.handle(event)
    assert aws.results.take() == []
