"""Images and clips for the tests of this folder: real ones, made by Pillow and PyAV."""

from __future__ import annotations

import io
import random
import struct
import tempfile
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import av
from PIL import Image


class Ranges:
    """A file in memory that notes what was read of it."""

    def __init__(self, data: bytes, size: int | None = None) -> None:
        self.data = data
        self.size = len(data) if size is None else size
        self.reads: list[tuple[int, int]] = []

    def read(self, offset: int, length: int) -> bytes:
        assert length > 0
        assert 0 <= offset < self.size
        self.reads.append((offset, length))
        return self.data[offset : offset + length]


def picture(mode: str = "RGB", width: int = 40, height: int = 30) -> Image.Image:
    """A picture of noise, so that compressed data is not trivial."""
    seed = random.Random(f"{mode}{width}x{height}")  # noqa: S311  noise, no secret
    noise = Image.frombytes("RGB", (width, height), seed.randbytes(3 * width * height))
    return noise.convert(mode)


def encoded(kind: str, mode: str = "RGB", width: int = 40, height: int = 30, **how: Any) -> bytes:
    """A picture saved by Pillow; `how` goes to `Image.save`."""
    out = io.BytesIO()
    picture(mode, width, height).save(out, kind, **how)
    return out.getvalue()


def exif(orientation: int, padding: int = 0, order: str = "<") -> bytes:
    """An EXIF block with a thumbnail picture inside; `padding` moves its table back (bytes)."""
    thumbnail = encoded("JPEG", width=16, height=16)
    entries = [(0x0112, 3, 1, struct.pack(order + "HH", orientation, 0))]
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8 + padding)
    table = struct.pack(order + "H", len(entries))
    table += b"".join(struct.pack(order + "HHI4s", *entry) for entry in entries)
    return b"Exif\0\0" + head + bytes(padding) + table + bytes(4) + thumbnail


def segment(marker: int, payload: bytes) -> bytes:
    """One JPEG segment; the payload is at most 65,533 bytes."""
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """The JPEG with segments put in right behind its start marker."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def chunk(kind: bytes, payload: bytes) -> bytes:
    """One PNG chunk."""
    return (
        struct.pack(">I", len(payload))
        + kind
        + payload
        + struct.pack(">I", zlib.crc32(kind + payload))
    )


def with_chunks(png: bytes, *chunks: bytes) -> bytes:
    """The PNG with chunks put in right behind its header."""
    return png[:33] + b"".join(chunks) + png[33:]


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP container of the given chunks."""
    body = b"".join(
        kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for kind, data in chunks
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


@cache
def mp4(
    seconds: float = 1.0,
    width: int = 64,
    height: int = 36,
    movflags: str = "",
    *,
    sound: bool = False,
    video: bool = True,
    codec: str = "libx264",
    container: str = "mp4",
) -> bytes:
    """A real MP4 of 24 frames per second, made by PyAV."""
    options = {"movflags": movflags} if movflags else {}
    with tempfile.TemporaryDirectory() as folder:  # moving the header to the front needs a file
        path = Path(folder) / "clip"
        with av.open(str(path), "w", format=container, container_options=options) as movie:
            tracks: list[tuple[Any, list[Any]]] = []
            if video:
                film: Any = movie.add_stream(codec, rate=24)
                film.width, film.height, film.pix_fmt, film.gop_size = width, height, "yuv420p", 8
                tracks.append((film, _frames(round(24 * seconds), width, height)))
            if sound:
                tone = movie.add_stream("aac", rate=8000)
                tracks.append((tone, _silence(round(8000 * seconds / 1024))))
            for stream, frames in tracks:
                for frame in (*frames, None):
                    movie.mux(stream.encode(frame))
        return path.read_bytes()


def _frames(count: int, width: int, height: int) -> list[av.VideoFrame]:
    frames = []
    from_image: Any = av.VideoFrame.from_image
    for number in range(count):
        grey = Image.new("RGB", (width, height), (number % 256, 128, 64))
        frames.append(from_image(grey))
        frames[-1].pts = number
    return frames


def _silence(count: int) -> list[av.AudioFrame]:
    frames = []
    for number in range(count):
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        frame.rate, frame.pts = 8000, number * 1024
        frames.append(frame)
    return frames


def box(kind: bytes, payload: bytes, *, wide: bool = False) -> bytes:
    """One MP4 box; `wide` writes its size in 64 bits."""
    if wide:
        return struct.pack(">I4sQ", 1, kind, len(payload) + 16) + payload
    return struct.pack(">I4s", len(payload) + 8, kind) + payload


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """The boxes lying side by side in data: kind and payload (32-bit sizes only)."""
    found = []
    while data:
        size, kind = struct.unpack_from(">I4s", data)
        found.append((kind, data[8:size]))
        data = data[size:]
    return found
