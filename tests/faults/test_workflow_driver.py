"""The driver plays the workflow's own file: nothing of it is left out, nothing is made up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from local.faults.asl import FILE, FUNCTIONS, MEANINGS, Machine, Moment, evaluated, expression
from local.faults.faults import Cell
from local.faults.functions import TIMEOUTS
from local.faults.matrix import play
from local.faults.provider import NAMES
from local.faults.scenarios import SCENARIOS
from local.faults.world import MOST_RECEIVES, VISIBILITY_S, World
from tests.template.stack import functions, template

# Where each answer of a function leads, in the file's own words.
ROUTES = {
    "Did the provider take it?": {
        "accepted": "Wait for the clip",
        "search": "Wait for the clip",
        "wait": "Wait for the provider",
        "ended": "Finish",
    },
    "Is the clip ready?": {
        "wait": "Wait for the clip",
        "again": "Wait for the provider",
        "ready": "Finish",
        "ended": "Finish",
    },
    "How did it end?": {
        "delivered": "Delivered",
        "wait": "Wait to fetch again",
        "ended": "Not delivered",
        "superseded": "Not delivered",
    },
}


@pytest.fixture
def machine() -> Machine:
    return Machine.read()


def values(part: Any) -> Iterator[Any]:
    if isinstance(part, dict):
        for value in part.values():
            yield from values(value)
    elif isinstance(part, list):
        for value in part:
            yield from values(value)
    else:
        yield part


def moment(**given: Any) -> Moment:
    return Moment(given, "arn:execution", {"outcome": "wait", "wait_seconds": 7})


def test_every_expression_of_the_file_has_a_meaning_and_none_is_left_over() -> None:
    found = {expression(value) for value in values(json.loads(FILE.read_text()))} - {None}
    assert found == set(MEANINGS)


@pytest.mark.parametrize("state", ROUTES)
def test_each_answer_leads_where_the_file_says(machine: Machine, state: str) -> None:
    for outcome, following in ROUTES[state].items():
        assert machine.choose(state, moment(outcome=outcome)) == following
    spec = machine.states[state]
    named = {choice["Next"] for choice in spec["Choices"]} | {spec["Default"]}
    assert named == set(ROUTES[state].values())


def test_resumed_jobs_go_past_the_order(machine: Machine) -> None:
    assert machine.choose("New or resumed?", moment(resume={})) == "Look at the clip"
    assert machine.choose("New or resumed?", moment(job_id="x")) == "Ask provider"


def test_a_word_for_a_resumed_job_is_said_once(machine: Machine) -> None:
    first = machine.payload("Look at the clip", moment(job_id="x", resume={"a": 1}))
    later = machine.payload("Look at the clip", moment(job_id="x", resume={"a": 1}, polls=1))
    assert (first["resume"], later["resume"]) == ({"a": 1}, None)


def test_the_paid_call_is_retried_only_where_it_never_started(machine: Machine) -> None:
    assert machine.retry("Ask provider", "Lambda.TooManyRequestsException")
    for error in ("Sandbox.Timedout", "Runtime.ExitError", "States.Timeout", "ClientError"):
        assert machine.retry("Ask provider", error) is None
        catch = machine.catch("Ask provider", error)
        assert catch is not None
        assert catch["Next"] == "Wait for the clip"


@pytest.mark.parametrize("state", ["Look at the clip", "Finish"])
def test_steps_that_are_safe_to_repeat_are_repeated(machine: Machine, state: str) -> None:
    retry = machine.retry(state, "Sandbox.Timedout")
    assert retry is not None
    delays = [retry.delay_s(attempt, jitter=1.0) for attempt in range(retry.attempts)]
    assert delays == sorted(delays)
    assert delays[-1] <= retry.longest_s


def test_a_retry_jitters_where_the_file_says_so(machine: Machine) -> None:
    polling, finishing = (machine.retry(state, "Boom") for state in ("Look at the clip", "Finish"))
    assert polling is not None
    assert finishing is not None
    assert (polling.delay_s(0, jitter=0.0), finishing.delay_s(0, jitter=0.0)) == (0, 20)


def test_an_accident_is_kept_for_the_end(machine: Machine) -> None:
    catch = machine.catch("Ask provider", "Boom")
    assert catch is not None
    at = Moment({"job_id": "x"}, "arn:execution", error={"Error": "Boom", "Cause": ""})
    caught = evaluated(catch["Output"], at)
    assert caught["wait_seconds"] == 30
    assert machine.payload("Finish", Moment(caught, "arn:execution"))["accident"] == "Boom"
    assert machine.payload("Finish", moment(job_id="x"))["accident"] == ""


def test_every_task_has_its_function(machine: Machine) -> None:
    tasks = [name for name, state in machine.states.items() if state["Type"] == "Task"]
    assert {machine.function(task) for task in tasks} == set(FUNCTIONS.values())


def test_every_state_of_the_file_is_played_in_some_scenario(played_in: World) -> None:
    visited: set[str] = set()
    for provider in NAMES:
        for scenario in SCENARIOS:
            played_in.play(Cell(provider, scenario, None))
            visited |= {state for states in played_in.workflow.visited.values() for state in states}
    # Only a clip that cannot be fetched at once waits here; the matrix has that as a fault.
    assert set(played_in.machine.states) - visited == {"Wait to fetch again"}


def test_a_clip_that_cannot_be_fetched_at_once_waits(played_in: World, cells: list[Cell]) -> None:
    found = (
        cell
        for cell in cells
        if cell.fault and ".mp4" in cell.fault.label and cell.fault.kind == "error"
    )
    assert play(played_in, next(found)).state == "delivered"
    states = [state for states in played_in.workflow.visited.values() for state in states]
    assert "Wait to fetch again" in states


def test_times_are_those_of_the_template() -> None:
    document = template()
    deployed = functions(document)
    names = {name: f"{name.capitalize()}Function" for name in TIMEOUTS}
    default = document["Globals"]["Function"]["Timeout"]
    assert {
        name: deployed[place].get("Timeout", default) for name, place in names.items()
    } == TIMEOUTS
    queue = document["Resources"]["IngestQueue"]["Properties"]
    assert queue["VisibilityTimeout"] == VISIBILITY_S
    assert queue["RedrivePolicy"]["maxReceiveCount"] == MOST_RECEIVES
