"""Drops that are rejected: the files, and what is said of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial

from dropreel.drops.batch import read_batch
from dropreel.drops.fields import json_fields
from dropreel.drops.folder import NO_SIDECAR
from dropreel.drops.image import inspect_image
from dropreel.drops.selection import choose
from dropreel.drops.sidecar import Sidecar
from dropreel.errors import RejectedError
from dropreel.steps.rejections import NO_IMAGE, near_miss
from tests.support.sidecars import parse_sidecar


class File:
    """A dropped file as its inspection reads it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]


SIDECARS: dict[str, bytes] = {
    "empty": b"",
    "broken": b"{'prompt': 'push-in'}",
    "not an object": b'["push-in"]',
    "a field twice": b'{"prompt": "a", "prompt": "b"}',
    "no prompt": b"{}",
    "many problems": json.dumps(
        {"promt": "push-in", "duration": "7s", "resolution": "4k", "loop": "yes", "take": 0}
    ).encode(),
    "loop of 10s": b'{"prompt": "waves", "duration": "10s", "loop": true}',
    "too long a prompt": json.dumps({"prompt": "x" * 6001}).encode(),
    "hundreds of problems": json.dumps({f"field{n}": n for n in range(300)}).encode(),
}


BATCH = b"image,prompt,duration\na.jpg,push-in,5s\nb.jpg,,5s\nc.jpg,orbit,7s\n"


LINES = b"""{"image": "a.jpg", "prompt": "push-in"}
{'image': 'b.jpg', 'prompt': 'orbit'}
{"image": "c.jpg" "prompt": "orbit"}
"""


IMAGES: dict[str, bytes] = {
    "empty image": b"",
    "text as image": b"just some text",
    "gif": b"GIF89a" + bytes(40),
    "damaged image": b"\xff\xd8\xff\xe0" + bytes(40),
}


def problems_of(check: Callable[[], object]) -> RejectedError:
    try:
        check()
    except RejectedError as error:
        return error
    raise AssertionError("nothing is wrong with it")


def rejections() -> Iterator[tuple[str, str, RejectedError]]:
    image, beside = "campaign/photo.jpg", "campaign/photo.json"
    for name, data in SIDECARS.items():
        yield f"rejected sidecar {name}", image, problems_of(partial(parse_sidecar, data, beside))
    for name, data in IMAGES.items():
        error = problems_of(partial(inspect_image, File(data)))
        yield f"rejected {name}", image, error
    wide = {"aspect_ratio": "2:1", "reference_image_urls": ("https://example.com/a.png",)}
    asked = Sidecar.model_validate({"prompt": "waves", "provider": "fal", **wide})
    error = problems_of(lambda: choose(asked, 1600, 900, ("fal", "oxen")))
    yield "rejected by capabilities", image, error
    error = problems_of(lambda: choose(asked, 1600, 900, ("luma",)))
    yield "rejected provider not in use", image, error
    yield "rejected image alone", image, RejectedError([NO_SIDECAR])
    yield "rejected sidecar alone", "campaign/photo.json", RejectedError([NO_IMAGE])
    near = near_miss("campaign/Photo.JPG", "campaign/photo.json")
    yield "rejected names that nearly agree", "campaign/Photo.JPG", RejectedError([near])
    error = RejectedError(
        json_fields(
            "campaign/defaults.json", b'{"prompt": "push-in"', role="defaults.json"
        ).problems
    )
    yield "rejected defaults", "campaign/defaults.json", error
    yield "rejected image of broken defaults", "campaign/photo.jpg", error
    rows = read_batch("campaign/batch.csv", BATCH, []).rows
    error = RejectedError([problem for row in rows for problem in row.numbered])
    yield "rejected rows of a batch", "campaign/batch.csv", error
    rows = read_batch("campaign/batch.jsonl", LINES, []).rows
    error = RejectedError([problem for row in rows for problem in row.numbered])
    yield "rejected lines of a batch", "campaign/batch.jsonl", error
