"""Images in the inbox that guide the look of others."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.support.pictures import picture
from tests.support.uploads import (
    BODIES,
    HOUR,
    PHOTO,
    Uploads,
    fields,
    prompts,
)


def drop_with_references(uploads: Uploads, at: float, *places: str) -> None:
    asked = {"prompt": "push-in", "reference_images": list(places)}
    uploads.upload(at, "a/photo.jpg", PHOTO, 1)
    uploads.upload(at + 1, "a/photo.json", fields(**asked), 1)


def test_references_in_the_inbox_are_pinned_and_signed_for_the_order() -> None:
    uploads = Uploads(PROVIDERS="eachlabs")
    uploads.upload(0, "a/references/look.jpg", BODIES[2], 1)
    drop_with_references(uploads, 5, "references/look.jpg", "https://e.com/a.png")
    uploads.run()
    (request,) = uploads.provider.requests
    address, signed = request.reference_image_urls
    assert address == "https://e.com/a.png"
    key = urlsplit(signed).path.lstrip("/")
    assert uploads.s3.objects["clips", key].body == BODIES[2]
    assert "X-Amz-Signature" in signed


def test_another_picture_under_the_name_of_a_reference_is_another_clip() -> None:
    uploads = Uploads(PROVIDERS="eachlabs")
    for start, look in ((0.0, BODIES[2]), (HOUR, PHOTO), (2 * HOUR, PHOTO)):
        uploads.upload(start, "look/references/look.jpg", look, 1)
        drop_with_references(uploads, start + 5, "/look/references/look.jpg")
    uploads.run()
    assert len(uploads.orders) == 2


@pytest.mark.parametrize("place", ["missing.jpg", "photo.json"])
def test_a_reference_that_is_no_image_in_the_inbox_is_told(place: str) -> None:
    uploads = Uploads(PROVIDERS="eachlabs")
    drop_with_references(uploads, 0, place)
    assert prompts(uploads) == []
    (mail,) = uploads.sns.published
    assert mail.document["problems"][0]["field"] == "reference_images"


def test_takes_that_only_name_the_same_picture_otherwise_are_told_and_not_ordered() -> None:
    uploads = Uploads(PROVIDERS="eachlabs")
    places = ("references/look.jpg", "references/copy.jpg")
    for place in places:
        uploads.upload(0, f"a/{place}", BODIES[2])
    takes = [{}, *({"reference_images": [place]} for place in places)]
    uploads.upload(5, "a/photo.jpg", PHOTO, 1)
    uploads.upload(6, "a/photo.json", fields(prompt="push-in", takes=takes), 1)
    assert prompts(uploads) == []
    (mail,) = uploads.sns.published
    assert mail.document["subject"] == "photo.jpg: please correct its sidecar"
    assert "same: take 2 and take 3 of the list, which would be one clip." in mail.text


def test_references_of_many_takes_are_read_and_copied_once_each() -> None:
    uploads = Uploads(PROVIDERS="eachlabs")
    places = [f"references/{number}.jpg" for number in range(8)]
    for number, place in enumerate(places):
        uploads.upload(0, f"a/{place}", picture(80 + number, 36))
    uploads.upload(5, "a/photo.jpg", PHOTO)
    asked = {"prompt": "push-in", "reference_images": places, "takes": 16}
    uploads.upload(5, "a/photo.json", fields(**asked), 1)
    assert prompts(uploads) == ["push-in"] * 16
    assert {uploads.s3.read[f"a/{place}"] for place in places} == {1}
    pinned = [url for job in uploads.jobs for url in job.settings.reference_image_urls]
    assert [uploads.s3.copied[key] for key in dict.fromkeys(pinned)] == [1] * 8
