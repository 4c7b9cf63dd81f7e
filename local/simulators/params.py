"""Checking a request body against a table of fields, as a provider's schema would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

RATIOS_OLD = ("3:1", "2:1", "21:9", "16:9", "4:3", "3:2", "1:1", "3:4", "2:3", "9:16", "1:2", "1:3")
RATIOS_NEW = ("3:4", "4:3", "1:1", "9:16", "16:9", "21:9")
RESOLUTIONS = ("540p", "720p", "1080p")
DURATIONS = ("5s", "10s")
MAX_PROMPT = 6000

_TYPE_NAMES = {str: "string", bool: "boolean", list: "array", int: "integer", dict: "object"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a body. `longest` bounds a string's or a list's length, from 1 up."""

    name: str
    type: type | tuple[type, ...]
    required: bool = False
    allowed: tuple[str, ...] = ()
    nullable: bool = False
    longest: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a body, in no provider's words."""

    where: str
    what: Literal["missing", "type", "one_of", "length", "conflict", "unknown"]
    message: str
    allowed: tuple[str, ...] = ()


def first_fault(body: Mapping[str, object], fields: Sequence[Field]) -> Finding | None:
    """The first field that is missing, of the wrong type or out of its set."""
    return next((fault for field in fields if (fault := _fault(body, field))), None)


def type_name(field: Field) -> str:
    """The JSON Schema name of the field's first type."""
    return _TYPE_NAMES[field.type[0] if isinstance(field.type, tuple) else field.type]


def schema(fields: Sequence[Field]) -> dict[str, object]:
    """The table as the JSON Schema that model pages hand out."""
    properties: dict[str, dict[str, object]] = {}
    for field in fields:
        properties[field.name] = {"type": type_name(field)}
        if field.allowed:
            properties[field.name]["enum"] = list(field.allowed)
    required = [field.name for field in fields if field.required]
    return {"type": "object", "required": required, "properties": properties}


def unknown_field(body: Mapping[str, object], fields: Sequence[Field]) -> Finding | None:
    known = {field.name for field in fields}
    stray = next((name for name in body if name not in known), None)
    return Finding(stray, "unknown", f"Unknown field: {stray}") if stray else None


def _fault(body: Mapping[str, object], field: Field) -> Finding | None:
    name, value = field.name, body.get(field.name)
    if name not in body or (value is None and field.nullable):
        return Finding(name, "missing", f"{name} is required") if _lacks(body, field) else None
    if not isinstance(value, field.type) or (field.type is int and isinstance(value, bool)):
        return Finding(name, "type", f"{name} must be a {type_name(field)}")
    if field.allowed and value not in field.allowed:
        valid = ", ".join(field.allowed)
        return Finding(name, "one_of", f"Invalid {name} '{value}'. Valid: {valid}", field.allowed)
    if field.longest is not None and not 1 <= len(str(value)) <= field.longest:
        text = f"{name.capitalize()} must be between 1 and {field.longest} characters"
        return Finding(name, "length", text)
    return None


def _lacks(body: Mapping[str, object], field: Field) -> bool:
    return field.required and field.name not in body


def loop_with_ten_seconds(body: Mapping[str, object]) -> Finding | None:
    if body.get("loop") is True and body.get("duration") == "10s":
        return Finding("loop", "conflict", "loop is not supported with duration '10s'")
    return None


def text(body: Mapping[str, object], name: str, default: str = "") -> str:
    value = body.get(name)
    return value if isinstance(value, str) else default


def texts(body: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = body.get(name)
    return tuple(str(item) for item in value) if isinstance(value, list) else ()
