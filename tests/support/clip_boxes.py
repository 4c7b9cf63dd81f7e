"""Clips with single boxes changed, and what the checker says of them."""

from __future__ import annotations

import struct

import pytest

from dropreel.clips.mp4 import ClipChecker
from dropreel.errors import ClipCutShortError, ClipInvalidError
from dropreel.jobs.job import ClipInfo
from tests.support.mp4 import box, boxes, mp4

PLAIN = mp4()
FAST = mp4(movflags="faststart")
FRAGMENTS = mp4(movflags="frag_keyframe+empty_moov")
MIXED = mp4(movflags="frag_keyframe")  # first frames in the header, the rest in fragments


def checked(data: bytes, *cuts: int) -> ClipInfo:
    checker = ClipChecker()
    for start, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        checker.feed(data[start:end])
    return checker.finish()


def refused(data: bytes) -> str:
    with pytest.raises((ClipInvalidError, ClipCutShortError)) as caught:
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


def fragmented(traf: bytes, trex_duration: int = 0) -> bytes:
    """A clip of one fragment, its time scale 12,288 units per second."""
    trex = box(b"trex", struct.pack(">6I", 0, 1, 1, trex_duration, 0, 0))
    moov = body_of(edited(FRAGMENTS, (b"moov", b"mvex"), trex), b"moov")
    fragment = box(b"moof", box(b"traf", traf))
    return box(b"ftyp", b"isom") + box(b"moov", moov) + fragment + box(b"mdat", b"frames")


TFHD = box(b"tfhd", struct.pack(">II", 0, 1))
