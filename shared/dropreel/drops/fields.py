"""What a file says of a clip: names and values as people wrote them, not yet checked.

Every kind of file becomes `Fields`, and those of several files become one `Merged`, in which the
nearest wins field by field. `drops/sidecar.py` then checks the values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from dropreel.drops.corrections import corrected
from dropreel.drops.pairing import file_of
from dropreel.errors import Problem, UnreadableError

MAX_SIDECAR_BYTES = 64 * 1024
EXAMPLE = '{"prompt": "slow push-in, soft light"}'
_ROW = "row"  # the role of one
_EXAMPLE_ROW = '{"image": "photo.jpg", "prompt": "slow push-in, soft light"}'
_OBJECT = f"a JSON object such as {EXAMPLE}"
_SCHEMA = "$schema"  # what editors check the file by
_NUMBERS = frozenset({"take", "takes"})  # one clip by its number, or several


@dataclass(frozen=True, slots=True)
class Fields:
    """What one file says. `origin` is its key; `problems` say why it could not be read."""

    origin: str
    values: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Merged:
    """What all files together say, and from which file each value came (its key)."""

    values: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @classmethod
    def of(cls, farthest_first: Iterable[Fields]) -> Self:
        """The nearest file wins, field by field. `take` and `takes` are one field in this."""
        values: dict[str, Any] = {}
        origins: dict[str, str] = {}
        problems: list[Problem] = []
        for one in farthest_first:
            if not _NUMBERS.isdisjoint(one.values):
                values = {name: value for name, value in values.items() if name not in _NUMBERS}
            values |= one.values
            origins |= dict.fromkeys(one.values, one.origin)
            problems += one.problems
        origins = {name: origin for name, origin in origins.items() if name in values}
        return cls(values, origins, tuple(problems))

    @classmethod
    def restored(cls, text: str) -> Self:
        kept = json.loads(text)
        return cls(kept["values"], kept["origins"])

    @property
    def text(self) -> str:
        """As the ledger keeps it."""
        return json.dumps({"values": self.values, "origins": self.origins})


def json_fields(origin: str, data: bytes, role: str = "sidecar") -> Fields:
    """The fields of a JSON file. `role` is what problems call it."""
    try:
        return Fields(origin, _object(_text(data)))
    except json.JSONDecodeError as error:
        problem = _broken(role, _text(data), error)
    except RecursionError:
        problem = Problem(role, "JSON nested too deeply", _OBJECT)
    except UnreadableError as error:
        problem = error.problem(role)
    except ValueError:  # Python reads no number of more than 4,300 digits
        problem = Problem(role, "a number with too many digits", _OBJECT)
    return Fields(origin, problems=(_in_words(origin, role, problem),))


def text_fields(origin: str, data: bytes) -> Fields:
    """The fields of a text file: its text is the prompt."""
    try:
        return Fields(origin, {"prompt": _text(data).strip()})
    except UnreadableError as error:
        text = f"{file_of(origin)} cannot be read ({error})."
        hint = "It should hold the prompt, as plain text."
        return Fields(origin, problems=(replace(error.problem("prompt"), hint=hint, text=text),))


def named(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs with their names as the fields are called; raises UnreadableError on doubles."""
    fields: dict[str, Any] = {}
    for written, value in pairs:
        name = field_name(written)
        if any("\ud800" <= char <= "\udfff" for char in name):
            found = f"the field {shown(name)}, whose name holds half a character"
            raise UnreadableError(found, _OBJECT)
        if name in fields:
            raise UnreadableError(f"the field {shown(name)} twice", "each field once")
        fields[name] = value
    return fields


def field_name(written: str) -> str:
    """`Aspect-Ratio` and `aspect ratio` mean `aspect_ratio`."""
    if not written.isascii():
        return written
    return written.strip().lower().replace("-", "_").replace(" ", "_")


def decoded(data: bytes, most: int = MAX_SIDECAR_BYTES) -> str:
    """The text of a file; raises UnreadableError."""
    if len(data) > most:
        raise UnreadableError(f"{len(data):,} bytes or more", f"at most {most:,} bytes")
    try:
        return data.decode(json.detect_encoding(data)).removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise UnreadableError("text in an unknown encoding", "UTF-8 text") from None


def shown(value: Any) -> str:
    """The value as the dropper wrote it, short enough for a mail and on one line."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = "".join(char if char.isprintable() else "?" for char in text)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _text(data: bytes) -> str:
    text = decoded(data)
    if not text.strip():
        raise UnreadableError("an empty file", _OBJECT)
    return text


def _object(text: str) -> dict[str, Any]:
    loaded = json.loads(text, object_pairs_hook=_no_doubles, parse_constant=_no_constant)
    if not isinstance(loaded, dict):
        raise UnreadableError(shown(loaded), _OBJECT)
    schema = isinstance(loaded.get(_SCHEMA), str)
    return named(pair for pair in loaded.items() if not (schema and pair[0] == _SCHEMA))


def _in_words(origin: str, role: str, problem: Problem) -> Problem:
    """The problem with a sentence that names the file, and what would be right."""
    name, example, right = file_of(origin), EXAMPLE, problem.corrected
    if role == _ROW:  # its number is said elsewhere, and it has to be one line
        name, example = "it", _EXAMPLE_ROW
        right = json.dumps(json.loads(right), ensure_ascii=False) if right else ""
    text = problem.text or f"cannot be read ({problem.found})."
    hint = "" if right else f"It should look like this: {example}"
    return replace(problem, hint=hint, corrected=right, text=f"{name} {text}")


def _broken(role: str, text: str, error: json.JSONDecodeError) -> Problem:
    where = f"broken JSON at line {error.lineno}, column {error.colno} ({error.msg})"
    near = f"line {error.lineno}" if "\n" in text.strip() else f"character {error.colno}"
    words = f"has a mistake near {near}, so it cannot be read."
    return Problem(role, where, _OBJECT, corrected=corrected(text) or "", text=words)


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise UnreadableError(f"the field {shown(twice)} twice", _OBJECT)
    return fields


def _no_constant(name: str) -> Any:
    raise UnreadableError(f"{name}, which is not JSON", _OBJECT)
