"""Fetching the image as a hosted API would: from any address, within limits, by its content."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from io import BytesIO
from urllib.parse import urlsplit

import httpx
from PIL import Image

_FORMATS = {"JPEG", "MPO", "PNG", "WEBP"}  # MPO: what many phones write as .jpg
_AGENT = "image-fetcher/1.0"


@dataclass
class ImageError(Exception):
    """Why an image cannot be used. `kind` is one of faults.END_KINDS."""

    kind: str
    message: str

    def __str__(self) -> str:
        return self.message


class Fetcher:
    """One client for all jobs; safe to use from many threads."""

    def __init__(self, timeout: float, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._client = httpx.Client(
            timeout=timeout,
            follow_redirects=True,
            max_redirects=3,
            trust_env=False,
            headers={"User-Agent": _AGENT, "Accept": "image/*"},
        )

    def close(self) -> None:
        self._client.close()

    def fetch(self, url: str) -> bytes:
        """Return the bytes of a JPEG, PNG or WebP; raises ImageError for anything else."""
        content = self._from_data_uri(url) if url.startswith("data:") else self._from_web(url)
        _verify(content)
        return content

    def _from_data_uri(self, url: str) -> bytes:
        head, _, data = url.partition(",")
        if not head.startswith("data:image/") or not head.endswith(";base64"):
            raise ImageError("image-unsupported", "content-type is not an image")
        return self.decode(data)

    def decode(self, data: str) -> bytes:
        """Inline base64; raises ImageError."""
        try:
            content = base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise ImageError("image-corrupt", "invalid base64 data") from error
        if len(content) > self._max_bytes:
            raise self._too_large()
        _verify(content)
        return content

    def _from_web(self, url: str) -> bytes:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ImageError("bad-image", "failed to fetch URL")
        try:
            with self._client.stream("GET", url) as response:
                return self._read(response)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ImageError("bad-image", "failed to fetch URL") from error

    def _read(self, response: httpx.Response) -> bytes:
        if response.status_code != httpx.codes.OK:
            raise ImageError("bad-image", f"failed to fetch URL (HTTP {response.status_code})")
        if not response.headers.get("content-type", "").startswith("image/"):
            raise ImageError("image-unsupported", "content-type is not an image")
        content = bytearray()
        for part in response.iter_bytes():
            content += part
            if len(content) > self._max_bytes:
                raise self._too_large()
        return bytes(content)

    def _too_large(self) -> ImageError:
        return ImageError("image-too-large", f"image exceeds {self._max_bytes >> 20} MB limit")


def _verify(content: bytes) -> None:
    try:
        with Image.open(BytesIO(content)) as image:
            kind = image.format
            image.load()
    except Exception as error:  # what a broken image raises is up to Pillow's codec
        raise ImageError("image-corrupt", "the image cannot be decoded") from error
    if kind not in _FORMATS:
        raise ImageError("image-unsupported", f"image format {kind} is not supported")
