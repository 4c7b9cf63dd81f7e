from __future__ import annotations

import hashlib
import struct
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropreel.clips.mp4 import ClipChecker, check_matches
from dropreel.errors import ClipInvalidError
from dropreel.jobs.job import ClipInfo
from tests.support.mp4 import box, boxes, encoded, exif, mp4

PLAIN = mp4()
FAST = mp4(movflags="faststart")
FRAGMENTS = mp4(movflags="frag_keyframe+empty_moov")
MIXED = mp4(movflags="frag_keyframe")  # first frames in the header, the rest in fragments
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


def checked(data: bytes, *cuts: int) -> ClipInfo:
    checker = ClipChecker()
    for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        checker.feed(data[start:end])
    return checker.finish()


def refused(data: bytes) -> str:
    with pytest.raises(ClipInvalidError) as caught:
        checked(data)
    return str(caught.value)


def edited(data: bytes, path: tuple[bytes, ...], change: dict[int, bytes] | bytes | None) -> bytes:
    """The clip with the first box on the path patched at offsets, replaced, or left out."""
    out = []
    todo: tuple[bytes, ...] | None = path
    for kind, body in boxes(data):
        if todo is None or kind != todo[0]:
            out.append(box(kind, body))
            continue
        if len(todo) > 1:
            out.append(box(kind, edited(body, todo[1:], change)))
        elif isinstance(change, bytes):
            out.append(box(kind, change))
        elif change is not None:
            patched = bytearray(body)
            for offset, value in change.items():
                patched[offset : offset + len(value)] = value
            out.append(box(kind, bytes(patched)))
        todo = None
    assert todo is None, f"no box {path}"
    return b"".join(out)


def body_of(data: bytes, *path: bytes) -> bytes:
    for kind in path:
        data = dict(reversed(boxes(data)))[kind]
    return data


TRAK = (b"moov", b"trak")
STBL = (*TRAK, b"mdia", b"minf", b"stbl")


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


def fragmented(traf: bytes, trex_duration: int = 0) -> bytes:
    """A clip of one fragment, its time scale 12,288 units per second."""
    trex = box(b"trex", struct.pack(">6I", 0, 1, 1, trex_duration, 0, 0))
    moov = body_of(edited(FRAGMENTS, (b"moov", b"mvex"), trex), b"moov")
    fragment = box(b"moof", box(b"traf", traf))
    return box(b"ftyp", b"isom") + box(b"moov", moov) + fragment + box(b"mdat", b"frames")


TFHD = box(b"tfhd", struct.pack(">II", 0, 1))


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


@pytest.mark.parametrize(
    ("start", "look"),
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
def test_what_is_no_mp4_is_refused_at_its_first_bytes(start: bytes, look: str) -> None:
    assert look in refused(start)
    if len(start) >= 8:
        with pytest.raises(ClipInvalidError, match=f"no MP4 but {look}"):
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
    except ClipInvalidError as error:
        return str(error)


@given(data=st.data(), sample=SAMPLES)
@settings(max_examples=400, deadline=None)
def test_mutated_clips_pass_or_are_refused_the_same_however_they_are_cut(
    data: st.DataObject, sample: bytes
) -> None:
    mutated = bytearray(sample)
    for place in data.draw(st.lists(st.integers(0, len(mutated) - 1), max_size=5)):
        mutated[place] = data.draw(st.sampled_from([0, 1, 7, 8, 127, 255]))
    clip = bytes(mutated[: data.draw(st.integers(0, len(mutated)))])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(clip)), max_size=6)))
    assert outcome(clip) == outcome(clip, *cuts)


@given(
    start=st.sampled_from([b"", box(b"ftyp", b"isom"), PLAIN[:-1700], FRAGMENTS[:1300]]),
    rest=st.binary(max_size=200),
)
@settings(max_examples=300, deadline=None)
def test_any_bytes_pass_or_are_refused(start: bytes, rest: bytes) -> None:
    assert outcome(start + rest) == outcome(start + rest, *range(len(start), len(start + rest)))


@pytest.mark.parametrize("sample", [PLAIN, FAST])
def test_no_truncated_clip_passes(sample: bytes) -> None:
    for length in range(len(sample)):
        assert isinstance(outcome(sample[:length]), str)


def test_a_byte_at_a_time_gives_the_same_as_the_whole() -> None:
    for sample in (PLAIN, FRAGMENTS):
        assert checked(sample, *range(1, len(sample))) == checked(sample)


def clip(duration: float = 5.04, width: int = 1280, height: int = 720) -> ClipInfo:
    return ClipInfo(duration, width, height, 1, "")


@pytest.mark.parametrize(
    ("info", "duration", "ratio"),
    [
        (clip(), "5s", "16:9"),
        (clip(4.1), "5s", "16:9"),
        (clip(9.0), "10s", "16:9"),
        (clip(width=1280, height=544), "5s", "21:9"),
        (clip(width=544, height=1280), "5s", "9:21"),
        (clip(width=720, height=720), "5s", "1:1"),
    ],
)
def test_a_clip_about_as_ordered_matches(info: ClipInfo, duration: str, ratio: str) -> None:
    check_matches(info, duration=duration, aspect_ratio=ratio)


def test_a_clip_of_another_length_or_shape_says_what_was_asked_and_got() -> None:
    with pytest.raises(ClipInvalidError, match=r"asked for 10s, got 5\.04 s$"):
        check_matches(clip(), duration="10s", aspect_ratio="16:9")
    with pytest.raises(ClipInvalidError, match=r"asked for 9:16, got 1280 x 720 pixels$"):
        check_matches(clip(), duration="5s", aspect_ratio="9:16")
    with pytest.raises(ClipInvalidError, match=r"got 3\.00 s; asked for 2:1"):
        check_matches(clip(3), duration="5s", aspect_ratio="2:1")


def test_neighbouring_ratios_on_offer_are_never_confused() -> None:
    offered = [
        "3:1",
        "2:1",
        "21:9",
        "16:9",
        "4:3",
        "3:2",
        "1:1",
        "3:4",
        "2:3",
        "9:16",
        "1:2",
        "1:3",
    ]
    for asked in offered:
        for made in offered:
            wide, high = map(int, made.split(":"))
            info = clip(width=wide * 80 + 3, height=high * 80)
            if asked == made:
                check_matches(info, duration="5s", aspect_ratio=asked)
            else:
                with pytest.raises(ClipInvalidError, match="asked for"):
                    check_matches(info, duration="5s", aspect_ratio=asked)
