"""Fetching an image: by what it is, not by what it is called."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from io import BytesIO

import pytest
from PIL import Image

from local.simulators.images import Fetcher, ImageError
from tests.simulators.caller import Caller
from tests.simulators.conftest import ImageHost


def encoded(kind: str) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (64, 48), "teal").save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    fetcher = Fetcher(timeout=2, max_bytes=1 << 20)
    yield fetcher
    fetcher.close()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_jpeg_png_and_webp_are_taken(fetcher: Fetcher, image_host: ImageHost, kind: str) -> None:
    url = image_host.put(f"/image.{kind}", encoded(kind), f"image/{kind.lower()}")
    assert fetcher.fetch(url) == encoded(kind)


def test_a_data_uri_is_taken(fetcher: Fetcher) -> None:
    uri = f"data:image/png;base64,{base64.b64encode(encoded('PNG')).decode()}"
    assert fetcher.fetch(uri) == encoded("PNG")


@pytest.mark.parametrize(
    ("content", "content_type", "kind"),
    [
        (encoded("GIF"), "image/gif", "image-unsupported"),
        (encoded("GIF"), "image/jpeg", "image-unsupported"),
        (encoded("JPEG"), "application/octet-stream", "image-unsupported"),
        (encoded("JPEG")[:300], "image/jpeg", "image-corrupt"),
        (b"", "image/jpeg", "image-corrupt"),
        (bytes(2 << 20), "image/jpeg", "image-too-large"),
    ],
)
def test_other_files_are_refused_with_their_kind_of_fault(
    fetcher: Fetcher, image_host: ImageHost, content: bytes, content_type: str, kind: str
) -> None:
    with pytest.raises(ImageError) as caught:
        fetcher.fetch(image_host.put("/other", content, content_type))
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("ftp://127.0.0.1/a.jpg", "bad-image"),
        ("nonsense", "bad-image"),
        ("http://127.0.0.1:9/a.jpg", "bad-image"),
        ("data:text/plain;base64,eA==", "image-unsupported"),
        ("data:image/png;base64,???", "image-corrupt"),
    ],
)
def test_an_address_that_leads_nowhere_is_told(fetcher: Fetcher, url: str, kind: str) -> None:
    with pytest.raises(ImageError) as caught:
        fetcher.fetch(url)
    assert caught.value.kind == kind
    assert "failed to fetch" in str(caught.value) or kind != "bad-image"


def test_every_image_of_a_job_must_be_there(fal: Caller, image_host: ImageHost) -> None:
    broken = image_host.put("/broken.jpg", b"not a picture")
    job_id = fal.finished(end_image_url=broken)
    assert fal.result(job_id).json()["detail"][0]["type"] == "image_load_error"
