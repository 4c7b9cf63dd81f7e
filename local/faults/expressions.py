"""DynamoDB's condition and update expressions, as far as the ledger uses them.

Strict where DynamoDB is: what is not part of the grammar, a placeholder without a value and a
value without a placeholder are errors, never ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

Value = Mapping[str, Any]  # as DynamoDB writes it: {"S": "text"}
Item = dict[str, Any]

_TOKEN = re.compile(r"\s*(#\w+|:\w+|\w+|<>|<=|>=|[=<>(),])")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: bool(a == b),
    "<>": lambda a, b: bool(a != b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}
_ORDERED = frozenset({"S", "N", "B"})


class ExpressionError(ValueError):
    """DynamoDB would answer with a ValidationException."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression is read in: the item as it is, names and values of the request."""

    item: Mapping[str, Value]
    names: Mapping[str, str]
    values: Mapping[str, Value]

    def name(self, token: str) -> str:
        if not token.startswith("#"):
            return token
        if token not in self.names:
            raise ExpressionError(f"{token} is not defined")
        return self.names[token]

    def value(self, token: str) -> Value:
        if token not in self.values:
            raise ExpressionError(f"{token} is not defined")
        return self.values[token]

    def operand(self, token: str) -> Value | None:
        return self.value(token) if token.startswith(":") else self.item.get(self.name(token))


Test = Callable[[Scope], bool]


@cache
def tokens(text: str) -> tuple[str, ...]:
    found, place = [], 0
    while place < len(text.rstrip()):
        match = _TOKEN.match(text, place)
        if match is None:
            raise ExpressionError(f"cannot read {text[place:]!r}")
        found.append(match[1])
        place = match.end()
    return tuple(found)


@cache
def placeholders(text: str) -> frozenset[str]:
    return frozenset(token for token in tokens(text) if token[0] in "#:")


@cache
def condition(text: str) -> Test:
    """The test that a condition stands for."""
    reader = _Reader([*tokens(text)])
    test = reader.any_of()
    if reader.left:
        raise ExpressionError(f"{reader.left[0]!r} is too much in {text!r}")
    return test


class _Reader:
    """Recursive descent: `any_of` -> `all_of` -> `one`."""

    def __init__(self, left: list[str]) -> None:
        self.left = left

    def take(self, wanted: str = "") -> str:
        if not self.left or (wanted and self.left[0] != wanted):
            raise ExpressionError(f"expected {wanted or 'more'}, found {self.left[:1]}")
        return self.left.pop(0)

    def any_of(self) -> Test:
        tests = [self.all_of()]
        while self.left[:1] == ["OR"]:
            self.take()
            tests.append(self.all_of())
        return lambda scope: any(test(scope) for test in tests)

    def all_of(self) -> Test:
        tests = [self.one()]
        while self.left[:1] == ["AND"]:
            self.take()
            tests.append(self.one())
        return lambda scope: all(test(scope) for test in tests)

    def one(self) -> Test:
        word = self.take()
        if word == "(":
            inner = self.any_of()
            self.take(")")
            return inner
        if word in ("attribute_exists", "attribute_not_exists"):
            return self.presence(word == "attribute_exists")
        if word == "contains":
            return self.containing()
        return self.comparison(word)

    def presence(self, wanted: bool) -> Test:
        self.take("(")
        name = self.take()
        self.take(")")
        return lambda scope: (scope.name(name) in scope.item) is wanted

    def containing(self) -> Test:
        """Of texts: whether the second is part of the first."""
        self.take("(")
        whole = self.take()
        self.take(",")
        part = self.take()
        self.take(")")
        return lambda scope: _contains(scope.operand(whole), scope.operand(part))

    def comparison(self, first: str) -> Test:
        sign = self.take()
        if sign not in _COMPARE:
            raise ExpressionError(f"{sign!r} compares nothing")
        second = self.take()
        return lambda scope: _holds(scope.operand(first), sign, scope.operand(second))


def _holds(first: Value | None, sign: str, second: Value | None) -> bool:
    """What is not there, or of another type, is neither equal nor less nor more."""
    if first is None or second is None:
        return sign == "<>" and first is not second
    (kind, left), (other, right) = next(iter(first.items())), next(iter(second.items()))
    if kind != other or (sign not in ("=", "<>") and kind not in _ORDERED):
        return sign == "<>"
    if kind == "N":
        left, right = Decimal(left), Decimal(right)
    return _COMPARE[sign](left, right)


def _contains(whole: Value | None, part: Value | None) -> bool:
    return bool(whole and part and str(part["S"]) in str(whole["S"]))


# --- updates -----------------------------------------------------------------------------------

_CLAUSE = re.compile(r"\b(SET|ADD|REMOVE)\b")


def updated(text: str, scope: Scope) -> Item:
    """The item of `scope` after an update expression; the old one stays as it is."""
    item: Item = dict(scope.item)
    parts = _CLAUSE.split(text)
    verbs = parts[1::2]
    if parts[0].strip() or not verbs or len(set(verbs)) < len(verbs):
        raise ExpressionError(f"cannot read {text!r}")
    touched = [
        _ACTIONS[verb](tokens(action), scope, item)
        for verb, body in zip(verbs, parts[2::2], strict=True)
        for action in body.split(",")
    ]
    if len(set(touched)) < len(touched):
        raise ExpressionError(f"{text!r} changes an attribute twice")
    return item


def _set(action: Sequence[str], scope: Scope, item: Item) -> str:
    if len(action) != 3 or action[1] != "=":
        raise ExpressionError(f"cannot set {action}")
    name = scope.name(action[0])
    item[name] = scope.value(action[2])
    return name


def _add(action: Sequence[str], scope: Scope, item: Item) -> str:
    if len(action) != 2:
        raise ExpressionError(f"cannot add {action}")
    name = scope.name(action[0])
    before, more = item.get(name, {"N": "0"}), scope.value(action[1])
    if "N" not in before or "N" not in more:
        raise ExpressionError(f"{name} is not a number")
    item[name] = {"N": str(Decimal(before["N"]) + Decimal(more["N"]))}
    return name


def _remove(action: Sequence[str], scope: Scope, item: Item) -> str:
    if len(action) != 1:
        raise ExpressionError(f"cannot remove {action}")
    name = scope.name(action[0])
    item.pop(name, None)
    return name


_ACTIONS = {"SET": _set, "ADD": _add, "REMOVE": _remove}
