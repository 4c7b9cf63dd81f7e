"""What is dropped in a play: pictures, and the events that tell of them."""

from __future__ import annotations

import json
from io import BytesIO

from PIL import Image


def created(key: str) -> str:
    detail = {"bucket": {"name": "inbox"}, "object": {"key": key}}
    return json.dumps({"detail-type": "Object Created", "detail": detail})


def picture(shade: int) -> bytes:
    data = BytesIO()
    Image.new("RGB", (320, 180), (30 + shade, 60, 120)).save(data, "JPEG")
    return data.getvalue()
