"""A published schema that is not what it was, one change after the other.

    -loop               a field is gone
    +seed               there is a new field
    !style              there is a new field, and it is required
    aspect_ratio+9:21   a field takes one more value
    aspect_ratio-21:9   a field takes a value no longer

What an order is checked against stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

_CHANGE = re.compile(r"([a-z_]*)([-+!])(\S+)")


def checked(changes: Sequence[str]) -> tuple[str, ...]:
    """Raises ValueError for what is no change."""
    wrong = [change for change in changes if not _CHANGE.fullmatch(change)]
    if wrong:
        raise ValueError(f"simulator: {wrong[0]!r} is no change of a schema")
    return tuple(changes)


def drifted(schema: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """The JSON schema after these changes."""
    found = deepcopy(dict(schema))
    for change in changes:
        field, how, what = _CHANGE.fullmatch(change).groups()  # type: ignore[union-attr]
        if field:
            _change_values(found["properties"][field]["enum"], how, what)
        else:
            _change_fields(found, how, what)
    return found


def _change_values(values: list[str], how: str, value: str) -> None:
    if how == "-":
        values.remove(value)
    else:
        values.append(value)


def _change_fields(schema: dict[str, Any], how: str, name: str) -> None:
    if how == "-":
        del schema["properties"][name]
        schema["required"] = [one for one in schema["required"] if one != name]
        return
    schema["properties"][name] = {"type": "string"}
    if how == "!":
        schema["required"].append(name)
