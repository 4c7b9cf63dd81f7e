"""Which files belong together: an image and the sidecar beside it.

The sidecar of `a/photo.jpg` is `a/photo.jpg.json` or `a/photo.json`; the first wins. The names
must agree to the letter, the endings in any case. An image's own key is never decoded.
"""

from __future__ import annotations

from collections.abc import Iterable

from dropreel.jobs.naming import split_ending, stem

# Endings that people use for pictures. What the file really is, its first bytes decide.
IMAGE_ENDINGS = frozenset(
    f".{ending}"
    for ending in (
        *("jpg", "jpeg", "jpe", "jfif", "png", "webp"),
        *("gif", "heic", "heif", "avif", "tif", "tiff", "bmp"),
    )
)
SIDECAR_ENDING = ".json"


def is_image(key: str) -> bool:
    return split_ending(key)[1] in IMAGE_ENDINGS


def is_sidecar(key: str) -> bool:
    return split_ending(key)[1] == SIDECAR_ENDING


def listing_prefix(key: str) -> str:
    """The prefix under which all possible partners of `key` (and little else) are listed."""
    base = stem(key)
    return base if is_sidecar(key) and is_image(base) else f"{base}."


def sidecar_of(image_key: str, keys: Iterable[str]) -> str | None:
    """The sidecar of this image among `keys`, or None."""
    candidates = [key for key in keys if is_sidecar(key) and stem(key) in _names(image_key)]
    return min(candidates, key=lambda key: (stem(key) != image_key, key), default=None)


def images_of(sidecar_key: str, keys: Iterable[str]) -> list[str]:
    """The images among `keys` that this sidecar is written for, one or several."""
    return sorted(key for key in keys if is_image(key) and stem(sidecar_key) in _names(key))


def _names(image_key: str) -> tuple[str, str]:
    return image_key, stem(image_key)
