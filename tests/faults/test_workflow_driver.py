"""The driver plays the workflow's own file: nothing of it is left out, nothing is made up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from local.faults.asl import FILE, FUNCTIONS, MEANINGS, Machine, Moment, evaluated, expression
from local.faults.faults import Cell
from local.faults.functions import TIMEOUTS
from local.faults.matrix import play
from local.faults.provider import NAMES, Clock
from local.faults.scenarios import SCENARIOS
from local.faults.services import MACHINE, StepFunctions
from local.faults.timeline import Timeline
from local.faults.wire import Invocation, Reply
from local.faults.workflow import Workflow
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
    return Moment(given, "arn:execution", {"Payload": {"outcome": "wait", "wait_seconds": 7}})


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
    assert machine.choose("New or resumed?", moment(job_id="x")) == "Wait for a slot"


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


# --- tasks that wait for their token -----------------------------------------------------------

WORD = '{"ask_at": 0}'


@dataclass
class Parked:
    """One execution whose only steps are "Wait for a slot" and what follows it."""

    clock: Clock = field(default_factory=Clock)
    asked: list[str] = field(default_factory=list)  # the tokens that the function was given
    answers: list[Reply] = field(default_factory=list)  # its own, then nothing but good ones

    def __post_init__(self) -> None:
        self.clock.restart(datetime(2026, 11, 20, tzinfo=UTC))
        moved: Any = self.clock
        self.timeline = Timeline(self.clock, moved)
        self.steps = StepFunctions(self.clock.moment, lambda one: self.workflow.start(one))
        self.workflow = Workflow(
            Machine.read(), self.timeline, self.steps, self.invoke, lambda _: None
        )
        self.steps.start_execution(stateMachineArn=MACHINE, name="photo", input='{"job_id": "x"}')
        self.timeline.run(self.clock.now() + 1)

    def invoke(self, invocation: Invocation) -> Reply:
        if invocation.function == "slot":
            self.asked.append(invocation.event["token"])
            return self.answers.pop(0) if self.answers else Reply()
        return Reply({"outcome": "ended", "error": "end", "cause": ""})

    def wake(self, token: str) -> bool:
        try:
            self.steps.send_task_success(taskToken=token, output=WORD)
        except StepFunctions.exceptions.TaskTimedOut:
            return False
        self.timeline.run(self.clock.now())
        return True

    @property
    def visited(self) -> list[str]:
        (states,) = self.workflow.visited.values()
        return states


def test_the_answer_of_the_function_is_not_the_result_but_the_word_with_its_token() -> None:
    parked = Parked()
    assert parked.visited[-1] == "Wait for a slot"
    assert parked.wake(parked.asked[0])
    assert "Ask provider" in parked.visited
    assert parked.workflow.longest_wait_s == 1
    assert not parked.wake(parked.asked[0])


def test_an_attempt_that_failed_takes_its_token_with_it() -> None:
    parked = Parked(answers=[Reply(error="Boom")])
    parked.timeline.run(parked.clock.now() + 60)
    first, second = parked.asked
    assert not parked.wake(first)
    assert parked.wake(second)
    assert "Ask provider" in parked.visited


def test_nobody_waits_longer_than_the_file_says() -> None:
    parked = Parked()
    parked.timeline.run()
    assert parked.visited[:3] == ["New or resumed?", "Wait for a slot", "Finish"]
    assert parked.workflow.longest_wait_s == 172800
    assert not parked.wake(parked.asked[0])


def test_who_was_stopped_waits_no_more() -> None:
    parked = Parked()
    (execution,) = parked.steps.executions
    parked.workflow.end(execution, "ABORTED")
    assert not parked.wake(parked.asked[0])
    assert parked.timeline.next_at is None


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
