"""What is uploaded in a play, and the event that tells of it."""

from __future__ import annotations

import json
from io import BytesIO

from PIL import Image


def created(key: str) -> str:
    """What EventBridge puts into the ingest queue for an upload."""
    detail = {"bucket": {"name": "inbox"}, "object": {"key": key}}
    return json.dumps({"detail-type": "Object Created", "detail": detail})


def picture(shade: int) -> bytes:
    """A small image, unlike those of other shades."""
    data = BytesIO()
    Image.new("RGB", (320, 180), (30 + shade, 60, 120)).save(data, "JPEG")
    return data.getvalue()
