"""The sidecar: the small JSON beside an image that says what clip to make.

Field names and values are the model's own. `Sidecar` is what the rest of the code works with;
`parse_sidecar` is the only way to get one from what people dropped, and it reports every problem
at once, each with field, value found and what is allowed.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    ValidationError,
)
from pydantic_core import ErrorDetails

from dropreel.errors import Problem, RejectedError
from dropreel.jobs.options import AspectRatio, Duration, Resolution
from dropreel.providers.catalog import CATALOG, ProviderName

MAX_SIDECAR_BYTES = 64 * 1024
MAX_PROMPT = 6000
MAX_TAKES = 16
TAKES_ALLOWED = f"a whole number from 1 to {MAX_TAKES}, or a list of up to {MAX_TAKES} takes"


def _with_unit(unit: str) -> BeforeValidator:
    """Accept `5` and `"5"` where the model says `5s`: the meaning is not in doubt."""

    def add(value: Any) -> Any:
        if isinstance(value, bool):
            return value
        text = str(value).strip().lower() if isinstance(value, int | str) else value
        return f"{text}{unit}" if isinstance(text, str) and text.isdecimal() else text

    return BeforeValidator(add)


class Sidecar(BaseModel):
    """What to make from the image. Source of names and values: the model's parameter page."""

    # Most functions only want the names of the choices: they need not wait for the validator.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    prompt: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_PROMPT)
    ] = Field(description="What should move, and how: camera, subject, light, mood.")
    aspect_ratio: AspectRatio | Literal["auto"] = Field(
        "auto", description="Shape of the clip; `auto` is the nearest to the image."
    )
    resolution: Annotated[Resolution, _with_unit("p")] = Field(
        "540p", description="Size of the clip. The price grows steeply with it."
    )
    duration: Annotated[Duration, _with_unit("s")] = Field("5s", description="Length of the clip.")
    loop: StrictBool = Field(False, description="End where it began. Not with 10s.")
    reference_image_urls: tuple[
        Annotated[str, StringConstraints(pattern=r"^https://[^\s]+$", max_length=2048)], ...
    ] = Field((), max_length=8, description="Public https addresses of images that guide the look.")
    provider: ProviderName | Literal["auto"] = Field(
        "auto", description="Who makes it; `auto` is the stack's first provider that can."
    )
    max_cost_usd: Annotated[Decimal, Field(gt=0, le=1000)] | None = Field(
        None, description="Refuse the clip if it is expected to cost more than this."
    )
    take: Annotated[int, Field(strict=True, ge=1, le=999)] = Field(
        1, description="Another number makes another clip of the same image and settings."
    )
    priority: Literal["high", "normal", "low"] = Field(
        "normal", description="Who waits for the same provider goes in this order."
    )


_ALLOWED = {
    "prompt": f"a text of 1 to {MAX_PROMPT} characters",
    "aspect_ratio": ", ".join((*get_args(AspectRatio), "auto")),
    "resolution": ", ".join(get_args(Resolution)),
    "duration": ", ".join(get_args(Duration)),
    "loop": "true or false (without quotes)",
    "reference_image_urls": "a list of up to 8 https:// addresses",
    "provider": ", ".join((*CATALOG, "auto")),
    "max_cost_usd": "a number of US dollars above 0, such as 0.50",
    "take": "a whole number from 1 to 999 (without quotes)",
    "takes": TAKES_ALLOWED,
    "priority": "high, normal, low",
}
_EXAMPLE = '{"prompt": "slow push-in, soft light"}'


def parse_sidecar(data: bytes | None, base: Mapping[str, Any] | None = None) -> Sidecar:
    """Return the sidecar in `data`, over the fields of `base` (from the image's own metadata).

    Raises RejectedError with all problems. `data` is None when there is no sidecar file.
    """
    return check_fields({**(base or {}), **(read_fields(data) if data is not None else {})})


def check_fields(fields: Mapping[str, Any]) -> Sidecar:
    """The sidecar of these fields. Raises RejectedError with all problems."""
    problems: list[Problem] = []
    sidecar: Sidecar | None = None
    try:
        sidecar = Sidecar.model_validate(fields)
    except ValidationError as error:
        problems = _problems(error.errors(include_url=False, include_context=False), fields)
    if fields.get("loop") is True and str(fields.get("duration")).strip().lower() in ("10s", "10"):
        problems.append(Problem("loop", "true with duration 10s", "loop only with duration 5s"))
    if problems or sidecar is None:
        raise RejectedError(problems)
    return sidecar


def read_fields(data: bytes) -> dict[str, Any]:
    """The fields in a sidecar file, not checked yet. Raises RejectedError if it is no object."""
    if len(data) > MAX_SIDECAR_BYTES:
        raise _unreadable(f"{len(data):,} bytes or more", f"at most {MAX_SIDECAR_BYTES:,} bytes")
    if not data.strip():
        raise _unreadable("an empty file", f"a JSON object such as {_EXAMPLE}")
    try:
        text = data.decode(json.detect_encoding(data))
        loaded = json.loads(text, object_pairs_hook=_no_doubles, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise _unreadable("text in an unknown encoding", "UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise _unreadable(
            f"broken JSON at line {error.lineno}, column {error.colno} ({error.msg})",
            f"a JSON object such as {_EXAMPLE}",
        ) from None
    except RecursionError:
        raise _unreadable("JSON nested too deeply", f"a JSON object such as {_EXAMPLE}") from None
    except ValueError as error:
        raise _unreadable(str(error), f"a JSON object such as {_EXAMPLE}") from None
    if not isinstance(loaded, dict):
        raise _unreadable(shown(loaded), f"a JSON object such as {_EXAMPLE}")
    return loaded


def _unreadable(found: str, allowed: str) -> RejectedError:
    return RejectedError([Problem("sidecar", found, allowed)])


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {shown(twice)} twice")
    if halves := [name for name in fields if any("\ud800" <= char <= "\udfff" for char in name)]:
        raise ValueError(f"the field {shown(halves[0])}, whose name holds half a character")
    return fields


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name}, which is not JSON")


def _problems(errors: Iterable[ErrorDetails], fields: Mapping[str, Any]) -> list[Problem]:
    problems: dict[str, Problem] = {}
    for error in errors:
        name = str(error["loc"][0])
        problems.setdefault(name, _problem(name, error, fields))
    return list(problems.values())


def _problem(name: str, error: ErrorDetails, fields: Mapping[str, Any]) -> Problem:
    if error["type"] == "extra_forbidden":
        return Problem(shown(name), "an unknown field", ", ".join(_ALLOWED), _nearest(name))
    if error["type"] == "missing":
        return Problem(name, "nothing", _ALLOWED[name])
    value = fields[name]
    found = f"{len(value):,} characters" if _too_long(value) else shown(value)
    return Problem(name, found, _ALLOWED[name], _meant(name, value))


def _too_long(value: Any) -> bool:
    return isinstance(value, str) and len(value) > MAX_PROMPT


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name.strip().lower().replace("-", "_"), _ALLOWED, n=1)
    return f"Did you mean {near[0]}?" if near else ""


def _meant(name: str, value: Any) -> str:
    if not isinstance(value, str) or name in ("prompt", "reference_image_urls"):
        return ""
    choices = [choice.strip() for choice in _ALLOWED[name].split(",")]
    near = difflib.get_close_matches(value.strip().lower(), choices, n=1)
    return f"Did you mean {near[0]}?" if near else ""


def shown(value: Any) -> str:
    """A value as the dropper wrote it, short enough for a mail and on one line."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = "".join(char if char.isprintable() else "?" for char in text)
    return text if len(text) <= 80 else f"{text[:77]}..."
