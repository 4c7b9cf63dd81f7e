"""A real MP4 from one still image: H.264, yuv420p, 24 fps, 5 s or 10 s, a slow camera move.

The move is a zoom that begins on the whole (cover-fitted) image, so the first frame is the image.
It is done per plane: the image is scaled and turned to YUV once, and each frame is three crops
scaled back to frame size, which costs a third of the same work in RGB.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import av
from av.video.stream import VideoStream
from PIL import Image, ImageOps

FPS = 24
_ZOOM = 0.14  # share of the width and height that is out of sight at the closest point
_BT709 = 1  # the code of ITU-R BT.709 in H.264, for primaries, transfer and matrix alike
_LIMITED = 1  # "MPEG" range, what players expect of H.264

_SECONDS = {"5s": 5, "10s": 10}
_SHORT_SIDES = {"360p": 360, "540p": 540, "720p": 720, "1080p": 1080}


@dataclass(frozen=True, slots=True)
class ClipSpec:
    """What to render; equal specs of equal images give equal files."""

    width: int
    height: int
    frames: int
    loop: bool = False
    faststart: bool = True

    @classmethod
    def of(cls, resolution: str, ratio: str, duration: str, *, loop: bool = False) -> ClipSpec:
        """Read the words all four providers share: `540p`, `16:9`, `5s`."""
        width, height = frame_size(resolution, ratio)
        return cls(width, height, _SECONDS[duration] * FPS, loop)


def frame_size(resolution: str, ratio: str) -> tuple[int, int]:
    """The short side is the resolution's number, the long side follows the ratio, both even."""
    short = _SHORT_SIDES[resolution]
    across, down = (int(part) for part in ratio.split(":"))
    long = round(short * max(across, down) / min(across, down) / 2) * 2
    return (long, short) if across >= down else (short, long)


def cover(image: Image.Image, width: int, height: int) -> Image.Image:
    """Turn the image upright and crop it from the centre so that it fills the frame."""
    upright = ImageOps.exif_transpose(image)
    return ImageOps.fit(upright.convert("RGB"), (width, height), Image.Resampling.BICUBIC)


class RenderStoppedError(Exception):
    """The server is closing."""


def render(
    image_bytes: bytes, spec: ClipSpec, target: Path, stop: threading.Event | None = None
) -> None:
    """Write the clip to `target`; raises RenderStoppedError soon after `stop` is set."""
    with Image.open(BytesIO(image_bytes)) as image:
        still = cover(image, spec.width, spec.height)
    # The second pass that puts the index first needs a file that it can open again by name.
    options = {"movflags": "faststart"} if spec.faststart else {}
    with av.open(str(target), "w", format="mp4", options=options) as container:
        stream = container.add_stream("libx264", rate=FPS)
        _configure(stream, spec)
        for frame in _frames(still, spec):
            if stop and stop.is_set():
                raise RenderStoppedError
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _configure(stream: VideoStream, spec: ClipSpec) -> None:
    stream.width, stream.height, stream.pix_fmt = spec.width, spec.height, "yuv420p"
    stream.options = {"preset": "ultrafast", "crf": "26", "threads": "1"}
    codec = stream.codec_context
    codec.colorspace = codec.color_primaries = codec.color_trc = _BT709
    codec.color_range = _LIMITED


def _frames(still: Image.Image, spec: ClipSpec) -> Iterator[av.VideoFrame]:
    planes = _planes(still)
    for index in range(spec.frames):
        yield _frame(planes, spec, index)


def _planes(still: Image.Image) -> list[Image.Image]:
    rgb: av.VideoFrame = av.VideoFrame.from_image(still)  # type: ignore[no-untyped-call]
    yuv = rgb.reformat(format="yuv420p", dst_colorspace="ITU709")
    return [
        Image.frombytes("L", (p.width, p.height), bytes(p), "raw", "L", p.line_size, 1)
        for p in yuv.planes
    ]


def _frame(planes: list[Image.Image], spec: ClipSpec, index: int) -> av.VideoFrame:
    frame = av.VideoFrame(spec.width, spec.height, "yuv420p")
    for plane, source in zip(frame.planes, planes, strict=True):
        moved = _closer(source, _progress(spec, index))
        plane.update(moved.tobytes("raw", "L", plane.line_size, 1))
    frame.pts = index
    frame.colorspace, frame.color_range = _BT709, _LIMITED
    return frame


def _progress(spec: ClipSpec, index: int) -> float:
    """How far the camera has gone, 0 to 1; a loop is back at 0 on its last frame."""
    done = index / (spec.frames - 1)
    return math.sin(math.pi * done) if spec.loop else done


def _closer(plane: Image.Image, progress: float) -> Image.Image:
    """Crop towards a point right of and above the centre, so that zoom and drift both show."""
    width, height = plane.size
    gone = _ZOOM * progress
    left, top = width * gone * 0.65, height * gone * 0.35
    box = (left, top, left + width * (1 - gone), top + height * (1 - gone))
    return plane.resize((width, height), Image.Resampling.BILINEAR, box=box) if gone else plane
