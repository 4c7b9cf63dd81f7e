"""The kinds of values that a sidecar's fields take, each for the parser and for editors.

A value whose meaning is not in doubt is taken however it is written: in any case, with or without
its unit, and as text, because object metadata and CSV files know nothing else. Each kind has its
JSON Schema beside it; a test compares the two on many documents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

MAX_PROMPT = 6000
MAX_REFERENCES = 8
MAX_LABELS = 10
LISTED = "|"  # between the entries of a list that is written as text

# No control characters, none that turn the writing round, none that XML (and so SNS) refuses.
_TEXT = (
    r"[^|\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    r"\ufeff\ufffe\uffff]"
)
_LABEL = rf"(?=\S){_TEXT}{{1,60}}(?<=\S)"
_LABEL_NAME = r"\w[\w.-]{0,28}"
_LABEL_VALUE = rf"(?=\S){_TEXT}{{1,30}}(?<=\S)"
_URL = r"https://[^\s|]{1,2040}"
_PLACE = rf"(?=\S){_TEXT}{{1,1024}}(?<=\S)"
_PROMPT = rf"(?![\s\S]*[\ud800-\udfff])\S(?:[\s\S]{{0,{MAX_PROMPT - 2}}}\S)?"
_USD = r"(?!0*(?:\.0*)?\s*$)(?:\d{1,3}(?:\.\d{1,6})?|1000(?:\.0{1,6})?)"
_TAKE = r"[1-9]\d{0,2}"


def any_case(word: str) -> str:
    """A pattern for an ASCII word in any case, for readers that know no flags."""
    return "".join(
        f"[{char.upper()}{char.lower()}]" if char.isalpha() else re.escape(char) for char in word
    )


def whole(pattern: str) -> str:
    """For a text that is nothing else, with blanks around it."""
    return rf"^\s*(?:{pattern})\s*$"


def _fits(pattern: str, text: str) -> bool:
    return re.match(whole(pattern), text) is not None


def _schema(*kinds: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": list(kinds)} if len(kinds) > 1 else kinds[0])


def _written(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": whole(pattern)}


# --- one of several words ------------------------------------------------------------------------


def words(choices: Iterable[str], unit: str = "") -> tuple[BeforeValidator, WithJsonSchema]:
    """Parts of an annotation: one of the choices in any case. With a unit, `5` stands for `5s`."""
    known = list(choices)
    bare = [choice.removesuffix(unit) for choice in known]
    numbers = [int(choice) for choice in bare] if unit else []
    optional = f"{any_case(unit)}?" if unit else ""
    pattern = "|".join(any_case(choice) + optional for choice in bare)
    return BeforeValidator(_word(unit)), _schema({"enum": [*known, *numbers]}, _written(pattern))


def _word(unit: str) -> Callable[[Any], Any]:
    def plain(value: Any) -> Any:
        number = _integral(value) if unit else None
        text = value if number is None else str(number)
        if not isinstance(text, str):
            return value
        text = text.strip().lower()
        return f"{text}{unit}" if text.isdecimal() else text

    return plain


def _integral(value: Any) -> int | None:
    """JSON knows no difference between 5 and 5.0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value == value // 1 else None


# --- texts, switches and numbers -----------------------------------------------------------------


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _switch(value: Any) -> Any:
    text = value.strip().lower() if isinstance(value, str) else ""
    return {"true": True, "false": False}.get(text, value)


def whole_number(value: Any) -> Any:
    """`"5"` and `5.0` mean 5; every other value stays what it is."""
    if isinstance(value, str) and _fits(_TAKE, value):
        return int(value)
    number = _integral(value)
    return value if number is None else number


def _amount(value: Any) -> Any:
    """Numbers as they are; of texts only plain amounts, no `1e3`, no `NaN`."""
    if isinstance(value, bool) or (isinstance(value, str) and not _fits(_USD, value)):
        raise ValueError("no amount")
    return _stripped(value)


Prompt = Annotated[
    str,
    Field(min_length=1, max_length=MAX_PROMPT, strict=True),
    BeforeValidator(_stripped),
    _schema(_written(_PROMPT)),
]
Switch = Annotated[
    bool,
    Field(strict=True),
    BeforeValidator(_switch),
    _schema({"type": "boolean"}, _written(f"{any_case('true')}|{any_case('false')}")),
]
Take = Annotated[
    int,
    Field(strict=True, ge=1, le=999),
    BeforeValidator(whole_number),
    _schema({"type": "integer", "minimum": 1, "maximum": 999}, _written(_TAKE)),
]
Amount = Annotated[
    Decimal,
    Field(gt=0, le=1000),
    BeforeValidator(_amount),
    _schema({"type": "number", "exclusiveMinimum": 0, "maximum": 1000}, _written(_USD)),
]


# --- lists ---------------------------------------------------------------------------------------


def _entries(value: Any) -> Any:
    if isinstance(value, str):
        value = value.split(LISTED)
    return [_stripped(entry) for entry in value] if isinstance(value, list) else value


def _labels(value: Any) -> Any:
    """A map becomes texts such as `campaign=spring`."""
    if not isinstance(value, Mapping):
        return _entries(value)
    for name, text in value.items():
        fits = isinstance(text, str) and _fits(_LABEL_VALUE, text) and _fits(_LABEL_NAME, name)
        if not fits:
            raise ValueError("no short text")
    return [f"{name.strip()}={text.strip()}" for name, text in value.items()]


def _each_like(pattern: str) -> AfterValidator:
    def check(entries: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_fits(pattern, entry) for entry in entries):
            raise ValueError("no entry of this list")
        return tuple(dict.fromkeys(entries))

    return AfterValidator(check)


def _list_of(pattern: str, most: int, *more: dict[str, Any]) -> WithJsonSchema:
    several = rf"(?:{pattern})(?:\s*\|\s*(?:{pattern})){{0,{most - 1}}}"
    listed = {"type": "array", "items": _written(pattern), "maxItems": most}
    return _schema(listed, _written(several), *more)


_LABEL_MAP = {
    "type": "object",
    "maxProperties": MAX_LABELS,
    "patternProperties": {whole(_LABEL_NAME): _written(_LABEL_VALUE)},
    "additionalProperties": False,
}

Addresses = Annotated[
    tuple[str, ...],
    Field(max_length=MAX_REFERENCES),
    _each_like(_URL),
    BeforeValidator(_entries),
    _list_of(_URL, MAX_REFERENCES),
]
Places = Annotated[
    tuple[str, ...],
    Field(max_length=MAX_REFERENCES),
    _each_like(_PLACE),
    BeforeValidator(_entries),
    _list_of(_PLACE, MAX_REFERENCES),
]
Labels = Annotated[
    tuple[str, ...],
    Field(max_length=MAX_LABELS),
    _each_like(_LABEL),
    BeforeValidator(_labels),
    _list_of(_LABEL, MAX_LABELS, _LABEL_MAP),
]
