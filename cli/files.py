"""Files on this computer as they would be dropped: pairs of image and sidecar, checked offline."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from cli.errors import CommandError
from dropreel.drops.image import ImageInfo, inspect_image
from dropreel.drops.pairing import is_image, is_sidecar, sidecar_of
from dropreel.drops.selection import Choice, choose
from dropreel.drops.sidecar import Sidecar, parse_sidecar
from dropreel.errors import Problem, RejectedError
from dropreel.money.pricing import PriceList
from dropreel.steps.submit import NO_IMAGE, NO_SIDECAR


@dataclass(frozen=True, slots=True)
class Pair:
    """One image with its sidecar file, and fields that count more than the file's.

    `key` is the image's key in the inbox, without the folder that it is dropped into.
    """

    image: Path
    key: str
    sidecar: Path | None
    fields: Mapping[str, Any] = field(default_factory=dict)

    def sidecar_bytes(self) -> bytes | None:
        """What is to be uploaded beside the image; None where there is nothing."""
        own = self.sidecar.read_bytes() if self.sidecar else None
        if not self.fields:
            return own
        known = json.loads(own) if own and own.strip() else {}
        if not isinstance(known, dict):
            raise CommandError(f"{self.sidecar} is no JSON object, so --set cannot change it")
        return json.dumps({**known, **self.fields}, indent=2, ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Checked:
    """What `lint` and `estimate` know of one file. `problems` is empty if it would be ordered."""

    file: Path
    problems: tuple[Problem, ...] = ()
    sidecar: Sidecar | None = None
    choice: Choice | None = None
    price: Decimal | None = None
    advice: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        asked, choice = self.sidecar, self.choice
        return {
            "file": str(self.file),
            "ok": not self.problems,
            "problems": [
                {"field": one.field, "found": one.found, "allowed": one.allowed, "hint": one.hint}
                for one in self.problems
            ],
            "advice": list(self.advice),
            "provider": choice.provider if choice else None,
            "settings": f"{asked.duration} {asked.resolution} {choice.aspect_ratio}"
            if asked and choice
            else None,
            "estimate_usd": self.price,
        }


class LocalImage:
    """Ranged reads of a file, as `inspect_image` wants them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = path.stat().st_size

    def read(self, offset: int, length: int) -> bytes:
        with self._path.open("rb") as file:
            file.seek(offset)
            return file.read(max(0, length))


def pairs(paths: Iterable[Path], fields: Mapping[str, Any]) -> tuple[list[Pair], list[Checked]]:
    """The pairs among these files and folders, and what belongs to none."""
    found, alone = [], []
    for root in paths:
        if not root.exists():
            raise CommandError(f"there is no {root}")
        files = sorted(_files(root))
        base = root if root.is_dir() else root.parent
        beside = {_key(file, base): file for file in [*files, *_beside(root)]}
        for file in files:
            if is_image(file.name):
                key = _key(file, base)
                named = sidecar_of(key, beside)
                found.append(Pair(file, key, beside[named] if named else None, fields))
        used = {pair.sidecar for pair in found}
        lonely = [file for file in files if is_sidecar(file.name) and file not in used]
        alone += [_alone(file) for file in lonely if not _has_image(file)]
    return found, alone


def _files(root: Path) -> Iterator[Path]:
    for file in [root] if root.is_file() else root.rglob("*"):
        if file.is_file() and (is_image(file.name) or is_sidecar(file.name)):
            yield file


def _beside(root: Path) -> list[Path]:
    """The sidecars around one image; a folder has all of its files already."""
    return (
        [file for file in root.parent.iterdir() if is_sidecar(file.name)] if root.is_file() else []
    )


def _alone(file: Path) -> Checked:
    try:
        parse_sidecar(file.read_bytes())
    except RejectedError as error:
        return Checked(file, (NO_IMAGE, *error.problems))
    return Checked(file, (NO_IMAGE,))


def _has_image(sidecar: Path) -> bool:
    """A sidecar that was named alone: its image may lie beside it."""
    keys = [file.name for file in sidecar.parent.iterdir() if is_image(file.name)]
    return any(sidecar_of(key, [sidecar.name]) for key in keys)


def _key(file: Path, base: Path) -> str:
    return file.relative_to(base).as_posix()


def check(
    pair: Pair, providers: Sequence[str], prices: PriceList, cap: Decimal | None = None
) -> Checked:
    """All that is wrong with a pair, or who makes it, in which shape, at what price."""
    problems: list[Problem] = []
    sidecar, info = _sidecar(pair, problems), _image(pair, problems)
    if sidecar is None or info is None:
        return Checked(pair.image, tuple(problems))
    try:
        choice = choose(sidecar, info.width, info.height, providers)
    except RejectedError as error:
        return Checked(pair.image, error.problems, sidecar)
    price = prices.estimate(choice.provider, sidecar.resolution, sidecar.duration)
    advice = tuple(_advice(sidecar, choice, price, cap))
    return Checked(pair.image, (), sidecar, choice, price, advice)


def _sidecar(pair: Pair, problems: list[Problem]) -> Sidecar | None:
    data = pair.sidecar_bytes()
    if data is None:
        problems.append(NO_SIDECAR)
        return None
    try:
        return parse_sidecar(data)
    except RejectedError as error:
        problems += error.problems
        return None


def _image(pair: Pair, problems: list[Problem]) -> ImageInfo | None:
    try:
        return inspect_image(LocalImage(pair.image))
    except RejectedError as error:
        problems += error.problems
        return None


def _advice(
    sidecar: Sidecar, choice: Choice, price: Decimal | None, cap: Decimal | None
) -> Iterator[str]:
    if choice.unconfirmed:
        doubtful = ", ".join(choice.unconfirmed)
        yield f"{choice.provider} may not follow these settings: {doubtful}"
    if price is None:
        yield "the price is not known: it is refused unless the stack allows that"
        return
    caps = {"max_cost_usd of the sidecar": sidecar.max_cost_usd, "JobCapUsd": cap}
    for name, most in caps.items():
        if most is not None and price > most:
            yield f"${price:.2f} is over {name}, ${most:.2f}: it will be refused"
