"""Small pictures, drawn on the spot."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageDraw


def picture(width: int = 64, height: int = 36, form: str = "JPEG", **options: Any) -> bytes:
    """A picture with something in it, in the given form."""
    image = Image.new("RGB", (width, height), (30, 60, 120))
    drawing = ImageDraw.Draw(image)
    drawing.ellipse((width // 4, height // 4, width // 2, height // 2), fill=(240, 200, 80))
    data = io.BytesIO()
    image.save(data, form, **options)
    return data.getvalue()


def animation(form: str) -> bytes:
    """Two different frames."""
    frames = [Image.new("RGB", (32, 32), color) for color in ("red", "blue")]
    data = io.BytesIO()
    frames[0].save(data, form, save_all=True, append_images=frames[1:], duration=100)
    return data.getvalue()
