"""Checks that a stream of bytes is a whole MP4 clip, while it passes by.

Only the boxes that describe the movie are kept (at most 16 MiB); picture data is counted and
hashed, never stored. Source: ISO/IEC 14496-12, whose sections are named where they are used.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from dropreel.errors import ClipCutShortError, ClipInvalidError
from dropreel.jobs.job import ClipInfo

# A "5s" of the model has frames 0 to 120 at 24 per second, and makers round: a fifth is far from
# that, and far from taking 5 s for 10 s.
DURATION_TOLERANCE = 0.2
# Encoders want sides that divide by 8 or 16; the nearest two ratios on offer are 12 % apart.
RATIO_TOLERANCE = 0.05

_KEPT = {b"moov": 16 * 1024 * 1024, b"moof": 1024 * 1024}  # bytes at most
_MAX_BOXES = 10_000  # side by side; ten seconds with a fragment per frame make about 1,000
_MAX_CHILDREN = 1_000  # inside one box
_TO_END_OF_FILE = 1 << 65  # more than a box can state
_LEADING = {b"ftyp", b"free", b"skip", b"wide", b"pdin", b"styp", b"uuid", b"moov", b"mdat"}
_LOOKS = (
    ((b"<",), "a web page or XML message"),
    ((b"{", b"["), "a JSON message"),
    ((b"GIF8", b"\x89PNG", b"\xff\xd8\xff", b"RIFF"), "a picture or another kind of video"),
    ((b"\x1aE\xdf\xa3",), "a WebM or Matroska video"),
    ((b"\x1f\x8b", b"PK\x03\x04"), "compressed data"),
)


def remark_on(clip: ClipInfo, duration: str, aspect_ratio: str) -> str:
    """In what the clip is not about what was ordered (`5s`, `16:9`); empty if it is."""
    found = []
    seconds = float(duration.removesuffix("s"))
    if abs(clip.duration_s - seconds) > DURATION_TOLERANCE * seconds:
        found.append(f"ordered {duration}, got {clip.duration_s:.2f} s")
    wide, high = map(int, aspect_ratio.split(":"))
    asked, got = clip.height * wide, clip.width * high
    if max(asked, got) > (1 + RATIO_TOLERANCE) * min(asked, got):
        found.append(f"ordered {aspect_ratio}, got {clip.width} x {clip.height} pixels")
    return "; ".join(found)


class ClipChecker:
    """Feed it every byte of the file in order, then ask `finish`.

    Both raise ClipInvalidError with a plain sentence, `feed` as soon as the bytes so far show
    it, and `finish` ClipCutShortError; nothing else is raised for any bytes. After an error the
    checker is spent.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._size = 0
        self._boxes = 0
        self._header = bytearray()
        self._header_length = 8
        self._kind = b""
        self._left = 0  # bytes of the current box that are still to come
        self._kept = bytearray()
        self._typed = False
        self._media = 0  # bytes inside mdat
        self._movie: _Movie | None = None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes, in pieces of any length."""
        self._hash.update(chunk)
        rest = memoryview(chunk)
        while rest:
            taken = self._inside(rest) if self._left else self._between(rest)
            rest = rest[taken:]

    def finish(self) -> ClipInfo:
        """The file ends here: say what it was."""
        self._check_end()
        if not self._typed:
            raise ClipInvalidError("the file is no MP4: it does not state its type (ftyp)")
        if self._movie is None:
            raise ClipInvalidError("the file is no playable MP4: it lacks the movie header (moov)")
        if not self._media:
            raise ClipInvalidError("the file holds no picture data (mdat)")
        duration, (width, height) = self._movie.duration(), self._movie.size
        if not width or not height:
            raise ClipInvalidError(f"the MP4 says its picture is {width} x {height} pixels")
        return ClipInfo(duration, width, height, self._size, self._hash.hexdigest())

    def _check_end(self) -> None:
        if self._left > _TO_END_OF_FILE // 2:
            self._close()
        if self._left:
            whole = self._size + self._left
            raise ClipCutShortError(f"the file is cut short: {self._size} of {whole} bytes")
        if not self._boxes and (likeness := _likeness(bytes(self._header))):
            raise ClipInvalidError(f"the file is no MP4 but {likeness}")
        if self._header or not self._size:
            raise ClipCutShortError(f"the file is cut short: it ends after {self._size} bytes")

    def _between(self, rest: memoryview) -> int:
        piece = rest[: self._header_length - len(self._header)]
        self._header += piece
        self._size += len(piece)
        if len(self._header) == self._header_length:
            self._open(bytes(self._header))
        return len(piece)

    def _open(self, header: bytes) -> None:
        """Start a box (4.2): size and kind, then a 64-bit size where the first one is 1."""
        if not self._boxes and header[4:8] not in _LEADING:
            raise ClipInvalidError(f"the file is no MP4 but {_likeness(header) or 'unknown data'}")
        if header[:4] == b"\0\0\0\1" and len(header) == 8:
            self._header_length = 16
            return
        self._header.clear()
        self._header_length = 8
        self._kind = header[4:8]
        self._typed = self._typed or self._kind == b"ftyp"
        self._boxes += 1
        size = int.from_bytes(header[8:] or header[:4])
        if 0 < size < len(header) or self._boxes > _MAX_BOXES:
            raise ClipInvalidError(f"the MP4 is damaged at byte {self._size - len(header)}")
        self._left = size - len(header) if size else _TO_END_OF_FILE
        if size and self._left > _KEPT.get(self._kind, self._left):
            raise _damaged(self._kind)
        if not self._left:
            self._close()

    def _inside(self, rest: memoryview) -> int:
        piece = rest[: self._left]
        self._left -= len(piece)
        self._size += len(piece)
        if self._kind == b"mdat":
            self._media += len(piece)
        elif self._kind in _KEPT:
            self._kept += piece
            if len(self._kept) > _KEPT[self._kind]:
                raise _damaged(self._kind)
        if not self._left:
            self._close()
        return len(piece)

    def _close(self) -> None:
        body, self._kept = memoryview(self._kept), bytearray()
        self._left = 0
        if self._kind in _KEPT and (self._kind == b"moov") == bool(self._movie):
            raise _damaged(self._kind)  # a second header, or a fragment without one
        try:
            if self._kind == b"moov":
                self._movie = _read_movie(body)
            elif self._kind == b"moof" and self._movie:
                self._movie.add_fragment(body)
        except struct.error as error:
            raise _damaged(self._kind) from error


def _likeness(start: bytes) -> str:
    """What the first bytes of something that is no MP4 look like; empty when unknown."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    for magic, name in _LOOKS:
        if text.startswith(magic):
            return name
    return "a text message" if re.fullmatch(rb"[\s!-~]+", start) else ""


def _damaged(kind: bytes) -> ClipInvalidError:
    return ClipInvalidError(f"the MP4 is damaged: its {kind.decode()} box makes no sense")


@dataclass(slots=True)
class _Movie:
    """What `moov` tells of the movie's video track, and `moof` boxes add to it."""

    track_id: int
    timescale: int  # units per second
    stated_s: float  # seconds by header, 0 where not known
    listed: int  # units, up to the end of the last frame
    frames: int
    size: tuple[int, int]  # width and height in pixels, as displayed
    default_duration: int = 0  # units per frame of a fragment

    def duration(self) -> float:
        """Seconds. The frames count: headers add the encoder's delay, or are guessed ahead."""
        if not self.frames:
            raise ClipInvalidError("the MP4 holds not a single frame of video")
        if not (seconds := self.listed / self.timescale or self.stated_s):
            raise ClipInvalidError("the MP4 does not say how long it lasts")
        return seconds

    def add_fragment(self, moof: memoryview) -> None:
        """Count the frames of a movie fragment (8.8.4)."""
        for traf in _children(moof, b"traf"):
            tfhd = _find(traf, b"tfhd")
            if _number(tfhd, 4) != self.track_id:
                continue
            flags = _number(tfhd, 0)
            at = 8 + 8 * (flags & 1) + 2 * (flags & 2)  # base offset, description index
            default = _number(tfhd, at) if flags & 8 else self.default_duration
            if tfdt := _find(traf, b"tfdt"):  # 8.8.12: where the fragment starts
                self.listed = max(self.listed, _number(tfdt, 4, ">Q" if tfdt[0] else ">I"))
            for trun in _children(traf, b"trun"):
                self.frames += _number(trun, 4)
                self.listed += _run_duration(trun, default)


def _run_duration(trun: memoryview, default: int) -> int:
    """Units of the frames in one track run (8.8.8)."""
    flags, count = _number(trun, 0), _number(trun, 4)
    if not flags & 0x100:
        return count * default
    start = 8 + 4 * (flags & 1) + (flags & 4)  # data offset, first frame's flags
    others = (flags & 0xE00).bit_count()
    return sum(units for (units,) in _rows(trun[start:], f">I{4 * others}x", count))


def _read_movie(moov: memoryview) -> _Movie:
    """The first video track (8.4.3) that has frames, or else the first."""
    tracks = [
        _read_track(moov, trak)
        for trak in _children(moov, b"trak")
        if bytes(_find(trak, b"mdia", b"hdlr")[8:12]) == b"vide"
    ]
    if not tracks:
        raise ClipInvalidError("the MP4 holds no video track")
    return next((track for track in tracks if track.frames), tracks[0])


def _read_track(moov: memoryview, trak: memoryview) -> _Movie:
    track_id, size = _read_header(_find(trak, b"tkhd"))
    table = _find(trak, b"mdia", b"minf", b"stbl")
    sizes = _find(table, b"stsz") or _find(table, b"stz2")  # 8.7.3: both count at 8
    stts = _find(table, b"stts")  # 8.6.1.2
    timescale, units = _times(_find(trak, b"mdia", b"mdhd"))
    movie_timescale, movie_units = _times(_find(moov, b"mvhd"))
    mvex = _find(moov, b"mvex")  # 8.8.1
    mehd = _find(mvex, b"mehd")
    announced = _number(mehd, 4, ">Q" if mehd[0] else ">I") if mehd else 0
    defaults = {_number(trex, 4): _number(trex, 12) for trex in _children(mvex, b"trex")}
    rows = _rows(stts[8:], ">II", _number(stts, 4)) if stts else ()
    return _Movie(
        track_id=track_id,
        timescale=timescale,
        stated_s=(announced or movie_units) / movie_timescale or units / timescale,
        listed=sum(count * delta for count, delta in rows),
        frames=_number(sizes, 8) if sizes else 0,
        size=size,
        default_duration=defaults.get(track_id, 0),
    )


def _read_header(tkhd: memoryview) -> tuple[int, tuple[int, int]]:
    """Track id and displayed size (8.3.2); the matrix turns what phones film upright."""
    id_at, matrix_at = (20, 52) if _number(tkhd, 0, ">B") else (12, 40)
    a, b, _, c, d, *_, width, height = struct.unpack_from(">9i2I", tkhd, matrix_at)
    if b and c and not a and not d:
        width, height = height, width
    return _number(tkhd, id_at), (round(width / 65536), round(height / 65536))


def _times(box: memoryview) -> tuple[int, int]:
    """Units per second and duration of `mvhd` (8.2.2) or `mdhd` (8.4.2); 0 where not known."""
    wide = _number(box, 0, ">B")
    timescale, units = struct.unpack_from(">IQ" if wide else ">II", box, 20 if wide else 12)
    if not timescale:
        raise struct.error("no time scale")
    return timescale, 0 if units == (2**64 if wide else 2**32) - 1 else units


def _children(container: memoryview, kind: bytes) -> Iterator[memoryview]:
    """The bodies of all boxes of one kind in a container (4.2)."""
    for _ in range(_MAX_CHILDREN):
        if len(container) < 8:  # QuickTime may end with four zero bytes
            return
        size, found = struct.unpack_from(">I4s", container)
        start = 8
        if size == 1:
            size, start = _number(container, 8, ">Q"), 16
        size = size or len(container)
        if not start <= size <= len(container):
            raise struct.error("a box larger than its container")
        if found == kind:
            yield container[start:size]
        container = container[size:]
    raise struct.error("too many boxes")


def _find(container: memoryview, *path: bytes) -> memoryview:
    """The body of the first box on the path, empty where there is none."""
    for kind in path:
        container = next(_children(container, kind), memoryview(b""))
    return container


def _number(box: memoryview, offset: int, layout: str = ">I") -> int:
    return int(struct.unpack_from(layout, box, offset)[0])


def _rows(table: memoryview, layout: str, count: int) -> Iterator[tuple[int, ...]]:
    length = count * struct.calcsize(layout)
    if len(table) < length:
        raise struct.error("a table shorter than its count")
    return struct.iter_unpack(layout, table[:length])
