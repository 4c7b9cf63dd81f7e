"""`submit` and several takes: one group for one drop, and only what is new is claimed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dropreel.jobs.job import Job, State
from dropreel.ledger.groups import Groups
from dropreel.ledger.table import Update
from dropreel.steps.submit import Submit
from tests.support.aws import Aws, Clock
from tests.support.container import FakeContainer
from tests.support.groups import end
from tests.support.pictures import picture
from tests.support.submitting import IMAGE, SIDECAR, put, sidecar
from tests.support.uploads import PHOTO, Uploads, fields, prompts


def drop(aws: Aws, submit: Submit, **fields: Any) -> list[Job]:
    """The jobs of the image after this drop, by take."""
    put(aws, IMAGE, picture())
    submit.handle(put(aws, SIDECAR, sidecar(**fields)))
    given = [
        json.loads(aws.workflow.describe_execution(executionArn=one["executionArn"])["input"])
        for one in aws.executions()
    ]
    jobs = {one["job_id"]: aws.ledger.require(one["job_id"]) for one in given}
    return sorted(jobs.values(), key=lambda job: (job.settings.take, job.provider))


def ids(jobs: list[Job]) -> list[str]:
    return [job.job_id for job in jobs]


def end_all(aws: Aws, jobs: list[Job], state: State) -> None:
    for job in jobs:
        end(aws.ledger, job, state)


def test_one_drop_of_several_takes_starts_a_job_for_each_as_one_group(
    aws: Aws, submit: Submit
) -> None:
    jobs = drop(aws, submit, takes=[{}, {"provider": "fal"}, {}])
    assert [(job.provider, job.settings.take) for job in jobs] == [
        ("fal", 1),
        ("luma", 1),
        ("luma", 2),
    ]
    (group,) = {job.group for job in jobs}
    taken = Groups(aws.table).require(group).takes
    assert {(take.job_id, take.run) for take in taken} == {(job.job_id, 1) for job in jobs}
    assert len(aws.stored("sources/")) == 3


def test_clips_that_differ_in_their_prompts_are_saved_under_different_names(
    aws: Aws, submit: Submit
) -> None:
    jobs = drop(aws, submit, takes=[{"prompt": "push-in"}, {"prompt": "orbit"}, {}])
    names = {job.settings.prompt: job.clip_name for job in jobs}
    assert names["orbit"].endswith("-take2.mp4")
    assert len(set(names.values())) == 3


def test_the_same_events_again_start_nothing(aws: Aws, submit: Submit, clock: Clock) -> None:
    jobs = drop(aws, submit, takes=3)
    clock.pass_time(minutes=10)
    for key in (IMAGE, SIDECAR):
        submit.handle({"detail": {"bucket": {"name": "inbox"}, "object": {"key": key}}})
    assert len(aws.executions()) == 3
    assert {aws.ledger.require(job.job_id).state for job in jobs} == {State.CLAIMED}


def test_one_take_alone_is_no_group(aws: Aws, submit: Submit) -> None:
    (job,) = drop(aws, submit, takes=1)
    assert job.group == ""
    assert ids(drop(aws, submit)) == [job.job_id]


def test_a_take_alone_is_the_job_that_the_takes_have_made(aws: Aws, submit: Submit) -> None:
    jobs = drop(aws, submit, takes=3)
    assert ids(drop(aws, submit, take=2)) == ids(jobs)


def test_more_takes_order_only_those_that_are_new(aws: Aws, submit: Submit) -> None:
    first = drop(aws, submit, takes=2)
    end_all(aws, first, State.DELIVERED)
    jobs = drop(aws, submit, takes=4)
    assert [job.state for job in jobs] == [State.DELIVERED] * 2 + [State.CLAIMED] * 2
    group = Groups(aws.table).require(jobs[2].group)
    assert [take.run for take in group.takes] == [0, 0, 1, 1]


def test_takes_that_were_all_made_before_are_told_in_one_mail_with_a_new_link(
    aws: Aws, clock: Clock
) -> None:
    submit = FakeContainer(
        aws, clock, LINK_DAYS="7", PAGES_URL="https://pages.example", PAGE_KEY_SECRET="page-key"
    ).step(Submit)
    jobs = drop(aws, submit, takes=3)
    end_all(aws, jobs, State.DELIVERED)
    for job in jobs:  # S3 counts in seconds
        earlier = Update(f"JOB#{job.job_id}", sets={"dropped_at": "2026-11-19T09:30:00.000Z"})
        aws.table.update(earlier)
    drop(aws, submit, takes=3, priority="high")
    (mail,) = aws.results.take()
    (problem,) = mail["problems"]
    assert problem["field"] == "takes"
    assert problem["found"].startswith("3 clips that were all made before")
    assert "for 7 days, without signing in:\nhttps://pages.example/" in mail["text"]


@pytest.mark.parametrize(
    ("newer", "ordered"),
    [
        ({"prompt": "orbit"}, ["orbit"]),
        ({"prompt": "push-in"}, ["push-in"]),
        ({"prompt": "orbit", "takes": 2}, ["orbit"] * 2),
        ({"prompt": "orbit", "take": 2}, ["orbit", *["push-in"] * 2]),
        ({"prompt": "orbit", "take": 4}, ["orbit", *["push-in"] * 3]),
    ],
)
def test_takes_that_wait_give_way_together_unless_the_newer_drop_names_its_take(
    newer: dict[str, Any], ordered: list[str]
) -> None:
    uploads = Uploads(line_s=300)
    uploads.upload(0, "a/photo.jpg", PHOTO, 1)
    uploads.upload(1, "a/photo.json", fields(prompt="push-in", takes=3), 1)
    uploads.upload(100, "a/photo.json", fields(**newer), 1)
    assert sorted(prompts(uploads)) == ordered


def test_takes_give_way_to_a_later_drop_after_one_that_added_a_take() -> None:
    uploads = Uploads(line_s=300)
    uploads.upload(0, "a/photo.jpg", PHOTO, 1)
    uploads.upload(1, "a/photo.json", fields(prompt="push-in", takes=3), 1)
    uploads.upload(100, "a/photo.json", fields(prompt="orbit", take=4), 1)
    uploads.upload(200, "a/photo.json", fields(prompt="pan left"), 1)
    assert sorted(prompts(uploads)) == ["orbit", "pan left"]


def test_one_mail_names_what_is_wrong_with_each_entry_and_nothing_starts(
    aws: Aws, submit: Submit
) -> None:
    jobs = drop(
        aws, submit, takes=[{}, {"duration": 7}, {"provider": "luma", "aspect_ratio": "3:1"}]
    )
    assert jobs == []
    (mail,) = aws.results.take()
    assert [problem["field"] for problem in mail["problems"]] == ["take 2 of the list: duration"]
