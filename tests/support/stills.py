"""Still images of every kind that decoders read, made by Pillow and by hand."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from dropreel.drops.image import ImageInfo, inspect_image
from dropreel.errors import RejectedError
from tests.support.mp4 import (
    Ranges,
    chunk,
    encoded,
    exif,
    picture,
    segment,
    with_chunks,
    with_segments,
)

JPEG = encoded("JPEG")
PNG = encoded("PNG")
WEBP = encoded("WEBP")


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
