"""Which provider gets the job, and in which shape: the first that can make what is asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropreel.errors import Problem, RejectedError
from dropreel.jobs.job import ClipSettings
from dropreel.providers.catalog import CATALOG, Capability

if TYPE_CHECKING:
    from dropreel.drops.sidecar import Sidecar


@dataclass(frozen=True, slots=True)
class Choice:
    """Who makes the clip and in which shape; `unconfirmed` lists what is not certain to work."""

    provider: str
    aspect_ratio: str
    unconfirmed: tuple[str, ...] = ()


def choose(sidecar: Sidecar, width: int, height: int, providers: Sequence[str]) -> Choice:
    """Pick the provider and the ratio for an image of `width` x `height` pixels.

    `providers` are those the stack may use, in order of preference. Raises RejectedError, naming
    who could do it, when none of the wanted ones can.
    """
    wanted = [sidecar.provider] if sidecar.provider != "auto" else list(providers)
    if not set(wanted) <= set(providers):
        allowed = ", ".join((*providers, "auto"))
        text = f"{sidecar.provider} is not set up here. Allowed: {allowed}."
        found = Problem("provider", sidecar.provider, f"{allowed} (in this stack)", text=text)
        raise RejectedError([found])
    complaints = {name: _problems(name, sidecar, providers) for name in wanted}
    for name in wanted:
        if not complaints[name]:
            ratio = _ratio(sidecar, CATALOG[name].capability, width, height)
            return Choice(name, ratio, unconfirmed(name, sidecar, ratio))
    raise RejectedError(complaints[wanted[0]])


def _problems(name: str, sidecar: Sidecar, providers: Sequence[str]) -> list[Problem]:
    able = CATALOG[name].capability
    asked = {
        "aspect_ratio": (sidecar.aspect_ratio, (*able.ratios, "auto")),
        "resolution": (sidecar.resolution, able.resolutions),
        "duration": (sidecar.duration, able.durations),
    }
    problems = [
        Problem(
            field,
            value,
            f"{', '.join(allowed)} (at {name})",
            _others(field, value, providers),
            text=f"{name} cannot make {field} {value}. It can make: {', '.join(allowed)}.",
        )
        for field, (value, allowed) in asked.items()
        if value not in allowed
    ]
    for field in ("reference_image_urls", "reference_images"):
        if getattr(sidecar, field) and not able.references:
            hint = _others(field, "", providers)
            text = f"{name} does not take reference images."
            problems.append(Problem(field, "images", f"none (at {name})", hint, text=text))
    return problems


def _others(field: str, value: str, providers: Sequence[str]) -> str:
    able = [name for name in providers if _can(CATALOG[name].capability, field, value)]
    return f"Providers that can: {', '.join(able)}" if able else "No provider of this stack can."


def _can(able: Capability, field: str, value: str) -> bool:
    if field.startswith("reference_image"):
        return able.references
    return value in (*able.ratios, *able.resolutions, *able.durations)


def _ratio(sidecar: Sidecar, able: Capability, width: int, height: int) -> str:
    """The asked ratio, or for `auto` the nearest by factor among those certain to work."""
    if sidecar.aspect_ratio != "auto":
        return sidecar.aspect_ratio
    certain = [ratio for ratio in able.ratios if ratio not in able.unconfirmed]
    return min(certain, key=lambda ratio: abs(math.log(ratio_value(ratio) * height / width)))


def unconfirmed(name: str, asked: Sidecar | ClipSettings, ratio: str) -> tuple[str, ...]:
    """What is asked of the provider `name` that is not certain to work."""
    used = {ratio, asked.resolution, asked.duration}
    used |= {"loop"} if asked.loop else set()
    named = () if isinstance(asked, ClipSettings) else asked.reference_images
    used |= {"reference_image_urls"} if asked.reference_image_urls or named else set()
    return tuple(sorted(used & CATALOG[name].capability.unconfirmed))


def ratio_value(ratio: str) -> float:
    """Width over height: `16:9` gives 1.777..."""
    width, _, height = ratio.partition(":")
    return int(width) / int(height)
