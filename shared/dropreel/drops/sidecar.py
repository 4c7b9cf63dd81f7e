"""The sidecar: what clip to make of an image, as the files beside it say together.

Field names and values are the model's own. `Sidecar` is what the rest of the code works with;
`checked` is the only way to get one from what people dropped, and it reports every problem at
once, each with field, value found and what is allowed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from dropreel.drops.fields import Merged, shown
from dropreel.drops.kinds import (
    MAX_LABELS,
    MAX_PROMPT,
    MAX_REFERENCES,
    Addresses,
    Amount,
    Labels,
    Places,
    Prompt,
    Switch,
    Take,
    words,
)
from dropreel.errors import UNKNOWN_FIELD, Problem, RejectedError
from dropreel.jobs.options import AspectRatio, Duration, Resolution
from dropreel.providers.catalog import CATALOG, ProviderName

_RATIOS = (*get_args(AspectRatio), "auto")
_PROVIDERS = (*CATALOG, "auto")
_PRIORITIES = ("high", "normal", "low")
MAX_TAKES = 16
TAKES_ALLOWED = f"a whole number from 1 to {MAX_TAKES}, or a list of up to {MAX_TAKES} takes"


class Sidecar(BaseModel):
    """What to make from the image. Source of names and values: the model's parameter page."""

    # Most functions only want the names of the choices: they need not wait for the validator.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    prompt: Prompt = Field(description="What should move, and how: camera, subject, light, mood.")
    aspect_ratio: Annotated[AspectRatio | Literal["auto"], *words(_RATIOS)] = Field(
        "auto", description="Shape of the clip; `auto` is the nearest to the image."
    )
    resolution: Annotated[Resolution, *words(get_args(Resolution), "p")] = Field(
        "540p", description="Size of the clip. The price grows steeply with it."
    )
    duration: Annotated[Duration, *words(get_args(Duration), "s")] = Field(
        "5s", description="Length of the clip."
    )
    loop: Switch = Field(False, description="End where it began. Not with 10s.")
    reference_image_urls: Addresses = Field(
        (), description="Public https addresses of images that guide the look."
    )
    reference_images: Places = Field(
        (), description="Images in the inbox, or https addresses, that guide the look."
    )
    provider: Annotated[ProviderName | Literal["auto"], *words(_PROVIDERS)] = Field(
        "auto", description="Who makes it; `auto` is the stack's first provider that can."
    )
    max_cost_usd: Amount | None = Field(
        None, description="Refuse the clip if it is expected to cost more than this."
    )
    take: Take = Field(
        1, description="Another number makes another clip of the same image and settings."
    )
    priority: Annotated[Literal["high", "normal", "low"], *words(_PRIORITIES)] = Field(
        "normal", description="Who waits for the same provider goes in this order."
    )
    labels: Labels = Field((), description="Words of your own; they come back in mail and record.")
    dry_run: Switch = Field(False, description="Order nothing; mail what would be ordered.")


_ALLOWED = {
    "prompt": f"a text of 1 to {MAX_PROMPT} characters",
    "aspect_ratio": ", ".join(_RATIOS),
    "resolution": ", ".join(get_args(Resolution)),
    "duration": ", ".join(get_args(Duration)),
    "loop": "true or false",
    "reference_image_urls": f"a list of up to {MAX_REFERENCES} https:// addresses",
    "reference_images": f"a list of up to {MAX_REFERENCES} images in the inbox or addresses",
    "provider": ", ".join(_PROVIDERS),
    "max_cost_usd": "a number of US dollars above 0, such as 0.50",
    "take": "a whole number from 1 to 999",
    "takes": TAKES_ALLOWED,
    "priority": ", ".join(_PRIORITIES),
    "dry_run": "true or false",
    "labels": f"up to {MAX_LABELS} short texts, or names with short texts",
}
_TYPO = 0.8  # `duraton` is that much like `duration`, `rotation` (0.75) is not
_LISTS = ("prompt", "reference_image_urls", "reference_images", "labels")


def checked(said: Merged) -> Sidecar:
    """The sidecar that all files together make. Raises RejectedError with all problems."""
    problems = list(said.problems)
    sidecar: Sidecar | None = None
    try:
        sidecar = Sidecar.model_validate(said.values)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        problems += _problems(details, said, unread=bool(said.problems))
    problems += _loop_problems(said.values)
    if problems or sidecar is None:
        raise RejectedError(problems)
    return sidecar


def unknown_names(names: Iterable[str]) -> list[Problem]:
    return [_unknown(name) for name in names if name not in _ALLOWED]


def misspelt_names(names: Iterable[str]) -> list[Problem]:
    """Of names that need not be meant for dropreel: those that are nearly a field's."""
    near = (name for name in names if difflib.get_close_matches(name, _ALLOWED, 1, _TYPO))
    return unknown_names(near)


def _loop_problems(values: Mapping[str, Any]) -> list[Problem]:
    loop, duration = (str(values.get(name)).strip().lower() for name in ("loop", "duration"))
    if loop != "true" or duration not in ("10s", "10", "10.0"):
        return []
    text = 'Only clips of 5s can be loops. Set "duration" to "5s", or leave out "loop".'
    return [Problem("loop", "true with duration 10s", "loop only with duration 5s", text=text)]


def _problems(errors: Iterable[ErrorDetails], said: Merged, *, unread: bool) -> list[Problem]:
    """One for each field. What a file that cannot be read may hold is not missed as well."""
    problems: dict[str, Problem] = {}
    for error in errors:
        name = str(error["loc"][0])
        if not (unread and error["type"] == "missing"):
            problems.setdefault(name, _problem(name, error, said))
    return list(problems.values())


def _problem(name: str, error: ErrorDetails, said: Merged) -> Problem:
    if error["type"] == "extra_forbidden":
        return _unknown(name)
    if error["type"] == "missing":
        return Problem(name, "nothing", _ALLOWED[name])
    value = said.values[name]
    found = f"{len(value):,} characters" if _too_long(value) else shown(value)
    return Problem(name, found, _ALLOWED[name], _meant(name, value))


def _unknown(name: str) -> Problem:
    return Problem(shown(name), UNKNOWN_FIELD, ", ".join(_ALLOWED), _nearest(name))


def _too_long(value: Any) -> bool:
    return isinstance(value, str) and len(value) > MAX_PROMPT


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, _ALLOWED, n=1)
    return f"Did you mean {near[0]}?" if near else ""


def _meant(name: str, value: Any) -> str:
    if not isinstance(value, str) or name in _LISTS:
        return ""
    choices = [choice.strip() for choice in _ALLOWED[name].split(",")]
    near = difflib.get_close_matches(value.strip().lower(), choices, n=1)
    return f"Did you mean {near[0]}?" if near else ""
