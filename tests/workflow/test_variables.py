"""The workflow's variables: set before they are read, and fixed where that protects the job."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.stack import GONE, Document, Rule, spoilt
from tests.support.stack import workflow as load

# Set once: who the job is, and whether this execution may order.
FIXED = {"job_id", "run", "may_order"}


def assigned(state: Document) -> Iterator[Document]:
    """What a state, its choices and its catches assign."""
    yield from (
        part["Assign"]
        for part in (state, *state.get("Choices", []), *state.get("Catch", []))
        if "Assign" in part
    )


def read_in(part: Any) -> set[str]:
    """The variables that the expressions of a part read. What is called is a function."""
    names = re.findall(r"\$(\w+)\b(?!\()", json.dumps(part))
    return {name for name in names if name != "states"}


def reading_what_is_never_set(workflow: Document) -> list[str]:
    """The first state sets every variable, and itself reads none."""
    first = workflow["States"][workflow["StartAt"]]
    unknown = read_in(workflow["States"]) - set(first.get("Assign", {}))
    return sorted(unknown | read_in(first))


def changing_what_is_fixed(workflow: Document) -> list[str]:
    return [
        name
        for name, state in workflow["States"].items()
        for one in assigned(state)
        if name != workflow["StartAt"] and FIXED & set(one)
    ]


def depending_on_the_order_of_assignments(workflow: Document) -> list[str]:
    """Step Functions evaluates all of an `Assign` first, the embedded AWS one after the other."""
    return [
        f"{name}: {variable}"
        for name, state in workflow["States"].items()
        for one in assigned(state)
        for variable, value in one.items()
        if (read_in(value) - {variable}) & set(one)
    ]


START = ("States", "Start", "Assign")
GENERATE = ("States", "Generate")
POLL = ("States", "Poll")
SPOILT: list[tuple[Rule, tuple[str | int, ...], Any]] = [
    (reading_what_is_never_set, (*START, "tries"), GONE),
    (reading_what_is_never_set, (*START, "run"), "{% $run %}"),
    (changing_what_is_fixed, (*POLL, "Assign", "may_order"), True),
    (changing_what_is_fixed, (*GENERATE, "Catch", 0, "Assign", "run"), 0),
    (
        changing_what_is_fixed,
        ("States", "Clip ready?", "Choices", 0, "Assign"),
        {"job_id": "another"},
    ),
    (depending_on_the_order_of_assignments, (*POLL, "Assign", "resume"), "{% $polls %}"),
]


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, *_ in SPOILT))
def test_variables_are_set_before_they_are_read(rule: Rule) -> None:
    assert rule(load()) == []


@pytest.mark.parametrize(("rule", "path", "to"), SPOILT)
def test_a_wrong_use_of_a_variable_is_noticed(
    rule: Rule, path: tuple[str | int, ...], to: Any
) -> None:
    assert rule(spoilt(load(), *path, to=to)) != []
