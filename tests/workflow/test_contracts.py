"""The workflow and the functions agree: what is sent is read, and what is read is returned."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import Any, get_args

import pytest

from dropreel.steps.outcomes import (
    FinalizeEvent,
    FinalizeOutcome,
    GenerateEvent,
    GenerateOutcome,
    PollEvent,
    PollOutcome,
    SlotEvent,
)
from tests.conftest import ROOT
from tests.support.stack import Document
from tests.support.stack import workflow as load

EVENTS: dict[str, type[Any]] = {
    "Wait for a slot": SlotEvent,
    "Generate": GenerateEvent,
    "Poll": PollEvent,
    "Finalize": FinalizeEvent,
}
OUTCOMES: dict[str, Any] = {
    "Generate": GenerateOutcome,
    "Poll": PollOutcome,
    "Finalize": FinalizeOutcome,
}
PREVIOUS = json.loads((ROOT / "tests/workflow/previous/render.asl.json").read_text())
# How the tasks of the previous definition are called today.
RENAMED = {"Ask provider": "Generate", "Look at the clip": "Poll", "Finish": "Finalize"}
_READ = re.compile(r"\$states\.(?:result\.Payload|input)\.(\w+)")


def names(kind: type[Any]) -> set[str]:
    return {field.name for field in fields(kind)}


def payload(state: Document) -> set[str]:
    return set(state["Arguments"]["Payload"])


def required(kind: type[Any]) -> set[str]:
    """The fields of an event that have no default."""
    found = set()
    for name in names(kind):
        try:
            kind.of({other: "x" for other in names(kind) - {name} if other != "resume"})
        except TypeError:
            found.add(name)
    return found


def read_after(workflow: Document, task: str) -> set[str]:
    """What the task itself, and the states up to the next task, read of its outcome."""
    states, seen, found = workflow["States"], {task}, set()
    own = {key: value for key, value in states[task].items() if key in ("Assign", "Output")}
    found |= set(_READ.findall(json.dumps(own)))
    todo = [states[task]["Next"]]
    while todo:
        name = todo.pop()
        if name in seen or states[name]["Type"] == "Task":
            continue
        seen.add(name)
        found |= set(_READ.findall(json.dumps(states[name])))
        choices = states[name].get("Choices", [])
        todo += [choice["Next"] for choice in choices]
        todo += [states[name][key] for key in ("Next", "Default") if key in states[name]]
    return found


@pytest.mark.parametrize("task", EVENTS)
def test_a_function_gets_its_events_fields_and_no_others(task: str) -> None:
    late = {"late", "resumed"} if task == "Finalize" else set()  # EventBridge's alone
    assert payload(load()["States"][task]) == names(EVENTS[task]) - late


@pytest.mark.parametrize("task", OUTCOMES)
def test_the_workflow_reads_only_what_some_outcome_of_the_function_holds(task: str) -> None:
    told = {"outcome"}.union(*(names(kind) for kind in get_args(OUTCOMES[task])))
    read = read_after(load(), task)
    assert "outcome" in read
    assert read <= told


@pytest.mark.parametrize("old", ["Wait for a slot", *RENAMED])
def test_executions_of_the_previous_definition_send_what_todays_functions_need(old: str) -> None:
    event = EVENTS[RENAMED.get(old, old)]
    sent = payload(PREVIOUS["States"][old])
    assert required(event) <= sent
    assert sent <= names(event)


@pytest.mark.parametrize("old", RENAMED)
def test_executions_of_the_previous_definition_find_what_they_read(old: str) -> None:
    told = {"outcome"}.union(*(names(kind) for kind in get_args(OUTCOMES[RENAMED[old]])))
    begun = {"job_id", "run", "resume", "image", "provider", "settings", "estimate_usd"}
    kept = {"tries", "polls", "fetches", "accident", "ask_at"}  # by the definition itself
    assert read_after(PREVIOUS, old) <= told | begun | kept


def test_an_event_field_that_nobody_sends_is_noticed() -> None:
    assert required(SlotEvent) == {"job_id", "token"}
    assert required(PollEvent) == {"job_id"}
