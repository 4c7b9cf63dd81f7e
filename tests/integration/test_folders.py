"""Fewer files: defaults for a folder, prompts in texts, rows of a batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dropreel.pages.words import sidecar_again
from tests.support.uploads import (
    GRACE_S,
    HOUR,
    PHOTO,
    SETTLE_S,
    Uploads,
    fields,
    prompts,
)

# --- defaults ------------------------------------------------------------------------------------


def test_a_folder_of_images_needs_one_file() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/defaults.json", fields(prompt="push-in", duration=10), 1)
    for number in range(9):
        uploads.upload(number, f"a/{number}.jpg", PHOTO, 1)
    assert prompts(uploads) == ["push-in"] * 9
    assert {job.settings.duration for job in uploads.jobs} == {"10s"}
    assert uploads.jobs[0].origins == {"prompt": "a/defaults.json", "duration": "a/defaults.json"}
    assert uploads.mails == []


def test_defaults_are_merged_down_the_tree_and_the_nearest_wins_field_by_field() -> None:
    uploads = Uploads()
    uploads.upload(0, "defaults.json", fields(prompt="far", resolution="720p", take=7), 1)
    uploads.upload(0, "a/defaults.json", fields(prompt="near"), 1)
    uploads.upload(1, "a/b/photo.jpg", PHOTO, 1)
    uploads.upload(1, "a/b/photo.json", fields(take=2), 1)
    uploads.run()
    (job,) = uploads.jobs
    settings = job.settings
    assert (settings.prompt, settings.resolution, settings.take) == ("near", "720p", 2)
    assert job.origins == {
        "prompt": "a/defaults.json",
        "resolution": "defaults.json",
        "take": "a/b/photo.json",
    }


def test_an_image_whose_own_sidecar_comes_a_second_later_is_bought_once() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/defaults.json", fields(prompt="default"), 1)
    uploads.upload(10, "a/photo.jpg", PHOTO, 0.5)
    uploads.upload(11.5, "a/photo.json", fields(prompt="own"), 0.5)
    assert prompts(uploads) == ["own"]


def test_changing_the_defaults_orders_nothing_however_often_events_come() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/defaults.json", fields(prompt="first"), 1)
    uploads.upload(10, "a/photo.jpg", PHOTO, 1, 2 * HOUR)  # the event comes again
    uploads.upload(HOUR, "a/defaults.json", fields(prompt="second"), 1)
    assert prompts(uploads) == ["first"]


def test_an_image_that_is_dropped_again_takes_the_changed_defaults() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/defaults.json", fields(prompt="first"), 1)
    uploads.upload(10, "a/photo.jpg", PHOTO, 1)
    uploads.upload(HOUR, "a/defaults.json", fields(prompt="second"), 1)
    uploads.upload(HOUR + 10, "a/photo.jpg", PHOTO, 1)
    assert prompts(uploads) == ["first", "second"]


def test_images_that_came_before_their_defaults_start_with_them() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/photo.jpg", PHOTO, 1)
    uploads.upload(60, "a/defaults.json", fields(prompt="push-in"), 1)
    (ordered,) = uploads.run()
    assert ordered.at < 60 + SETTLE_S + 5
    assert uploads.mails == []


def test_an_image_that_was_mailed_about_is_not_started_by_later_defaults() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/photo.jpg", PHOTO, 1)
    uploads.upload(GRACE_S + HOUR, "a/defaults.json", fields(prompt="push-in"), 1)
    assert prompts(uploads) == []
    assert uploads.mails == ["photo.jpg: one file is missing"]


def test_broken_defaults_are_mailed_at_once_and_their_images_wait_for_the_corrected_file() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/defaults.json", b'{"prompt": "push-in",}', 1)
    for number in range(3):
        uploads.upload(2, f"a/{number}.jpg", PHOTO, 1)
    uploads.at(100, lambda: mails.extend(uploads.mails))
    mails: list[str] = []
    uploads.upload(200, "a/defaults.json", fields(prompt="push-in"), 1)
    assert prompts(uploads) == ["push-in"] * 3
    assert mails == uploads.mails == ["defaults.json: please correct this file"]


def test_defaults_without_a_prompt_only_change_what_sidecars_leave_open() -> None:
    uploads = Uploads()
    uploads.upload(0, "defaults.json", fields(max_cost_usd=0.01), 1)
    uploads.upload(1, "a/photo.jpg", PHOTO, 1)
    uploads.upload(2, "a/photo.json", fields(prompt="push-in"), 1)
    assert prompts(uploads) == []
    (job,) = uploads.jobs
    assert str(job.max_cost_usd) == "0.01"


@pytest.mark.parametrize(
    ("name", "right"), [("Batch.CSV", "batch.csv"), ("Defaults.JSON", "defaults.json")]
)
def test_a_file_for_a_folder_whose_name_has_capitals_is_told_its_right_name(
    name: str, right: str
) -> None:
    uploads = Uploads()
    uploads.upload(0, f"a/{name}", fields(prompt="push-in"), 1)
    uploads.run()
    (mail,) = uploads.sns.published
    assert mail.document["problems"][0]["hint"] == f"Rename it to {right}."


@pytest.mark.parametrize(
    "said",
    [
        {"takes": 3},
        {"takes": [{"prompt": "orbit"}, {"duration": "10s"}]},
        {"loop": True, "take": 5},
        {"reference_images": ["/look.png"]},
        {"reference_image_urls": ["https://example.com/look.png"]},
        {"dry_run": True},
    ],
)
def test_the_text_of_a_page_orders_its_one_clip_whatever_the_defaults_say(
    said: dict[str, Any],
) -> None:
    uploads = Uploads()
    uploads.upload(0, "look.png", PHOTO)
    uploads.upload(1, "a/photo.jpg", PHOTO, 1)
    uploads.upload(1, "a/photo.json", fields(prompt="push-in"), 1)
    uploads.upload(2 * HOUR, "defaults.json", fields(**said), 1)
    uploads.at(3 * HOUR, lambda: drop_again(uploads))
    assert prompts(uploads) == ["push-in", "push-in"]
    first, again = (job.settings for job in uploads.jobs)
    assert again == replace(first, resolution="1080p")


def drop_again(uploads: Uploads) -> None:
    text = sidecar_again(uploads.jobs[0], uploads.jobs)
    uploads.upload(3 * HOUR, "a/photo.json", text.encode(), 1)


# --- texts, metadata -----------------------------------------------------------------------------


def test_a_text_beside_an_image_is_its_prompt() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/photo.jpg", PHOTO, 1)
    uploads.upload(1, "a/photo.txt", "\ufeff slow push-in, m\u00f6ven \r\n".encode(), 1)
    assert prompts(uploads) == ["slow push-in, m\u00f6ven"]


def test_text_and_sidecar_are_read_together() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/photo.txt", b"push-in", 1)
    uploads.upload(0, "a/photo.jpg.json", fields(resolution="720p"), 1)
    uploads.upload(1, "a/photo.jpg", PHOTO, 1)
    uploads.run()
    (job,) = uploads.jobs
    assert (job.settings.prompt, job.settings.resolution) == ("push-in", "720p")


@pytest.mark.parametrize("text", [b"", b" \n", b"x" * 6001, b"\xff\xff"])
def test_a_text_that_is_no_prompt_is_mailed(text: bytes) -> None:
    uploads = Uploads()
    uploads.upload(0, "a/photo.txt", text, 1)
    uploads.upload(1, "a/photo.jpg", PHOTO, 1)
    assert prompts(uploads) == []
    (mail,) = uploads.sns.published
    assert mail.document["problems"][0]["field"] == "prompt"


def test_a_text_without_an_image_is_left_alone() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/readme.txt", b"These are our photos", 1)
    assert (uploads.run(), uploads.mails) == ([], [])


def test_metadata_carries_every_field() -> None:
    uploads = Uploads()
    told = {"prompt": "push-in", "duration": "10", "loop": "FALSE", "Aspect-Ratio": "16:9"}
    more = {"labels": "spring | shop", "mtime": "1700000000", "x-amz-key": "abc", "take": "2"}
    uploads.upload(0, "a/photo.jpg", PHOTO, 1, metadata={**told, **more})
    uploads.run()
    (job,) = uploads.jobs
    settings = job.settings
    assert (settings.duration, settings.aspect_ratio, settings.take) == ("10s", "16:9", 2)
    assert job.labels == ("spring", "shop")
    assert job.origins["duration"] == "a/photo.jpg (metadata)"


def test_metadata_of_an_unknown_name_is_refused_by_its_name() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/photo.jpg", PHOTO, 1, prompt="push-in", durration="10s")
    assert prompts(uploads) == []
    (mail,) = uploads.sns.published
    (problem,) = mail.document["problems"]
    assert (problem["field"], problem["hint"]) == ('"durration"', "Did you mean duration?")


@pytest.mark.parametrize(
    "name",
    [
        *("mtime", "md5chksum", "s3cmd-attrs", "file-owner", "file-permissions", "user-agent"),
        *("sha256", "s3b-last-modified", "x-amz-key-v2", "mode", "uid"),
        *("author", "project", "rotation", "uploader"),
    ],
)
def test_names_that_programs_and_people_add_for_themselves_are_left_alone(name: str) -> None:
    uploads = Uploads()
    uploads.upload(0, "a/photo.jpg", PHOTO, 1, metadata={"prompt": "push-in", name: "x"})
    assert prompts(uploads) == ["push-in"]


# --- what is no drop -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["a/._photo.jpg", "a/._photo.json", "__MACOSX/a/photo.jpg", "a/references/look.jpg"]
)
def test_left_overs_of_computers_and_references_are_no_drops(key: str) -> None:
    uploads = Uploads()
    uploads.upload(0, "defaults.json", fields(prompt="push-in"), 1)
    uploads.upload(0, key, PHOTO, 1)
    assert (uploads.run(), uploads.mails) == ([], [])


@pytest.mark.parametrize(
    ("image", "sidecar", "right"),
    [
        ("a/Photo.JPG", "a/photo.json", "Photo.json"),
        ("a/caf\u00e9.jpg", "a/cafe\u0301.json", "caf\u00e9.json"),
        ("a/photo 1.jpg", "a/photo_1.json", "photo 1.json"),
        ("a/photo.jpg", "a/photo.jpeg.json", "photo.json"),
    ],
)
def test_names_that_nearly_agree_are_told_in_one_mail(image: str, sidecar: str, right: str) -> None:
    uploads = Uploads()
    uploads.upload(0, image, PHOTO, 1)
    uploads.upload(5, sidecar, fields(prompt="push-in"), 1)
    assert prompts(uploads) == []
    (mail,) = uploads.sns.published
    (problem,) = mail.document["problems"]
    name = sidecar.rpartition("/")[2]
    assert problem["hint"] == f"Rename {name} to {right} and drop it again."
