"""A small picture of a dropped image, for the dashboard's widget.

It is nice to have, and no more: whatever goes wrong with it never troubles the job.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Self

from dropreel.clips.bucket import ClipsBucket
from dropreel.observability import logger
from dropreel.steps.outcomes import ThumbnailEvent

if TYPE_CHECKING:
    from PIL.Image import Image

    from dropreel.container import Container

SIDE = 160  # pixels
MAX_PIXELS = 64_000_000  # a small file may unpack to more than a function can hold
_QUALITY = 70
_PAPER = "white"  # what is seen through transparent pictures


class Thumbnail:
    """What the `thumbnail` function does; the only one that has Pillow."""

    def __init__(self, clips: ClipsBucket) -> None:
        self._clips = clips

    @classmethod
    def build(cls, container: Container) -> Self:
        return cls(container.clips)

    def handle(self, event: ThumbnailEvent) -> None:
        """Make and keep the thumbnail of one pinned image; if that cannot be done, log it."""
        try:
            picture = make_thumbnail(self._clips.load(event.pinned_key))
            self._clips.put_thumbnail(event.job_id, picture)
        except Exception as error:
            # Decoders of hostile files raise anything; nobody is to be called for a small picture.
            logger.warning("no thumbnail", reason=type(error).__name__)


def make_thumbnail(data: bytes) -> bytes:
    """A JPEG of at most SIDE pixels a side, upright, without metadata. Raises what Pillow does."""
    from PIL import Image, ImageOps  # only one function has it

    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError("too many pixels")
        image.thumbnail((SIDE, SIDE))
        small = _on_paper(ImageOps.exif_transpose(image))
    packed = io.BytesIO()
    small.save(packed, "JPEG", quality=_QUALITY, optimize=True)
    return packed.getvalue()


def _on_paper(image: Image) -> Image:
    from PIL import Image as images  # noqa: N813

    if not image.has_transparency_data:
        return image.convert("RGB")
    paper = images.new("RGBA", image.size, _PAPER)
    return images.alpha_composite(paper, image.convert("RGBA")).convert("RGB")
