"""What files would become: the clips that would be ordered, their prices, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from cli.files import Files
from dropreel.drops.advice import Facts, advise
from dropreel.drops.fields import json_fields
from dropreel.drops.folder import NO_SIDECAR, look_around
from dropreel.drops.image import ImageInfo, inspect_image
from dropreel.drops.pairing import is_image, near_misses
from dropreel.drops.references import find_references
from dropreel.drops.selection import Choice
from dropreel.drops.sidecar import Sidecar
from dropreel.drops.takes import choose_all, problems_in, takes_of
from dropreel.errors import Problem, RejectedError
from dropreel.money.pricing import PriceList
from dropreel.steps.rejections import NO_IMAGE, near_miss


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
            "problems": [asdict(one) for one in self.problems],
            "advice": list(self.advice),
            "clips": [clip.facts() for clip in self.clips],
            "estimate_usd": self.price,
        }


def check_all(
    files: Files, providers: Sequence[str], prices: PriceList, cap: Decimal | None = None
) -> list[Checked]:
    """Every image, every sidecar without one, and every batch that cannot be read."""
    alone = [
        Checked(key, (_alone(files, key), *problems_in(json_fields(key, files.bytes_of(key)))))
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
    problems = [_alone(files, key) if one is NO_SIDECAR else one for one in found.missing]
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


def _alone(files: Files, key: str) -> Problem:
    """A file without its partner, with the one that was probably meant, as the mail names it."""
    near = near_misses(key, files.beside(key))
    if is_image(key):
        return near_miss(key, near[0]) if near else NO_SIDECAR
    return near_miss(near[0], key) if near else NO_IMAGE


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
