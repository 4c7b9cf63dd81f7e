"""Whole MP4 clips of every layout are read: length, size and shape."""

from __future__ import annotations

import hashlib
import struct

import pytest

from tests.support.clip_boxes import (
    FAST,
    FRAGMENTS,
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
from tests.support.mp4 import box, boxes, mp4

LAYOUTS = (
    "",
    "faststart",
    "frag_keyframe",
    "frag_keyframe+empty_moov",
    "frag_keyframe+empty_moov+default_base_moof",
    "empty_moov+frag_every_frame",
    "cmaf+frag_keyframe",
    "dash+frag_keyframe",
    "hybrid_fragmented",
)


@pytest.mark.parametrize("container", ["mp4", "mov"])
@pytest.mark.parametrize("sound", [False, True])
@pytest.mark.parametrize("movflags", LAYOUTS)
def test_real_clips_of_every_layout_pass(movflags: str, sound: bool, container: str) -> None:
    data = mp4(2.0, movflags=movflags, sound=sound, container=container)
    info = checked(data)
    assert info.duration_s == pytest.approx(2.0, abs=0.05)
    assert (info.width, info.height) == (64, 36)
    assert info.size == len(data)
    assert info.sha256 == hashlib.sha256(data).hexdigest()


def test_a_clip_made_by_another_encoder_passes() -> None:
    assert checked(mp4(codec="mpeg4")).duration_s == pytest.approx(1.0)


def test_a_clip_filmed_upright_is_measured_as_displayed() -> None:
    quarter_turn = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 36 << 16, 0, 1 << 30)
    info = checked(edited(PLAIN, (*TRAK, b"tkhd"), {40: quarter_turn}))
    assert (info.width, info.height) == (36, 64)


def with_64_bit_times(header: bytes, between: int) -> bytes:
    """`mvhd`, `mdhd` or `tkhd` in version 1; `between` bytes lie between times and duration."""
    created, modified = struct.unpack_from(">2I", header, 4)
    (duration,) = struct.unpack_from(">I", header, 12 + between)
    times = b"\1" + header[1:4] + struct.pack(">QQ", created, modified)
    return times + header[12 : 12 + between] + struct.pack(">Q", duration) + header[16 + between :]


def test_headers_with_64_bit_times_are_read() -> None:
    wide = edited(PLAIN, (*STBL, b"stts"), None)
    for path, between in (
        ((b"moov", b"mvhd"), 4),
        ((*TRAK, b"mdia", b"mdhd"), 4),
        ((*TRAK, b"tkhd"), 8),
    ):
        wide = edited(wide, path, with_64_bit_times(body_of(PLAIN, *path), between))
    info = checked(wide)
    assert (info.duration_s, info.width, info.height) == (1.0, 64, 36)


def test_a_64_bit_box_size_and_one_to_the_end_of_the_file_are_read() -> None:
    parts = dict(boxes(FAST))
    head = box(b"ftyp", parts[b"ftyp"]) + box(b"moov", parts[b"moov"], wide=True)
    media = parts[b"mdat"]
    for data in (
        head + box(b"mdat", media, wide=True),
        head + struct.pack(">I4s", 0, b"mdat") + media,
        head + box(b"mdat", media) + bytes(8),  # QuickTime's end mark
        box(b"ftyp", b"isom")
        + box(b"mdat", media)
        + struct.pack(">I4s", 0, b"moov")
        + parts[b"moov"],
    ):
        assert checked(data).size == len(data)


def test_a_child_of_64_bit_size_or_of_no_size_is_read() -> None:
    children = dict(boxes(body_of(PLAIN, b"moov")))
    moov = box(b"mvhd", children[b"mvhd"], wide=True)
    moov += struct.pack(">I4s", 0, b"trak") + children[b"trak"]
    assert checked(edited(PLAIN, (b"moov",), moov)).duration_s == 1.0


def test_four_zero_bytes_may_end_a_container() -> None:
    moov = body_of(PLAIN, b"moov") + bytes(4)
    assert checked(edited(PLAIN, (b"moov",), moov)).duration_s == 1.0


def test_the_duration_falls_back_to_the_headers() -> None:
    silent = edited(PLAIN, (*STBL, b"stts"), bytes(8))
    assert checked(silent).duration_s == pytest.approx(1.0)
    mdhd = edited(silent, (b"moov", b"mvhd"), {16: b"\xff\xff\xff\xff"})
    assert checked(mdhd).duration_s == pytest.approx(1.0, abs=0.05)
    neither = edited(mdhd, (*TRAK, b"mdia", b"mdhd"), {16: bytes(4)})
    assert "does not say how long" in refused(neither)


@pytest.mark.parametrize("wide", [False, True])
def test_an_announced_fragment_duration_counts_where_the_fragments_have_none(wide: bool) -> None:
    announced = struct.pack(">IQ", 1 << 24, 3000) if wide else struct.pack(">II", 0, 3000)
    mvex = box(b"mehd", announced) + body_of(FRAGMENTS, b"moov", b"mvex")
    run = box(b"tfhd", struct.pack(">II", 0, 1)) + box(b"trun", struct.pack(">II", 0, 72))
    data = (
        box(b"ftyp", b"isom")
        + box(b"moov", body_of(edited(FRAGMENTS, (b"moov", b"mvex"), mvex), b"moov"))
        + box(b"moof", box(b"traf", run))
        + box(b"mdat", b"frames")
    )
    assert checked(data).duration_s == 3.0


@pytest.mark.parametrize(
    ("traf", "trex_duration"),
    [
        (TFHD + box(b"trun", struct.pack(">II", 0, 24)), 512),
        (box(b"tfhd", struct.pack(">III", 8, 1, 512)) + box(b"trun", struct.pack(">II", 0, 24)), 7),
        (
            box(b"tfhd", struct.pack(">IIQII", 11, 1, 99, 1, 512))
            + box(b"trun", struct.pack(">II", 0, 24)),
            7,
        ),
        (TFHD + box(b"trun", struct.pack(">IIIIIIII", 0x305, 2, 0, 0, 6144, 9, 6144, 9)), 7),
        (TFHD + box(b"trun", struct.pack(">IIII", 0x100, 2, 6144, 6144)), 7),
        (
            TFHD
            + box(b"tfdt", struct.pack(">II", 0, 6144))
            + box(b"trun", struct.pack(">II", 0, 12)),
            512,
        ),
        (
            TFHD
            + box(b"tfdt", struct.pack(">IQ", 1 << 24, 6144))
            + box(b"trun", struct.pack(">II", 0, 12)),
            512,
        ),
    ],
)
def test_fragments_are_summed_by_the_nearest_stated_frame_duration(
    traf: bytes, trex_duration: int
) -> None:
    assert checked(fragmented(traf, trex_duration)).duration_s == 1.0


def test_fragments_of_other_tracks_are_left_out() -> None:
    other = box(b"tfhd", struct.pack(">II", 0, 2)) + box(b"trun", struct.pack(">II", 0, 24))
    assert "not a single frame" in refused(fragmented(other, 512))
