"""What is no whole MP4 clip is refused, however it is cut, and without using memory."""

from __future__ import annotations

import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.clips.mp4 import ClipChecker
from dropreel.errors import ClipCutShortError, ClipInvalidError
from dropreel.jobs.job import ClipInfo
from tests.support.clip_boxes import (
    FAST,
    FRAGMENTS,
    MIXED,
    PLAIN,
    STBL,
    TFHD,
    TRAK,
    body_of,
    checked,
    edited,
    fragmented,
    refused,
)
from tests.support.fuzz import fuzzed
from tests.support.mp4 import box, encoded, exif, mp4


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"<!DOCTYPE html><html>", "a web page or XML message"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><Error/>", "a web page or XML message"),
        (b'{"detail": "not found"}', "a JSON message"),
        (b"[]", "a JSON message"),
        (b"Not\r\nFound, sorry", "a text message"),
        (b"error", "a text message"),
        (encoded("GIF"), "a picture"),
        (encoded("PNG"), "a picture"),
        (encoded("JPEG"), "a picture"),
        (encoded("WEBP"), "a picture or another kind of video"),
        (mp4(codec="libvpx", container="webm"), "a WebM"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0", "compressed data"),
        (exif(1)[6:], "unknown data"),
    ],
)
def test_what_is_no_mp4_is_refused_at_its_first_bytes(start: bytes, kind: str) -> None:
    assert kind in refused(start)
    if len(start) >= 8:
        with pytest.raises(ClipInvalidError, match=f"no MP4 but {kind}"):
            ClipChecker().feed(start[:8])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "ends after 0 bytes"),
        (b"\0\0\0", "ends after 3 bytes"),
        (PLAIN[:-1], f"{len(PLAIN) - 1} of {len(PLAIN)} bytes"),
        (PLAIN + b"\0\0\0", f"ends after {len(PLAIN) + 3} bytes"),
        (PLAIN + b"\0\0\0\4junk", f"damaged at byte {len(PLAIN)}"),
        (PLAIN + b"\0\0\0\1junk\0\0\0\0\0\0\0\x0f", f"damaged at byte {len(PLAIN)}"),
        (edited(PLAIN, (b"ftyp",), None), "does not state its type"),
        (edited(PLAIN, (b"moov",), None), "lacks the movie header"),
        (edited(PLAIN, (b"mdat",), b""), "no picture data"),
        (edited(FAST, (b"mdat",), None), "no picture data"),
        (edited(PLAIN, TRAK, None), "no video track"),
        (mp4(video=False, sound=True), "no video track"),
        (edited(PLAIN, (*STBL, b"stsz"), {8: bytes(4)}), "not a single frame"),
        (edited(PLAIN, (*STBL, b"stsz"), None), "not a single frame"),
        (edited(PLAIN, (*TRAK, b"tkhd"), {76: bytes(4)}), "0 x 36 pixels"),
        (edited(PLAIN, (*TRAK, b"tkhd"), None), "moov box makes no sense"),
        (edited(PLAIN, (*TRAK, b"mdia", b"mdhd"), None), "moov box makes no sense"),
        (edited(PLAIN, (*TRAK, b"mdia", b"mdhd"), {12: bytes(4)}), "moov box makes no sense"),
        (edited(PLAIN, (b"moov", b"mvhd"), {12: bytes(4)}), "moov box makes no sense"),
        (edited(PLAIN, (*STBL, b"stts"), {4: b"\xff\xff\xff\xff"}), "moov box makes no sense"),
        (edited(PLAIN, (b"moov",), b"\0\0\0\7free"), "moov box makes no sense"),
        (edited(PLAIN, (b"moov",), b"\0\0\0\x09free"), "moov box makes no sense"),
        (edited(PLAIN, (b"moov",), box(b"free", b"") * 1001), "moov box makes no sense"),
        (PLAIN + box(b"moov", body_of(PLAIN, b"moov")), "moov box makes no sense"),
        (edited(FRAGMENTS, (b"moov",), None), "moof box makes no sense"),
        (fragmented(TFHD + box(b"trun", struct.pack(">III", 0x100, 2, 9))), "moof box makes no"),
        (fragmented(box(b"trun", bytes(8))), "moof box makes no sense"),
        (PLAIN + box(b"free", b"") * 10_000, "damaged at byte"),
    ],
)
def test_what_is_no_whole_clip_is_refused(data: bytes, words: str) -> None:
    assert words in refused(data)


@pytest.mark.parametrize(("kind", "limit"), [(b"moov", 1 << 24), (b"moof", 1 << 20)])
def test_a_header_too_large_is_refused_before_it_is_read(kind: bytes, limit: int) -> None:
    checker = ClipChecker()
    checker.feed(box(b"ftyp", b"isom"))
    with pytest.raises(ClipInvalidError, match="makes no sense"):
        checker.feed(struct.pack(">I4s", limit + 9, kind))


def test_an_endless_header_is_refused_at_its_limit() -> None:
    checker = ClipChecker()
    checker.feed(box(b"ftyp", b"isom") + struct.pack(">I4s", 0, b"moov"))
    with pytest.raises(ClipInvalidError, match="makes no sense"):
        checker.feed(bytes(17 << 20))


def test_memory_does_not_grow_with_the_clip() -> None:
    checker = ClipChecker()
    piece = bytes(1 << 20)
    tracemalloc.start()
    checker.feed(box(b"ftyp", b"isom") + struct.pack(">I4s", 1 + (100 << 20) + 7, b"mdat"))
    for _ in range(100):
        checker.feed(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


def test_an_error_page_is_recognised_however_it_is_cut() -> None:
    page = b"<html><body>502 Bad Gateway</body></html>"
    for cut in range(len(page)):
        with pytest.raises(ClipInvalidError, match="a web page or XML message"):
            checked(page, cut)


SAMPLES = st.sampled_from([PLAIN, FAST, FRAGMENTS, MIXED])


def outcome(data: bytes, *cuts: int) -> ClipInfo | str:
    try:
        return checked(data, *cuts)
    except (ClipInvalidError, ClipCutShortError) as error:
        return str(error)


@fuzzed(400)
@given(data=st.data(), sample=SAMPLES)
def test_mutated_clips_pass_or_are_refused_the_same_however_they_are_cut(
    data: st.DataObject, sample: bytes
) -> None:
    mutated = bytearray(sample)
    for place in data.draw(st.lists(st.integers(0, len(mutated) - 1), max_size=5)):
        mutated[place] = data.draw(st.sampled_from([0, 1, 7, 8, 127, 255]))
    clip = bytes(mutated[: data.draw(st.integers(0, len(mutated)))])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(clip)), max_size=6)))
    assert outcome(clip) == outcome(clip, *cuts)


@fuzzed(300)
@given(
    start=st.sampled_from([b"", box(b"ftyp", b"isom"), PLAIN[:-1700], FRAGMENTS[:1300]]),
    rest=st.binary(max_size=200),
)
def test_any_bytes_pass_or_are_refused(start: bytes, rest: bytes) -> None:
    assert outcome(start + rest) == outcome(start + rest, *range(len(start), len(start + rest)))


@pytest.mark.parametrize("sample", [PLAIN, FAST])
def test_no_truncated_clip_passes(sample: bytes) -> None:
    for length in range(len(sample)):
        assert isinstance(outcome(sample[:length]), str)


def test_a_byte_at_a_time_gives_the_same_as_the_whole() -> None:
    for sample in (PLAIN, FRAGMENTS):
        assert checked(sample, *range(1, len(sample))) == checked(sample)
