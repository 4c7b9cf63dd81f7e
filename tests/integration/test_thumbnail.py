from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image

from dropreel.steps import thumbnail
from dropreel.steps.outcomes import ThumbnailEvent
from dropreel.steps.thumbnail import MAX_PIXELS, SIDE, Thumbnail, make_thumbnail
from tests.conftest import EVENTS
from tests.support.aws import Aws
from tests.support.pictures import animation, picture

KEY = "sources/job.jpg"


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("size", "small"), [((1600, 900), (160, 90)), ((90, 1600), (9, 160)), ((40, 30), (40, 30))]
)
def test_a_picture_of_each_kind_becomes_a_small_jpeg(
    form: str, size: tuple[int, int], small: tuple[int, int]
) -> None:
    made = opened(make_thumbnail(picture(*size, form=form)))
    assert (made.format, made.mode, made.size) == ("JPEG", "RGB", small)
    assert max(made.size) <= SIDE


def test_a_photograph_becomes_a_few_kilobytes() -> None:
    made = make_thumbnail((EVENTS / "lighthouse.jpg").read_bytes())
    assert 1000 < len(made) < 10_000


def test_a_picture_lies_as_the_camera_was_held_and_tells_nothing_else() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010F] = "camera"
    made = opened(make_thumbnail(picture(400, 200, exif=exif)))
    assert made.size == (80, 160)
    assert not made.getexif()
    assert b"camera" not in make_thumbnail(picture(400, 200, exif=exif))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "I;16", "CMYK"])
def test_every_kind_of_pixel_can_be_shown(mode: str) -> None:
    data = io.BytesIO()
    form = "JPEG" if mode == "CMYK" else "PNG"
    options = {"transparency": 0} if mode == "P" else {}
    Image.new(mode, (300, 200)).save(data, form, **options)
    assert opened(make_thumbnail(data.getvalue())).mode == "RGB"


def test_what_is_transparent_is_white() -> None:
    data = io.BytesIO()
    Image.new("RGBA", (300, 200), (255, 0, 0, 0)).save(data, "PNG")
    red, green, blue = opened(make_thumbnail(data.getvalue())).getpixel((5, 5))  # type: ignore[misc]
    assert min(red, green, blue) > 250


def bomb() -> bytes:
    """Few bytes, many pixels."""
    data = io.BytesIO()
    Image.new("1", (9000, MAX_PIXELS // 9000 + 1)).save(data, "PNG")
    return data.getvalue()


UNUSABLE: dict[str, Callable[[], bytes]] = {
    "bomb": bomb,
    "empty": lambda: b"",
    "text": lambda: b"not a picture",
    "cut": lambda: picture(1600, 900)[:2000],
    "another kind": lambda: picture(form="GIF"),
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
}


@pytest.mark.parametrize("data", UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_be_shown_is_left_out_and_troubles_nobody(
    aws: Aws, data: Callable[[], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    aws.s3.put_object(Bucket="clips", Key=KEY, Body=data())
    Thumbnail(aws.clips).handle(ThumbnailEvent("job", KEY))
    assert aws.stored("thumbnails/") == []
    assert aws.clips.thumbnail("job") is None
    assert [record.message for record in caplog.records] == ["no thumbnail"]


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image.Image, "thumbnail", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(ValueError, match="too many pixels"):
        make_thumbnail(bomb())


def test_the_thumbnail_lies_under_the_jobs_name(aws: Aws) -> None:
    aws.s3.put_object(Bucket="clips", Key=KEY, Body=picture(640, 360))
    Thumbnail(aws.clips).handle(ThumbnailEvent("job", KEY))
    assert aws.stored() == [KEY, "thumbnails/job.jpg"]
    assert opened(aws.clips.thumbnail("job") or b"").size == (160, 90)
    head = aws.s3.head_object(Bucket="clips", Key="thumbnails/job.jpg")
    assert head["ContentType"] == "image/jpeg"


def test_pillow_is_not_needed_to_ask_for_one() -> None:
    assert not hasattr(thumbnail, "Image")


def test_an_animation_shows_its_first_picture() -> None:
    assert opened(make_thumbnail(animation("WEBP"))).size == (32, 32)
