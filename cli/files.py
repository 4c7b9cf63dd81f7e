"""Files on this computer as they would lie in the inbox, read by the same code as there.

Where files are about to be dropped, what lies around them in the inbox counts as it will there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from cli.around import Around, Nothing
from cli.errors import CommandError
from cli.facts import prefix_of
from dropreel.drops.advice import Facts, advise
from dropreel.drops.fields import json_fields
from dropreel.drops.folder import BatchFile, defaults_of, look_around, read_batch_file
from dropreel.drops.image import ImageInfo, inspect_image
from dropreel.drops.inbox import Drop, Inbox
from dropreel.drops.pairing import (
    BATCHES,
    SETTINGS_ENDING,
    SUFFIXES,
    file_of,
    images_of,
    is_image,
    is_left_over,
    is_reference,
    is_sidecar,
    listing_prefix,
    sidecars_of,
)
from dropreel.drops.references import find_references
from dropreel.drops.selection import Choice
from dropreel.drops.sidecar import Sidecar
from dropreel.drops.takes import choose_all, problems_in, takes_of
from dropreel.errors import Problem, RejectedError
from dropreel.jobs.naming import split_ending, stem
from dropreel.money.pricing import PriceList
from dropreel.steps.rejections import NO_IMAGE

_NOBODY: Any = None  # no S3 behind these files


class Files(Inbox):
    """An inbox with these files in it. `contents` are files, or texts that the command wrote.

    `around` is what lies there besides.
    """

    def __init__(
        self, contents: Mapping[str, Path | bytes], around: Around | Nothing | None = None
    ) -> None:
        self.around = around or Nothing()
        super().__init__(_NOBODY, self.around.bucket)
        self.contents = contents

    @classmethod
    def of(
        cls,
        paths: Iterable[Path],
        fields: Mapping[str, Any],
        folder: str = "",
        around: Around | None = None,
    ) -> Files:
        """The files and folders that were named; an image brings its sidecars along.

        `fields` count more than what any file says: they are put into each image's sidecar.
        `folder` is the one of the inbox that all of them would lie in.
        """
        found: dict[str, Path | bytes] = {}
        prefix = prefix_of(folder)
        for path in paths:
            if not path.exists():
                raise CommandError(f"there is no {path}")
            for base, file in _files(path):
                _add(found, prefix + file.relative_to(base).as_posix(), file)
        for image in [key for key in found if _makes_a_clip(key)] if fields else ():
            name, data = _with_fields(image, found, fields)
            found[name] = data
        return cls(found, around)

    @cached_property
    def images(self) -> list[str]:
        """Of these files, and those in the inbox that a sidecar or a batch of these speaks for."""
        spoken_for = (image for key in self.contents for image in self._spoken_for(key))
        return sorted({*filter(_makes_a_clip, self.contents), *spoken_for})

    def speakers(self, image: str) -> list[str]:
        """The sidecars and batches among these files that speak for an image."""
        return [key for key in self.contents if image in self._spoken_for(key)]

    def _spoken_for(self, key: str) -> list[str]:
        if is_sidecar(key):
            return [one for one in images_of(key, self.partners(key)) if _makes_a_clip(one)]
        rows = found.batch.rows if (found := self.batches.get(key)) else ()
        return [row.image for row in rows if _makes_a_clip(row.image) and self.head(row.image)]

    @cached_property
    def batches(self) -> dict[str, BatchFile]:
        keys = [key for key in self.contents if file_of(key) in BATCHES]
        read = {key: read_batch_file(self, key, defaults_of(self, key)) for key in keys}
        return {key: found for key, found in read.items() if found}

    @property
    def in_order(self) -> list[str]:
        """As they may be uploaded: nothing comes before what it names."""
        return sorted(self.contents, key=lambda key: (_makes_a_clip(key), not is_reference(key)))

    @property
    def lonely(self) -> list[str]:
        """Sidecars without an image."""
        own = [key for key in self.contents if split_ending(key)[1] == SETTINGS_ENDING]
        return sorted(key for key in own if is_sidecar(key) and not self._spoken_for(key))

    def bytes_of(self, key: str) -> bytes:
        found = self.contents[key]
        return found.read_bytes() if isinstance(found, Path) else found

    def head(self, key: str) -> Drop | None:
        if key not in self.contents:
            return self.around.head(key)
        return Drop(key, key, len(self.bytes_of(key)), datetime.now(UTC))

    def partners(self, key: str) -> list[str]:
        own = [other for other in self.contents if other.startswith(listing_prefix(key))]
        return [*dict.fromkeys([*own, *self.around.partners(key)])]

    def read_sidecar(self, sidecar: Drop) -> bytes:
        if sidecar.key not in self.contents:
            return self.around.read_sidecar(sidecar)
        return self.bytes_of(sidecar.key)

    def read(self, key: str, most: int) -> tuple[Drop, bytes] | None:
        if key not in self.contents:
            return self.around.read(key, most)
        drop = self.head(key)
        return (drop, self.bytes_of(key)[: most + 1]) if drop else None

    def sha256(self, image: Drop) -> str:
        if image.key not in self.contents:
            return self.around.sha256(image)
        return hashlib.sha256(self.bytes_of(image.key)).hexdigest()

    def reader(self, image: Drop) -> Any:
        if image.key not in self.contents:
            return self.around.reader(image)
        return _Reader(self.bytes_of(image.key))


class _Reader:
    """Ranged reads of one file."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + max(0, length)]


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip that would be ordered."""

    sidecar: Sidecar
    choice: Choice
    price: Decimal | None

    @property
    def settings(self) -> str:
        return f"{self.sidecar.duration} {self.sidecar.resolution} {self.choice.aspect_ratio}"

    def facts(self) -> dict[str, Any]:
        return {
            "provider": self.choice.provider,
            "settings": self.settings,
            "estimate_usd": self.price,
        }


@dataclass(frozen=True, slots=True)
class Checked:
    """What `lint` and `estimate` know of one file. `problems` is empty if it would be ordered."""

    file: str
    problems: tuple[Problem, ...] = ()
    clips: tuple[Clip, ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def price(self) -> Decimal:
        return sum((clip.price or Decimal(0) for clip in self.clips), Decimal(0))

    @property
    def orders(self) -> bool:
        """Whether dropping it orders its clips: a dry run only tells what they would cost."""
        return bool(self.clips) and not any(clip.sidecar.dry_run for clip in self.clips)

    def facts(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "ok": not self.problems,
            "problems": [
                {"field": one.field, "found": one.found, "allowed": one.allowed, "hint": one.hint}
                for one in self.problems
            ],
            "advice": list(self.advice),
            "clips": [clip.facts() for clip in self.clips],
            "estimate_usd": self.price,
        }


def check_all(
    files: Files, providers: Sequence[str], prices: PriceList, cap: Decimal | None = None
) -> list[Checked]:
    """Every image, every sidecar without one, and every batch that cannot be read."""
    alone = [
        Checked(key, (NO_IMAGE, *problems_in(json_fields(key, files.bytes_of(key)))))
        for key in files.lonely
    ]
    batches = [Checked(key, found.batch.problems) for key, found in files.batches.items()]
    images = [_check(files, key, providers, prices, cap) for key in files.images]
    return [*images, *alone, *(one for one in batches if one.problems)]


def _check(
    files: Files, key: str, providers: Sequence[str], prices: PriceList, cap: Decimal | None
) -> Checked:
    """All that is wrong with an image and what is said of it, or who makes its clips."""
    drop = files.head(key)
    if drop is None:
        return Checked(key)
    found = look_around(files, drop)
    problems = [*found.missing]
    try:
        takes = takes_of(found.pair.said) if not problems else ()
        find_references(files, key, takes)
    except RejectedError as error:
        problems += error.problems
    try:
        info = inspect_image(files.reader(drop))
        choices = choose_all(takes, info.width, info.height, providers) if not problems else []
    except RejectedError as error:
        problems += error.problems
    if problems:
        return Checked(key, tuple(problems))
    clips = tuple(_clips(takes, choices, prices))
    return Checked(key, (), clips, tuple(_advice(clips, info, drop.size, providers, cap)))


def _clips(
    takes: Sequence[Sidecar], choices: Sequence[Choice], prices: PriceList
) -> Iterator[Clip]:
    for take, choice in zip(takes, choices, strict=True):
        yield Clip(take, choice, prices.estimate(choice.provider, take.resolution, take.duration))


def _advice(
    clips: Sequence[Clip], info: ImageInfo, size: int, providers: Sequence[str], cap: Decimal | None
) -> Iterator[str]:
    told: dict[str, None] = {}
    for clip in clips:
        told |= dict.fromkeys(map(str, advise(_facts(clip, info, size, providers))))
        told |= dict.fromkeys(_money_advice(clip, cap))
    yield from told


def _facts(clip: Clip, info: ImageInfo, size: int, providers: Sequence[str]) -> Facts:
    asked = clip.sidecar
    return Facts(
        width=info.width,
        height=info.height,
        size=size,
        media_type=info.media_type,
        transparent=False,  # not known from the headers alone
        prompt=asked.prompt,
        aspect_ratio=clip.choice.aspect_ratio,
        resolution=asked.resolution,
        duration=asked.duration,
        loop=asked.loop,
        provider=clip.choice.provider,
        providers=tuple(providers),
    )


def _money_advice(clip: Clip, cap: Decimal | None) -> Iterator[str]:
    if clip.choice.unconfirmed:
        doubtful = ", ".join(clip.choice.unconfirmed)
        yield f"{clip.choice.provider} may not follow these settings: {doubtful}."
    if clip.price is None:
        yield "The price is not known: it is refused unless the stack allows that."
        return
    for name, most in (("max_cost_usd", clip.sidecar.max_cost_usd), ("JobCapUsd", cap)):
        if most is not None and clip.price > most:
            yield f"${clip.price:.2f} is more than {name} allows, ${most:.2f}: it will be refused."


def _files(path: Path) -> Iterator[tuple[Path, Path]]:
    """Files with the folder that their keys begin in."""
    if path.is_dir():
        yield from ((path, file) for file in sorted(path.rglob("*")) if _is_meant(file))
        return
    yield path.parent, path
    if is_image(path.name):
        beside = [file.name for file in path.parent.iterdir() if file.is_file()]
        yield from ((path.parent, path.parent / name) for name in sidecars_of(path.name, beside))


def _add(found: dict[str, Path | bytes], key: str, file: Path) -> None:
    """One key is one file: of two, one would be lost, and the wrong prompt be paid."""
    other = found.setdefault(key, file)
    if isinstance(other, Path) and not other.samefile(file):
        raise CommandError(f"{other} and {file} would both be {key} in the inbox: drop one alone")


def _is_meant(file: Path) -> bool:
    return file.is_file() and file.suffix.lower() in _SUFFIXES and not is_left_over(file.as_posix())


_SUFFIXES = frozenset(f".{suffix.rpartition('.')[2]}" for suffix in SUFFIXES)


def _makes_a_clip(key: str) -> bool:
    return is_image(key) and not is_reference(key)


def _with_fields(
    image: str, found: Mapping[str, Path | bytes], fields: Mapping[str, Any]
) -> tuple[str, bytes]:
    """The image's sidecar with these fields; a new one where there is none."""
    own = [key for key in sidecars_of(image, found) if split_ending(key)[1] == SETTINGS_ENDING]
    name = own[0] if own else f"{stem(image)}{SETTINGS_ENDING}"
    said = json_fields(name, Files(found).bytes_of(name)) if own else None
    if said and said.problems:
        raise CommandError(f"{name} cannot be changed by --set: {said.problems[0]}")
    values = {**(said.values if said else {}), **fields}
    return name, json.dumps(values, indent=2, ensure_ascii=False).encode()
