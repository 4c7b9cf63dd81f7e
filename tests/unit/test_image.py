from __future__ import annotations

import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from dropreel.drops.image import FIRST_READ, MAX_READS, MAX_SIZE, ImageInfo, inspect_image
from dropreel.errors import RejectedError
from tests.support.mp4 import (
    Ranges,
    chunk,
    encoded,
    exif,
    picture,
    riff,
    segment,
    with_chunks,
    with_segments,
)

JPEG = encoded("JPEG")
PNG = encoded("PNG")
WEBP = encoded("WEBP")
EXTENSIONS = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp"}


def inspected(data: bytes) -> ImageInfo:
    return inspect_image(Ranges(data))


def refused(data: bytes) -> str:
    with pytest.raises(RejectedError) as caught:
        inspect_image(Ranges(data))
    (problem,) = caught.value.problems
    assert problem.field == "image"
    assert problem.allowed
    assert problem.hint.endswith(".")
    return problem.found


def size_in_pillow(data: bytes) -> tuple[str, int, int]:
    """Format and displayed size as Pillow sees them."""
    with Image.open(io.BytesIO(data)) as opened:
        shown = ImageOps.exif_transpose(opened)
        return EXTENSIONS[str(opened.format)], shown.width, shown.height


def icc(parts: int) -> bytes:
    """A colour profile of `parts` JPEG segments of the longest kind."""
    return b"".join(
        segment(0xE2, b"ICC_PROFILE\0" + bytes([number + 1, parts]) + bytes(65519))
        for number in range(parts)
    )


def saved(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def interlaced(width: int, height: int) -> bytes:
    """A grey PNG in the seven passes of Adam7."""
    passes = (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    )
    rows = b"".join(
        b"\0" + b"\x80" * len(range(left, width, right))
        for left, top, right, down in passes
        for _ in range(top, height, down)
        if left < width
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)
    return (
        PNG[:8] + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def album() -> bytes:
    """Two pictures in one file, as stereo cameras and phones write them (MPO)."""
    out = io.BytesIO()
    second = picture(width=40, height=30)
    picture().save(out, "MPO", save_all=True, append_images=[second])
    return out.getvalue()


def animation(kind: str) -> bytes:
    out = io.BytesIO()
    frames = [picture(width=40, height=30), picture("L", width=40, height=30).convert("RGB")]
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=100)
    return out.getvalue()


SIDEWAYS = exif(6)[6:]
STILLS = {
    **{f"jpeg {mode}": encoded("JPEG", mode) for mode in ("RGB", "L", "CMYK")},
    **{f"png {mode}": encoded("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")},
    **{f"webp {mode}": encoded("WEBP", mode) for mode in ("RGB", "RGBA", "L")},
    **{f"jpeg {w}x{h}": encoded("JPEG", "L", w, h) for w, h in ((1, 1), (65500, 1), (3, 7000))},
    **{f"png {w}x{h}": encoded("PNG", "L", w, h) for w, h in ((1, 1), (70000, 1), (3, 7000))},
    **{f"webp {w}x{h}": encoded("WEBP", "RGB", w, h) for w, h in ((1, 1), (16383, 1), (3, 999))},
    "jpeg progressive": encoded("JPEG", progressive=True),
    "jpeg optimised": encoded("JPEG", optimize=True, quality=30),
    "jpeg with restart markers": encoded("JPEG", restart_marker_blocks=1),
    "jpeg with fill bytes": JPEG[:2] + b"\xff" * 9 + JPEG[2:],
    "jpeg with junk between segments": with_segments(JPEG, segment(0xFE, b"note") + b"\0junk"),
    "jpeg with a huge profile": with_segments(JPEG, icc(40)),
    "jpeg with a huge comment and xmp": with_segments(
        JPEG, segment(0xFE, b"c" * 65533), segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" * 2000)
    ),
    "jpeg with photoshop data holding a picture": with_segments(
        JPEG, segment(0xED, b"Photoshop 3.0\0" + encoded("JPEG", width=17, height=19))
    ),
    "jpeg with many small segments": with_segments(JPEG, segment(0xFE, b"x") * 500),
    "album": album(),
    "png of 16 bits": saved(Image.new("I;16", (40, 30), 4711), "PNG"),
    "png interlaced": interlaced(37, 21),
    "png with a long text": with_chunks(PNG, chunk(b"tEXt", b"Comment\0long" * 9000)),
    "png with a profile": encoded("PNG", icc_profile=bytes(300_000)),
    "png sideways": with_chunks(PNG, chunk(b"eXIf", SIDEWAYS)),
    "png with one frame of animation": with_chunks(PNG, chunk(b"acTL", struct.pack(">II", 1, 0))),
    "webp lossless": encoded("WEBP", lossless=True),
    "webp lossless with alpha": encoded("WEBP", "RGBA", lossless=True),
    "webp with a profile": encoded("WEBP", icc_profile=b"profile" * 30_001),
    "webp sideways": encoded("WEBP", exif=SIDEWAYS),
    "webp sideways with a prefix": encoded("WEBP", exif=exif(6)),
    "webp upright with a profile": encoded("WEBP", exif=exif(1), icc_profile=bytes(70_000)),
    **{
        f"jpeg turned {orientation} {order}": with_segments(
            JPEG, segment(0xE1, exif(orientation, order=order))
        )
        for orientation in range(1, 9)
        for order in "<>"
    },
    "jpeg turned, its exif far from the start": with_segments(
        JPEG, segment(0xE0, bytes(65533)), segment(0xE1, exif(8, padding=60_000))
    ),
    "jpeg turned behind its frame header": JPEG.replace(
        b"\xff\xc0", segment(0xE1, exif(5)) + b"\xff\xc0"
    ),
}


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


@pytest.mark.parametrize("start", [JPEG, PNG, LARGEST_WEBP])
def test_an_ordinary_image_costs_one_small_read_however_big_the_file(start: bytes) -> None:
    reader = Ranges(start, size=MAX_SIZE)
    inspect_image(reader)
    assert reader.reads == [(0, FIRST_READ)]


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
def test_oddities_that_decoders_forgive_are_forgiven(data: bytes) -> None:
    info = inspected(data)
    assert (info.width, info.height) == (40, 30)


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
        (b"\xff\xd8" + segment(0xC0, b"\x08\0\0\0\x08\3") + segment(0xDA, b""), "8 x 0 pixels"),
        (riff((b"VP8 ", b"\0\0\0\x9d\x01\x2a\0\0\x05\0")), "0 x 5 pixels"),
    ],
)
def test_what_is_not_a_still_image_is_named(data: bytes, words: str) -> None:
    assert words in refused(data)


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


@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=300))
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_inspected_or_refused(start: bytes, rest: bytes) -> None:
    inspect_or_refuse(start + rest)


@given(data=st.data(), sample=st.sampled_from(sorted(STILLS)))
@settings(max_examples=400, deadline=None)
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
