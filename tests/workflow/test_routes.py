"""Which states an execution can reach, by the workflow's real conditions."""

from __future__ import annotations

import re
from typing import Any

import pytest

from local.faults.asl import Machine

WORDS = [{}, {"provider_job_id": "order"}, {"nothing_made": True}, None]


@pytest.fixture
def machine() -> Machine:
    return Machine.read()


def answers(machine: Machine) -> set[str]:
    """Every outcome that a condition names, and one that none names."""
    conditions = [
        rule["Condition"] for state in machine.states.values() for rule in state.get("Choices", [])
    ]
    return {word for text in conditions for word in re.findall(r"'(\w+)'", text)} | {"unheard of"}


def reached(machine: Machine, given: dict[str, Any]) -> set[str]:
    """All states that can follow on this input, whatever the functions answer or fail with.

    `may_order`, the one variable that a condition reads, is fixed: see test_variables.py.
    """
    variables = machine.exit(machine.start).assigned({"states": {"input": given}})
    found: set[str] = set()
    waiting = {machine.start}
    while waiting:
        found |= waiting
        waiting = {to for state in waiting for to in following(machine, state, variables)} - found
    return found


def following(machine: Machine, state: str, variables: dict[str, Any]) -> set[str]:
    spec = machine.states[state]
    if spec["Type"] == "Choice":
        seen = [{"states": {"input": {"outcome": word}}} for word in answers(machine)]
        return {machine.choose(state, {**variables, **one}).to for one in seen}
    return {way["Next"] for way in (spec, *spec.get("Catch", [])) if "Next" in way}


def test_a_new_execution_can_reach_every_state(machine: Machine) -> None:
    assert reached(machine, {"job_id": "x", "run": 1}) == set(machine.states)


@pytest.mark.parametrize("word", WORDS, ids=str)
def test_a_resumed_execution_cannot_reach_generate(machine: Machine, word: Any) -> None:
    ordering = {"Wait for a slot", "Generate", "Order accepted?", "Wait to generate"}
    left = reached(machine, {"job_id": "x", "resume": word})
    assert left == set(machine.states) - ordering


def test_without_its_condition_a_resumed_execution_could(machine: Machine) -> None:
    again = machine.states["Clip ready?"]["Choices"][1]
    again["Condition"] = again["Condition"].replace(" and $may_order", "")
    assert "Generate" in reached(machine, {"job_id": "x", "resume": {}})
