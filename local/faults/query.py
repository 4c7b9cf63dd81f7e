"""The workflow's expressions, run by the JSONata engine that the embedded AWS uses, too.

As strict as Step Functions: an expression sees the variables and `$states` and nothing else, and
one without a result is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from jsonata import JException, Jsonata, Utils

T = TypeVar("T")

Names = Mapping[str, Any]  # what an expression may refer to: `states` and the variables


class QueryError(Exception):
    """An expression that cannot be evaluated; the message says which."""

    name = "States.QueryEvaluationError"


def expression(value: Any) -> str | None:
    """The JSONata within `{% %}`."""
    if isinstance(value, str) and value.startswith("{%") and value.endswith("%}"):
        return value[2:-2].strip()
    return None


def evaluated(value: Any, names: Names) -> Any:
    """A field of a state, with the results of all expressions in it."""
    if isinstance(value, Mapping):
        return {key: evaluated(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [evaluated(inner, names) for inner in value]
    text = expression(value)
    return value if text is None else _result(text, names)


def evaluated_as(kind: type[T], value: Any, names: Names) -> T:
    """A field that must be of one type: `int`, `bool` or `str`."""
    result = evaluated(value, names)
    if type(result) is not kind:  # a bool is an int, but not here
        raise QueryError(f"{value}: {result!r} is not of type {kind.__name__}")
    return result


def _result(text: str, names: Names) -> Any:
    given = {name: _NULL if value is None else value for name, value in names.items()}
    try:
        result = parsed(text).evaluate(None, given)
    except JException as error:
        raise QueryError(f"{text}: {error}") from error
    if result is None:
        raise QueryError(f"{text}: undefined")
    return Utils.convert_nulls(result)


@cache
def parsed(text: str) -> Jsonata:
    """The expression ready to run. It gives None for what is undefined, and not for null."""
    query = Jsonata.jsonata(text)
    query.set_output_convert_nulls(False)
    return query


_NULL = Utils.NULL_VALUE
