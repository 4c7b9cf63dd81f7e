"""What is not a still image is refused and named; no bytes crash the inspection."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.drops.image import MAX_READS, MAX_SIZE, inspect_image
from dropreel.errors import RejectedError
from tests.support.fuzz import fuzzed
from tests.support.mp4 import Ranges, chunk, picture, riff, segment, with_chunks, with_segments
from tests.support.stills import JPEG, PNG, STILLS, WEBP, animation, inspected, refused, saved


class Maze:
    """A PNG of the greatest size whose every chunk ends behind what was read of it."""

    size = MAX_SIZE
    reads = 0

    def read(self, offset: int, length: int) -> bytes:
        assert length > 0
        self.reads += 1
        chunk_header = struct.pack(">I4s", 1_100_000, b"iTXt")
        return PNG[:33] + chunk_header if offset == 0 else chunk_header


def test_the_number_of_reads_is_bounded() -> None:
    maze = Maze()
    with pytest.raises(RejectedError, match="besides the picture"):
        inspect_image(maze)
    assert maze.reads == MAX_READS


@pytest.mark.parametrize(
    "data",
    [
        with_segments(JPEG, segment(0xFE, b"") * 1100),
        with_chunks(PNG, chunk(b"note", b"") * 1100),
        riff((b"VP8X", bytes(10)), *[(b"note", b"")] * 1100),
    ],
)
def test_the_number_of_parts_is_bounded(data: bytes) -> None:
    assert "besides the picture" in refused(data)


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    body = b"ftyp" + major + bytes(4) + b"".join(compatible)
    return struct.pack(">I", len(body) + 4) + body + bytes(100)


def claiming(jpeg: bytes, width: int, height: int) -> bytes:
    """The same file with another size in its header."""
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (saved(picture("P"), "GIF"), "a GIF"),
        (animation("WEBP"), "an animated WebP"),
        (riff((b"VP8X", bytes(10)), (b"ANMF", bytes(40))), "an animated WebP"),
        (animation("PNG"), "an animated PNG"),
        (ftyp(b"heic", b"mif1", b"heic"), "a HEIC photo"),
        (ftyp(b"mif1", b"mif1", b"heic"), "a HEIC photo"),
        (ftyp(b"mif1", b"mif1", b"avif"), "an AVIF"),
        (saved(picture(), "AVIF"), "an AVIF"),
        (ftyp(b"crx ", b"isom"), "a camera raw file"),
        (ftyp(b"isom", b"mp42"), "a video"),
        (ftyp(b"qt  "), "a video"),
        (b"\0\0\0\x08wide\0\0\0\x08mdat" + bytes(9), "a video"),
        (b"\x1aE\xdf\xa3" + bytes(40), "a video"),
        (b"RIFF\x10\0\0\0AVI LIST", "a video"),
        (saved(picture(), "TIFF"), "a TIFF"),
        (b"MM\0*" + bytes(9), "a TIFF"),
        (saved(picture(), "BMP"), "a BMP"),
        (b"8BPS\0\1" + bytes(99), "a Photoshop document"),
        (saved(picture(), "PDF"), "a PDF"),
        (saved(picture(), "ICO"), "an icon"),
        (saved(picture(), "JPEG2000"), "a JPEG 2000"),
        (b"\xff\x0a" + bytes(99), "a JPEG XL"),
        (b"PK\x03\x04" + bytes(99), "a ZIP archive"),
        (b"\0\x05\x16\x07" + bytes(99), "a companion file of macOS"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- x -->\n<svg>', "an SVG drawing"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "an XML file"),
        (b"\n <!DOCTYPE html><html><body><svg/>", "a web page"),
        (b"a slow push-in on the sneaker, caf\xc3\xa9 light", "a text file"),
        (b'{"prompt": "slow push-in"}', "a text file"),
        ("die Katze l\u00e4uft".encode("utf-16"), "a text file"),
        (b"", "an empty file"),
        (bytes(5000), "no picture of a known format"),
        (b"caf\xe9 de nuit", "no picture of a known format"),
        (b"\x01\x02\x03", "no picture of a known format"),
        (PNG.replace(b"\r\n", b"\n"), "a damaged PNG: it was transferred as text"),
        (PNG[:16] + b"\1" + PNG[17:], "a damaged PNG"),
        (JPEG[:2] + b"\xff\xd9" + JPEG[2:], "a damaged JPEG: it holds no picture"),
        (JPEG[:2] + segment(0xDA, b"scan"), "a damaged JPEG: it holds no picture"),
        (b"\xff\xd8" + bytes(5000), "a damaged JPEG: it holds no picture where"),
        (riff((b"note", bytes(40))), "a damaged WebP: it holds no picture where"),
        (riff((b"VP8 ", bytes(40))), "a damaged WebP"),
        (riff((b"VP8L", bytes(40))), "a damaged WebP"),
        (WEBP[:-1], "a WebP that is cut off"),
        (riff((b"VP8X", bytes(10))), "a WebP that is cut off"),
        (b"\xff\xd8\xff", "a JPEG that is cut off"),
        (JPEG[:100], "a JPEG that is cut off"),
        (PNG[:30], "a PNG that is cut off"),
        (PNG[:40], "a PNG that is cut off"),
        (JPEG[:-2], "a JPEG that is cut off"),
        (JPEG[: len(JPEG) // 2], "a JPEG that is cut off"),
        (PNG[:-1], "a PNG that is cut off"),
        (PNG[: len(PNG) // 2], "a PNG that is cut off"),
        (JPEG[: len(JPEG) // 2] + bytes(90_000), "a JPEG that is cut off"),
        (claiming(JPEG, 65_535, 65_535), "65,535 x 65,535 pixels"),
        (riff((b"VP8L", b"\x2f\xff\xff\xff\x0f")), "16,384 x 16,384 pixels"),
        (
            b"\xff\xd8" + segment(0xC0, b"\x08\0\0\0\x08\3") + segment(0xDA, b"") + b"\xff\xd9",
            "8 x 0 pixels",
        ),
        (riff((b"VP8 ", b"\0\0\0\x9d\x01\x2a\0\0\x05\0")), "0 x 5 pixels"),
    ],
)
def test_what_is_not_a_still_image_is_named(data: bytes, words: str) -> None:
    assert words in refused(data)


@pytest.mark.parametrize(
    ("data", "ending"),
    [
        (b"a slow push-in", ".txt"),
        ("die Katze l\u00e4uft".encode("utf-16"), ".txt"),
        (b'\xef\xbb\xbf\n{"prompt": "slow push-in"}', ".json"),
        ('{"prompt": "slow push-in"}'.encode("utf-16"), ".json"),
    ],
)
def test_a_text_in_place_of_an_image_is_told_the_ending_that_is_read(
    data: bytes, ending: str
) -> None:
    with pytest.raises(RejectedError) as caught:
        inspected(data)
    assert caught.value.problems[0].hint.endswith(f"with the ending {ending}.")


def test_too_big_a_file_is_refused_without_reading_it() -> None:
    reader = Ranges(b"", size=MAX_SIZE + 1)
    with pytest.raises(RejectedError, match="found a file of 50,000,001 bytes; allowed: "):
        inspect_image(reader)
    assert reader.reads == []


def test_a_file_that_shrank_while_it_was_read_is_cut_off() -> None:
    with pytest.raises(RejectedError, match="cut off"):
        inspect_image(Ranges(PNG[:20], size=len(PNG)))


def test_a_refusal_says_what_to_do() -> None:
    with pytest.raises(RejectedError) as caught:
        inspected(ftyp(b"heic"))
    assert str(caught.value) == (
        "image: found a HEIC photo, as iPhones take them; allowed: one still JPEG, PNG or WebP "
        "image. Export it as JPEG or PNG and drop that file."
    )


def inspect_or_refuse(data: bytes) -> None:
    try:
        info = inspected(data)
    except RejectedError:
        return
    assert info.width > 0
    assert info.height > 0


STARTS = [b"", b"\xff\xd8\xff\xe1", PNG[:8], PNG[:33], b"RIFF\x40\0\0\0WEBP", b"\0\0\0 ftyp"]


@fuzzed(400)
@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=300))
def test_any_bytes_are_inspected_or_refused(start: bytes, rest: bytes) -> None:
    inspect_or_refuse(start + rest)


@fuzzed(400)
@given(data=st.data(), sample=st.sampled_from(sorted(STILLS)))
def test_mutated_and_truncated_images_are_inspected_or_refused(
    data: st.DataObject, sample: str
) -> None:
    mutated = bytearray(STILLS[sample])
    near_the_start = st.integers(0, min(len(mutated) - 1, 200))
    for place in data.draw(st.lists(near_the_start, max_size=4)):
        mutated[place] = data.draw(st.integers(0, 255))
    inspect_or_refuse(bytes(mutated[: data.draw(st.integers(0, len(mutated)))]))


@pytest.mark.parametrize("sample", [JPEG, PNG, WEBP, STILLS["webp sideways"]])
def test_no_truncation_in_the_header_passes(sample: bytes) -> None:
    header_ends = sample.find(b"\xff\xda") if sample is JPEG else 34
    for length in range(header_ends):
        assert refused(sample[:length])
