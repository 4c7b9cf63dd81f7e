"""Policies as AWS evaluates them, as far as the template's roles use them, without an AWS.

`dynamodb:LeadingKeys` of a transaction is evaluated in both ways in which AWS's documentation can
be read: each action of it sees the key of its own item, or the keys of all items.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Self

Items = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Call:
    """One call as it was checked. `role` is empty for the tests' own calls.

    `items`: action and partition key of each item of the ledger that the request is about.
    """

    role: str
    action: str
    resource: str
    items: Items = ()
    allowed: bool = True

    @classmethod
    def read(cls, line: str) -> Self:
        given = json.loads(line)
        caller = str(given["caller"])
        role = caller.split("/")[1] if ":assumed-role/" in caller else ""
        items = tuple((action, key) for action, key in given["items"])
        return cls(role, given["action"], given["resource"], items, given["allowed"])

    @property
    def keys(self) -> frozenset[str]:
        """Of all items of the request."""
        return frozenset(key for _, key in self.items)

    @property
    def own_keys(self) -> frozenset[str]:
        """Of the items that this action is for."""
        return frozenset(key for action, key in self.items if action == self.action)


@dataclass(frozen=True)
class Statement:
    """One Allow of one role; `keys` are the patterns of its leading keys, if it has any."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    keys: tuple[str, ...] | None = None

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """Raises ValueError for what this evaluation does not know."""
        condition = given.get("Condition") or {}
        keys = condition.get("ForAllValues:StringLike", {}).get("dynamodb:LeadingKeys")
        if given["Effect"] != "Allow" or (condition and keys is None):
            raise ValueError(f"not known here: {given}")
        named = None if keys is None else tuple(_listed(keys))
        return cls(tuple(_listed(given["Action"])), tuple(_listed(given["Resource"])), named)

    def allows(self, call: Call, keys: Iterable[str]) -> bool:
        return (
            call.action in self.actions
            and any(_matches(pattern, call.resource) for pattern in self.resources)
            and (
                self.keys is None
                or all(any(_matches(known, key) for known in self.keys) for key in keys)
            )
        )

    def parts(self) -> Iterator[tuple[str, Statement]]:
        """Each single right in it, with the statement that is left without it."""
        for name in ("actions", "resources", "keys"):
            values = getattr(self, name) or ()
            for value in values:
                rest: Any = tuple(other for other in values if other != value)
                yield f"{self} without {value}", replace(self, **{name: rest})

    def __str__(self) -> str:
        return f"{', '.join(self.actions)} on {', '.join(self.resources)} for {self.keys or 'all'}"


def allowed(call: Call, statements: Sequence[Statement]) -> bool:
    """Whether the call passes, however AWS reads the keys of a transaction."""
    return all(
        any(statement.allows(call, keys) for statement in statements)
        for keys in (call.own_keys, call.keys)
    )


def unused(statements: Sequence[Statement], calls: Sequence[Call]) -> list[str]:
    """The single rights without which all calls would pass just the same."""
    return [
        part
        for number, statement in enumerate(statements)
        for part, rest in statement.parts()
        if all(
            allowed(call, [*statements[:number], rest, *statements[number + 1 :]]) for call in calls
        )
    ]


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*"))


def _matches(pattern: str, value: str) -> bool:
    return _pattern(pattern).fullmatch(value) is not None


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
