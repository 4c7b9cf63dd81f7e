"""Which files belong together: an image, and the sidecars beside it.

The sidecar of `a/photo.jpg` is `a/photo.jpg.json` or `a/photo.json`; the first wins. A `.txt` of
such a name is its prompt. The names must agree to the letter, the endings in any case. An image's
own key is never decoded. `a/defaults.json` and `a/batch.csv` speak for images of the folder `a/`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable

from dropreel.jobs.naming import split_ending, stem

# Endings that people use for pictures. What the file really is, its first bytes decide.
IMAGE_ENDINGS = frozenset(
    f".{ending}"
    for ending in (
        *("jpg", "jpeg", "jpe", "jfif", "png", "webp"),
        *("gif", "heic", "heif", "avif", "tif", "tiff", "bmp"),
    )
)
SETTINGS_ENDING, PROMPT_ENDING = ".json", ".txt"
SIDECAR_ENDINGS = (SETTINGS_ENDING, PROMPT_ENDING)  # the first wins, field by field
DEFAULTS = "defaults.json"
BATCHES = ("batch.csv", "batch.jsonl")
REFERENCES = "references"  # images in a folder of this name only guide the look of others

# What the rule of template.yaml lets through.
SUFFIXES = (*IMAGE_ENDINGS, *SIDECAR_ENDINGS, *BATCHES)

_LEFT_OVER = frozenset({".ds_store", "thumbs.db", "desktop.ini"})


def is_image(key: str) -> bool:
    return split_ending(key)[1] in IMAGE_ENDINGS


def is_sidecar(key: str) -> bool:
    is_defaults = file_of(key) == DEFAULTS or meant_name(key)
    return split_ending(key)[1] in SIDECAR_ENDINGS and not is_defaults


def is_left_over(key: str) -> bool:
    """Whether macOS or Windows has left this file, and nobody means it."""
    *folders, name = key.split("/")
    return name.startswith("._") or name.lower() in _LEFT_OVER or "__MACOSX" in folders


def is_reference(key: str) -> bool:
    return REFERENCES in key.split("/")[:-1]


def file_of(key: str) -> str:
    return key.rpartition("/")[2]


def meant_name(key: str) -> str:
    """How `Defaults.JSON` or `Batch.csv` should be called; empty for every other file."""
    name = file_of(key)
    return next((one for one in (DEFAULTS, *BATCHES) if name.lower() == one != name), "")


def listing_prefix(key: str) -> str:
    """The prefix under which all possible partners of `key` (and little else) are listed."""
    base = stem(key)
    return base if is_sidecar(key) and is_image(base) else f"{base}."


def sidecars_of(image_key: str, keys: Iterable[str]) -> list[str]:
    """The sidecars of this image among `keys`, at most one of each ending, the nearest first."""
    beside = [key for key in keys if is_sidecar(key) and stem(key) in _names(image_key)]
    found = []
    for ending in SIDECAR_ENDINGS:
        candidates = [key for key in beside if split_ending(key)[1] == ending]
        found += sorted(candidates, key=lambda key: (stem(key) != image_key, key))[:1]
    return found


def images_of(sidecar_key: str, keys: Iterable[str]) -> list[str]:
    """The images among `keys` that this sidecar is written for, one or several."""
    return sorted(key for key in keys if is_image(key) and stem(sidecar_key) in _names(key))


def near_misses(key: str, keys: Collection[str]) -> list[str]:
    """Files of the same folder, alone too, that were probably meant to be the partner of `key`."""
    wanted = is_image if is_sidecar(key) else is_sidecar
    alike = _alike(key)
    return sorted(
        other
        for other in keys
        if wanted(other) and alike and _alike(other) == alike and not _has_partner(other, keys)
    )


def _has_partner(key: str, keys: Collection[str]) -> bool:
    return bool(images_of(key, keys) if is_sidecar(key) else sidecars_of(key, keys))


def _names(image_key: str) -> tuple[str, str]:
    return image_key, stem(image_key)


def _alike(key: str) -> str:
    """The same for names that differ in case, blanks, dashes or in how accents are stored."""
    base = stem(file_of(key)) if is_sidecar(key) else file_of(key)
    name = stem(base) if is_image(base) else base
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name)).casefold()
