"""Small pictures of the dropped images, for the dashboard's widget.

They are nice to have, and no more: whatever goes wrong with one never troubles its job. So they
are made by a function of their own, which is the only one that has Pillow.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from dropreel.clips.bucket import ClipsBucket
from dropreel.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from PIL.Image import Image

SIDE = 160
MAX_PIXELS = 64_000_000  # a small file may unpack to more than a function can hold
_QUALITY = 70
_PAPER = "white"  # what is seen through transparent pictures


class ThumbnailRequests:
    """Asks for thumbnails, without waiting for them."""

    def __init__(self, functions: LambdaClient, name: str) -> None:
        self._functions = functions
        self._name = name

    def ask(self, job_id: str, pinned_key: str) -> None:
        order = {"job_id": job_id, "pinned_key": pinned_key}
        try:
            self._functions.invoke(
                FunctionName=self._name, InvocationType="Event", Payload=json.dumps(order).encode()
            )
        except (BotoCoreError, ClientError) as error:
            logger.warning("no thumbnail was asked for", reason=type(error).__name__)


def store_thumbnail(clips: ClipsBucket, job_id: str, pinned_key: str) -> None:
    """Make and keep the thumbnail of one pinned image; if that cannot be done, say so."""
    try:
        clips.put_thumbnail(job_id, make_thumbnail(clips.load(pinned_key)))
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
