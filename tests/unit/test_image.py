"""Format and size of a still image, as Pillow sees them, in few small reads."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from dropreel.drops.image import FIRST_READ, MAX_SIZE, inspect_image
from tests.support.mp4 import Ranges, chunk, encoded, exif, segment, with_chunks, with_segments
from tests.support.stills import JPEG, PNG, SIDEWAYS, STILLS, WEBP, icc, inspected

EXTENSIONS = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp"}


def size_in_pillow(data: bytes) -> tuple[str, int, int]:
    """Format and displayed size as Pillow sees them."""
    with Image.open(io.BytesIO(data)) as opened:
        shown = ImageOps.exif_transpose(opened)
        return EXTENSIONS[str(opened.format)], shown.width, shown.height


@pytest.mark.parametrize("name", STILLS)
def test_format_and_size_agree_with_pillow(name: str) -> None:
    data = STILLS[name]
    info = inspected(data)
    assert (info.extension, info.width, info.height) == size_in_pillow(data)
    assert (
        info.media_type
        == {
            ".jpg": "image/jpeg",
            ".png": "image/png",
            ".webp": "image/webp",
        }[info.extension]
    )


@given(
    kind=st.sampled_from(["JPEG", "PNG", "WEBP"]),
    mode=st.sampled_from(["RGB", "L"]),
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    orientation=st.integers(0, 9),
    profile=st.integers(0, 200_000),
)
@settings(max_examples=60, deadline=None)
def test_any_saved_picture_has_the_size_pillow_sees(
    kind: str, mode: str, width: int, height: int, orientation: int, profile: int
) -> None:
    how = {"exif": exif(orientation)[6:]} if kind == "WEBP" else {"exif": exif(orientation)}
    data = encoded(kind, mode, width, height, icc_profile=bytes(profile), **how)
    info = inspected(data)
    assert (info.extension, info.width, info.height) == size_in_pillow(data)


LARGEST_WEBP = WEBP[:4] + (MAX_SIZE - 8).to_bytes(4, "little") + WEBP[8:]


def test_an_ordinary_webp_costs_one_small_read_however_big_the_file() -> None:
    reader = Ranges(LARGEST_WEBP, size=MAX_SIZE)
    inspect_image(reader)
    assert reader.reads == [(0, FIRST_READ)]


@pytest.mark.parametrize("picture", [JPEG, PNG])
def test_of_a_large_jpeg_or_png_only_the_start_and_the_end_are_read(picture: bytes) -> None:
    size = 3_000_000
    reader = Ranges(picture[:-20] + bytes(size - len(picture)) + picture[-20:])
    inspect_image(reader)
    assert reader.reads == [(0, FIRST_READ), (size - FIRST_READ, FIRST_READ)]


@pytest.mark.parametrize(
    "behind",
    [bytes(5000), b"SEFT", bytes(200_000) + b"\0\0\0\x6cmoov" + bytes(100)],
    ids=["zeros", "a phone's data", "a film"],
)
def test_what_phones_put_behind_the_picture_does_not_matter(behind: bytes) -> None:
    assert inspected(JPEG + behind).width == 40


def test_a_small_image_is_read_once_and_whole() -> None:
    reader = Ranges(JPEG)
    inspect_image(reader)
    assert reader.reads == [(0, len(JPEG))]


def test_a_sideways_phone_photo_costs_one_read_although_its_exif_is_long() -> None:
    block = segment(0xE1, exif(6) + bytes(60_000))
    reader = Ranges(with_segments(JPEG, block))
    assert inspect_image(reader).width == 30
    assert len(reader.reads) == 1


def test_metadata_of_megabytes_costs_a_handful_of_reads() -> None:
    reader = Ranges(with_segments(JPEG, icc(80)))
    inspect_image(reader)
    assert len(reader.data) > 5_000_000
    assert len(reader.reads) <= 9


@pytest.mark.parametrize(
    "data",
    [
        JPEG[:2] + b"\xff\x01" + JPEG[2:],  # a marker without a length
        with_chunks(PNG, chunk(b"eXIf", SIDEWAYS[:9])),
        with_chunks(PNG, chunk(b"eXIf", b"XX" + SIDEWAYS[2:])),
        with_chunks(PNG, chunk(b"eXIf", SIDEWAYS[:16])),
        with_chunks(PNG, chunk(b"eXIf", exif(9))),
    ],
)
def test_oddities_that_decoders_accept_are_accepted(data: bytes) -> None:
    info = inspected(data)
    assert (info.width, info.height) == (40, 30)
