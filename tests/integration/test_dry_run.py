"""A dry run: nothing is ordered, and one mail says what would be."""

from __future__ import annotations

from tests.support.uploads import (
    PHOTO,
    Uploads,
    fields,
    prompts,
)


def test_a_dry_run_orders_nothing_and_says_once_what_it_would() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/photo.json", fields(prompt="a red car and a house", dry_run=True), 3)
    uploads.upload(1, "a/photo.jpg", PHOTO, 3)
    assert uploads.run() == []
    assert uploads.jobs == []
    assert uploads.mails == ["photo.jpg: dry run, about $0.15"]
    (mail,) = uploads.sns.published
    assert "Nothing was ordered." in mail.document["text"]
    assert "neither motion nor mood" in mail.document["text"]


def test_the_same_files_without_the_dry_run_are_ordered_once() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/photo.jpg", PHOTO, 1)
    uploads.upload(1, "a/photo.json", fields(prompt="push-in", dry_run="true", takes=2), 1)
    uploads.upload(100, "a/photo.json", fields(prompt="push-in", takes=2), 2)
    assert prompts(uploads) == ["push-in"] * 2
    assert uploads.mails[0] == "photo.jpg: dry run, about $0.30"


def test_a_late_event_of_a_dry_run_orders_nothing_whatever_has_become_of_the_defaults() -> None:
    uploads = Uploads()
    uploads.upload(0, "a/defaults.json", fields(dry_run=True), 1)
    uploads.upload(10, "a/photo.jpg", PHOTO, 1, 200)
    uploads.upload(11, "a/photo.json", fields(prompt="push-in"), 1)
    uploads.upload(100, "a/defaults.json", fields(loop=False), 1)
    assert prompts(uploads) == []
    assert uploads.mails == ["photo.jpg: dry run, about $0.15"]


def test_a_dry_run_replaces_no_clip_that_waits_for_its_order() -> None:
    uploads = Uploads(line_s=300)
    uploads.upload(0, "a/photo.jpg", PHOTO, 1)
    uploads.upload(1, "a/photo.json", fields(prompt="push-in"), 1)
    uploads.upload(100, "a/photo.json", fields(prompt="orbit", dry_run=True), 1)
    assert prompts(uploads) == ["push-in"]
