"""What a dropped image is, told from as few of its bytes as possible.

An ordinary JPEG, PNG or WebP costs one read of at most 64 KiB, however big the file. More are
made only when metadata (colour profiles, depth maps, Photoshop data) push the picture's header
further out. Sources: ITU-T T.81 annex B and CIPA DC-008 (JPEG, EXIF), PNG third edition, the
WebP container specification with RFC 6386 and RFC 9649.
"""

from __future__ import annotations

import codecs
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from dropreel.drops.pairing import PROMPT_ENDING, SETTINGS_ENDING
from dropreel.errors import Problem, RejectedError

MAX_SIZE = 50_000_000  # bytes; Luma refuses more than "50 MB"
MAX_PIXELS = (
    250_000_000  # the largest cameras make 200 million; more is a damaged header, or a trap
)
FIRST_READ = 64 * 1024
MAX_READS = 32
_LONGEST_READ = 1024 * 1024  # reads double up to here: 32 get past 28 MiB of metadata
_MAX_PARTS = 1024  # JPEG segments, PNG or WebP chunks before the picture
_MAX_JUNK = 1024  # bytes between two JPEG segments, which decoders skip

ALLOWED = "one still JPEG, PNG or WebP image"
_EXPORT = "Export it as JPEG or PNG and drop that file."
_FRAME = "Export one frame as JPEG or PNG and drop that file."
_AGAIN = "Export or upload it again."


class RangeReader(Protocol):
    """A file that is read by ranges, for instance an object in S3.

    `read` returns fewer bytes than asked only where the file ends; what it raises is passed on.
    """

    @property
    def size(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """A still image. `width` and `height` are pixels as displayed, after EXIF orientation.

    `transparent`: it may have parts that are; only the picture itself tells.
    """

    media_type: str
    extension: str
    width: int
    height: int
    transparent: bool = False


def inspect_image(reader: RangeReader) -> ImageInfo:
    """Tell format and displayed size of an image by its content; names play no part.

    Raises RejectedError, in words for the person who dropped it, for whatever is not one still
    JPEG, PNG or WebP image; raises nothing else for any content.
    """
    if reader.size == 0:
        raise _rejected("an empty file (0 bytes)", "The upload may have failed; drop it again.")
    if reader.size > MAX_SIZE:
        found = f"a file of {reader.size:,} bytes"
        allowed = f"at most {MAX_SIZE:,} bytes (50 MB)"
        raise RejectedError([Problem("image", found, allowed, "Export it smaller.")])
    file = _File(reader)
    for pattern, name, extension, measure in _FORMATS:
        if pattern.match(file.head):
            file.name = name
            width, height, orientation = measure(file)
            if not width or not height or width * height > MAX_PIXELS:
                raise file.damaged(f"says it is {width:,} x {height:,} pixels")
            if orientation >= 5:  # the camera lay on its side
                width, height = height, width
            see_through = _may_be_transparent(file.head)
            return ImageInfo(f"image/{name.lower()}", extension, width, height, see_through)
    raise _rejected(*_foreign(file.head))


def _may_be_transparent(head: bytes) -> bool:
    """Whether a PNG has an alpha channel, or a WebP says that it uses one."""
    if head.startswith(b"\x89PNG"):
        return head[25:26] in (b"\4", b"\6")
    if head[12:16] == b"VP8X":
        return bool(head[20] & 0x10)
    return head[12:16] == b"VP8L" and bool(head[24] & 0x10)


def _rejected(found: str, hint: str) -> RejectedError:
    return RejectedError([Problem("image", found, ALLOWED, hint)])


class _File:
    """A window on the file that moves forward in few reads, each twice as long as the last."""

    def __init__(self, reader: RangeReader) -> None:
        self.name = "file"
        self.size = reader.size
        self._reader = reader
        self._reads = 0
        self._next_read = FIRST_READ
        self._start = 0
        self._window = b""
        self._load(0, min(self.size, FIRST_READ))
        self.head = self._window

    def at(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset` on; RejectedError where the file is shorter."""
        if offset + length > self.size:
            raise self.cut_off()
        if offset < self._start or offset + length > self._start + len(self._window):
            self._load(offset, max(length, self._next_read))
        begin = offset - self._start
        found = self._window[begin : begin + length]
        if len(found) < length:
            raise self.cut_off()
        return found

    def ends_with_one_of(self, marks: Sequence[bytes], after: int) -> bool:
        """Whether one of the marks is near the end, behind the offset `after`."""
        start = max(after, self.size - FIRST_READ, 0)
        tail = self.at(start, self.size - start)
        return any(mark in tail for mark in marks)

    def _load(self, offset: int, length: int) -> None:
        if self._reads == MAX_READS:
            raise self.damaged("holds too much besides the picture")
        self._reads += 1
        self._next_read = min(2 * self._next_read, _LONGEST_READ)
        self._window = self._reader.read(offset, min(length, self.size - offset))
        self._start = offset

    def cut_off(self) -> RejectedError:
        return _rejected(f"a {self.name} that is cut off: its end is missing", _AGAIN)

    def damaged(self, how: str) -> RejectedError:
        return _rejected(f"a damaged {self.name}: it {how}", _AGAIN)


# Width, height (pixels as stored) and EXIF orientation (1..8).
_Measured = tuple[int, int, int]

_EOI, _SOS, _APP1 = 0xD9, 0xDA, 0xE1
_STANDALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
_SOF = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# The end of the picture; or of the film, or of the data, that phones put behind it.
_JPEG_ENDS = (b"\xff\xd9", b"moov", b"SEFT")
_PNG_END = b"\0\0\0\0IEND\xae\x42\x60\x82"
_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}


def _measure_jpeg(file: _File) -> _Measured:
    """Walk the segments up to the first scan, so that a thumbnail's own header is not met."""
    width = height = -1
    orientation = 1
    offset = 2
    for _ in range(_MAX_PARTS):
        marker, offset = _next_marker(file, offset)
        if marker in _STANDALONE:
            continue
        if marker == _EOI or (marker == _SOS and width < 0):
            raise file.damaged("holds no picture")
        if marker == _SOS:
            if not file.ends_with_one_of(_JPEG_ENDS, after=offset):
                raise file.cut_off()
            return width, height, orientation
        (length,) = struct.unpack(">H", file.at(offset, 2))
        if marker in _SOF and width < 0:
            height, width = struct.unpack(">HH", file.at(offset + 3, 4))
        elif marker == _APP1 and orientation == 1:
            orientation = _orientation(file, offset + 2, offset + length)
        offset += max(length, 2)
    raise file.damaged("holds too much besides the picture")


def _next_marker(file: _File, offset: int) -> tuple[int, int]:
    """The next marker and the offset behind it. Junk and fill bytes are skipped as decoders do."""
    for position in range(offset, offset + _MAX_JUNK):
        first, second = file.at(position, 2)
        if first == 0xFF and second not in (0x00, 0xFF):
            return second, position + 2
    raise file.damaged("holds no picture where it should")


def _orientation(file: _File, start: int, end: int) -> int:
    """EXIF tag 0x0112 of the TIFF structure in [start, end), 1 when there is none to be read."""
    end = min(end, file.size)
    if start + 14 <= end and file.at(start, 6) == b"Exif\0\0":
        start += 6
    if start + 8 > end or (order := _BYTE_ORDERS.get(file.at(start, 4))) is None:
        return 1
    table = start + _number(order + "I", file.at(start + 4, 4))
    if table + 2 > end:
        return 1
    count = min(_number(order + "H", file.at(table, 2)), (end - table - 2) // 12)
    entries = file.at(table + 2, 12 * count)
    for tag, kind, number, value in struct.iter_unpack(order + "HHI4s", entries):
        if tag == 0x0112 and number == 1 and kind in (3, 4):  # SHORT, LONG
            found = _number(order + "H", value[:2]) if kind == 3 else _number(order + "I", value)
            return found if 1 <= found <= 8 else 1
    return 1


def _number(layout: str, data: bytes) -> int:
    return int(struct.unpack(layout, data)[0])


def _measure_png(file: _File) -> _Measured:
    """IHDR, then the chunks in front of the picture: animation control and EXIF."""
    if file.at(0, 8) != b"\x89PNG\r\n\x1a\n":
        raise file.damaged("was transferred as text")
    header = file.at(8, 25)
    if header[:8] != b"\0\0\0\x0dIHDR" or zlib.crc32(header[4:21]) != _number(">I", header[21:]):
        raise file.damaged("does not start with a sound header")
    width, height = struct.unpack(">II", header[8:16])
    orientation = 1
    offset = 33
    for _ in range(_MAX_PARTS):
        length, kind = struct.unpack(">I4s", file.at(offset, 8))
        if kind == b"IDAT":
            if not file.ends_with_one_of([_PNG_END], after=offset):
                raise file.cut_off()
            return width, height, orientation
        if kind == b"acTL" and _number(">I", file.at(offset + 8, 4)) > 1:
            raise _rejected("an animated PNG", _FRAME)
        if kind == b"eXIf":
            orientation = _orientation(file, offset + 8, offset + 8 + length)
        offset += 12 + length
    raise file.damaged("holds too much besides the picture")


def _measure_webp(file: _File) -> _Measured:
    """VP8 and VP8L carry their own size; VP8X gives that of the canvas."""
    end = 8 + _number("<I", file.at(4, 4))
    if end > file.size:
        raise file.cut_off()
    kind = file.at(12, 4)
    if kind == b"VP8 ":
        if file.at(23, 3) != b"\x9d\x01\x2a":
            raise file.damaged("does not start with a whole picture")
        width, height = struct.unpack("<HH", file.at(26, 4))
        return width & 0x3FFF, height & 0x3FFF, 1
    if kind == b"VP8L":
        if file.at(20, 1) != b"\x2f":
            raise file.damaged("does not start with a sound header")
        bits = _number("<I", file.at(21, 4))
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, 1
    if kind == b"VP8X":
        return _measure_extended_webp(file, end)
    raise file.damaged("holds no picture where it should")


def _measure_extended_webp(file: _File, end: int) -> _Measured:
    header = file.at(20, 10)
    animated, has_exif = header[0] & 0x02, header[0] & 0x08
    width = int.from_bytes(header[4:7], "little") + 1
    height = int.from_bytes(header[7:10], "little") + 1
    picture = False
    offset = 12
    for _ in range(_MAX_PARTS):
        if animated:
            raise _rejected("an animated WebP", _FRAME)
        if picture and (not has_exif or offset + 8 > end):
            return width, height, 1
        kind, length = struct.unpack("<4sI", file.at(offset, 8))
        offset += 8
        if kind == b"EXIF" and picture:
            return width, height, _orientation(file, offset, offset + length)
        animated = kind == b"ANMF"
        picture = picture or kind in (b"VP8 ", b"VP8L")
        offset += length + length % 2
    raise file.damaged("holds too much besides the picture")


_FORMATS: tuple[tuple[re.Pattern[bytes], str, str, Callable[[_File], _Measured]], ...] = (
    (re.compile(rb"\xff\xd8"), "JPEG", ".jpg", _measure_jpeg),
    (re.compile(rb"\x89PNG"), "PNG", ".png", _measure_png),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "WebP", ".webp", _measure_webp),
)

# What people drop instead, by the first bytes: pattern, name, what to do about it.
_FOREIGN = tuple(
    (re.compile(pattern, re.DOTALL), found, hint)
    for pattern, found, hint in (
        (rb"GIF8", "a GIF", _FRAME),
        (rb"II\*\0|MM\0\*|II\+\0|MM\0\+|IIRO|IIU\0", "a TIFF or camera raw file", _EXPORT),
        (rb"FUJIFILMCCD-RAW|.{4}ftypcrx ", "a camera raw file", _EXPORT),
        (rb"BM.{4}\0{4}", "a BMP", _EXPORT),
        (rb"8BPS", "a Photoshop document (PSD)", _EXPORT),
        (rb"%PDF|%!PS|\xc5\xd0\xd3\xc6", "a PDF, Illustrator or PostScript file", _EXPORT),
        (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL", _EXPORT),
        (rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  ", "a JPEG 2000", _EXPORT),
        (rb"\0\0\x01\0", "an icon (ICO)", _EXPORT),
        (rb"v/1\x01|#\?RADIANCE", "a high dynamic range picture (EXR or HDR)", _EXPORT),
        (rb".{4}ftyp|\0.{3}(moov|mdat|wide|free|skip|pnot)", "a video (MP4 or MOV)", _FRAME),
        (rb"\x1aE\xdf\xa3|RIFF.{4}AVI ", "a video", _FRAME),
        (rb"PK\x03\x04", "a ZIP archive or an office document", "Drop the picture itself."),
        (rb"\0\x05\x16\x07", "a companion file of macOS (._name)", "Drop the picture itself."),
    )
)
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1"}


def _foreign(head: bytes) -> tuple[str, str]:
    """Name a file that is no JPEG, PNG or WebP by its first bytes, and say what to do."""
    if head[4:8] == b"ftyp":
        end = min(_number(">I", head[:4]), len(head))
        brands = {head[8:12], *(head[at : at + 4] for at in range(16, end, 4))}
        if brands & {b"avif", b"avis"}:
            return "an AVIF", _EXPORT
        if brands & _HEIF_BRANDS:
            return "a HEIC photo, as iPhones take them", _EXPORT
    for pattern, found, hint in _FOREIGN:
        if pattern.match(head):
            return found, hint
    return _text(head) or ("a file that is no picture of a known format", _EXPORT)


def _text(head: bytes) -> tuple[str, str] | None:
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return _prompt(head.decode("utf-16", "ignore"))
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head).lstrip().lower()
    except UnicodeDecodeError:
        return None
    if re.search(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]", text):
        return None
    if "<svg" in text and text.startswith(("<svg", "<?xml", "<!--", "<!doctype svg")):
        return "an SVG drawing", _EXPORT
    if text.startswith(("<!doctype html", "<html", "<head", "<body", "<script")):
        return "a web page (HTML)", "Save the picture of that page itself and drop that file."
    if text.startswith("<?xml"):
        return "an XML file", "Drop the picture itself."
    return _prompt(text)


def _prompt(text: str) -> tuple[str, str]:
    ending = SETTINGS_ENDING if text.startswith("{") else PROMPT_ENDING
    return "a text file", f"Is it the prompt? Give it the image's name with the ending {ending}."
