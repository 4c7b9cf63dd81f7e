"""What a rendered clip shows, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import av
from PIL import Image, ImageChops, ImageStat


@dataclass(frozen=True)
class Film:
    """A decoded clip."""

    width: int
    height: int
    seconds: float
    frames: int
    codec: str
    pixels: str
    rate: float
    first: Image.Image
    middle: Image.Image
    last: Image.Image


def watch(content: bytes) -> Film:
    """Decode every frame; fails if the file is not a whole MP4."""
    with av.open(BytesIO(content), "r") as container:
        stream = container.streams.video[0]
        shown = [_image(frame) for frame in container.decode(stream)]
        assert stream.duration
        assert stream.time_base
        assert stream.average_rate
        return Film(
            width=stream.width,
            height=stream.height,
            seconds=float(stream.duration * stream.time_base),
            frames=len(shown),
            codec=stream.codec_context.name,
            pixels=str(stream.pix_fmt),
            rate=float(stream.average_rate),
            first=shown[0],
            middle=shown[len(shown) // 2],
            last=shown[-1],
        )


def _image(frame: av.VideoFrame) -> Image.Image:
    shown: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
    return shown


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference per channel, 0 to 255."""
    means = ImageStat.Stat(ImageChops.difference(one, other)).mean
    return sum(means) / len(means)


def jpeg(image: Image.Image, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()
