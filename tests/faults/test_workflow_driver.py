"""The driver plays the workflow's own file: nothing of it is left out, nothing is made up."""

from __future__ import annotations

from typing import Any

import pytest

from local.faults.asl import FUNCTIONS, Machine
from local.faults.faults import Cell
from local.faults.functions import TIMEOUTS
from local.faults.matrix import courses, play
from local.faults.query import QueryError
from local.faults.scenarios import DIGEST_ABOVE
from local.faults.wire import Reply
from local.faults.world import MOST_RECEIVES, VISIBILITY_S, World
from tests.faults.played import Played, answer
from tests.support.stack import functions, template

# Where each answer of a function leads, in the file's own words.
ROUTES = {
    "Order accepted?": {
        "accepted": "Wait to poll",
        "search": "Wait to poll",
        "wait": "Wait to generate",
        "ended": "Finalize",
    },
    "Clip ready?": {
        "wait": "Wait to poll",
        "again": "Wait to generate",
        "ready": "Finalize",
        "ended": "Finalize",
        "superseded": "Not delivered",
    },
    "Clip delivered?": {
        "delivered": "Delivered",
        "wait": "Wait to finalize",
        "ended": "Not delivered",
        "superseded": "Not delivered",
    },
}


@pytest.fixture
def machine() -> Machine:
    return Machine.read()


def seen(given: Any, **variables: Any) -> dict[str, Any]:
    """What the expressions of a state see."""
    return {**variables, "states": {"input": given}}


@pytest.mark.parametrize("state", ROUTES)
def test_each_answer_leads_where_the_file_says(machine: Machine, state: str) -> None:
    for outcome, following in ROUTES[state].items():
        assert machine.choose(state, seen({"outcome": outcome}, may_order=True)).to == following
    spec = machine.states[state]
    named = {choice["Next"] for choice in spec["Choices"]} | {spec["Default"]}
    assert named == set(ROUTES[state].values())


def test_the_paid_call_is_retried_only_where_it_never_started(machine: Machine) -> None:
    assert machine.retry("Generate", "Lambda.TooManyRequestsException")
    for error in ("Sandbox.Timedout", "Runtime.ExitError", "States.Timeout", "ClientError"):
        assert machine.retry("Generate", error) is None
        catch = machine.catch("Generate", error)
        assert catch is not None
        assert catch.to == "Wait to poll"


@pytest.mark.parametrize("state", ["Poll", "Finalize"])
def test_steps_that_are_safe_to_repeat_are_repeated(machine: Machine, state: str) -> None:
    retry = machine.retry(state, "Sandbox.Timedout")
    assert retry is not None
    delays = [retry.delay_s(attempt, jitter=1.0) for attempt in range(retry.attempts)]
    assert delays == sorted(delays)
    assert delays[-1] <= retry.longest_s


def test_a_retry_jitters_where_the_file_says_so(machine: Machine) -> None:
    polling, finishing = (machine.retry(state, "Boom") for state in ("Poll", "Finalize"))
    assert polling is not None
    assert finishing is not None
    assert (polling.delay_s(0, jitter=0.0), finishing.delay_s(0, jitter=0.0)) == (0, 20)


def test_every_task_has_its_function(machine: Machine) -> None:
    tasks = [name for name, state in machine.states.items() if state["Type"] == "Task"]
    assert {machine.function(task) for task in tasks} == set(FUNCTIONS.values())


def test_every_state_of_the_file_is_played_in_some_scenario(played_in: World) -> None:
    visited: set[str] = set()
    for course in courses():
        played_in.play(Cell(*course))
        visited |= {state for states in played_in.workflow.visited.values() for state in states}
    assert visited == set(played_in.machine.states)


def test_a_clip_that_cannot_be_fetched_at_once_waits(played_in: World, cells: list[Cell]) -> None:
    found = (
        cell
        for cell in cells
        if cell.fault and ".mp4" in cell.fault.label and cell.fault.kind == "error"
    )
    assert play(played_in, next(found)).state == "delivered"
    states = [state for states in played_in.workflow.visited.values() for state in states]
    assert "Wait to finalize" in states


# --- one execution, with functions that answer as told ------------------------------------------


def resumed(word: Any = None, **answers: list[Reply]) -> Played:
    return Played({"job_id": "x", "resume": word}, answers)


def test_a_resumed_execution_begins_with_a_poll() -> None:
    assert resumed({}).visited[:3] == ["Start", "New or resumed?", "Poll"]
    assert Played().visited[:3] == ["Start", "New or resumed?", "Wait for a slot"]


def test_only_the_first_poll_of_a_resumed_execution_gets_the_resume() -> None:
    word = {"provider_job_id": "order"}
    played = resumed(word, poll=[answer("wait")])
    played.timeline.run()
    assert [payload["resume"] for payload in played.payloads["poll"]] == [word, None]
    assert [payload["may_order"] for payload in played.payloads["poll"]] == [False, False]


@pytest.mark.parametrize("word", [{}, None])
def test_a_resumed_execution_goes_nowhere_but_to_its_end_when_told_to_order(word: Any) -> None:
    played = resumed(word, poll=[answer("again")])
    played.timeline.run()
    assert played.visited[2:5] == ["Poll", "Clip ready?", "Finalize"]


def test_an_input_of_job_and_resume_is_enough() -> None:
    played = resumed({})
    played.timeline.run()
    (last,) = played.payloads["finalize"]
    assert last.pop("execution_id") == played.execution.arn
    assert last == {"job_id": "x", "run": 0, "polls": 1, "fetches": 0, "accident": ""}


def test_an_execution_without_a_job_fails() -> None:
    assert Played({"resume": {}}).execution.error == QueryError.name


def test_the_variables_count_what_was_tried() -> None:
    played = Played(
        {"job_id": "x", "run": 2},
        {
            "generate": [answer("wait"), Reply(error="Boom"), answer("accepted")],
            "poll": [answer("again"), answer("wait"), answer("ready")],
            "finalize": [answer("wait"), answer("wait"), answer("delivered")],
        },
    ).to_the_end()
    assert [payload["tries"] for payload in played.payloads["generate"]] == [0, 1, 2]
    assert [payload["tries"] for payload in played.payloads["poll"]] == [2, 3, 3]
    assert [payload["polls"] for payload in played.payloads["finalize"]] == [3, 3, 3]
    assert [payload["run"] for payload in played.payloads["finalize"]] == [2, 2, 2]
    assert [payload["fetches"] for payload in played.payloads["finalize"]] == [0, 1, 2]
    assert played.execution.status == "SUCCEEDED"


def test_what_a_poll_has_seen_is_kept_until_another_one_says_more() -> None:
    said = [answer("wait", searches=1), answer("wait", pending_at="now"), answer("wait")]
    played = Played(answers={"generate": [answer("search")], "poll": said}).to_the_end()
    kept = [(payload["searches"], payload["pending_at"]) for payload in played.payloads["poll"]]
    assert kept == [(0, ""), (1, ""), (1, "now"), (1, "now")]


def test_what_a_function_returns_is_no_variable() -> None:
    said = [answer("wait", fetches=0, run=9, job_id="y", accident="none"), answer("wait")]
    played = Played(answers={"finalize": said}).to_the_end()
    last = played.payloads["finalize"][-1]
    expected = {"job_id": "x", "run": 0, "fetches": 2, "accident": ""}
    assert {name: last[name] for name in expected} == expected


def test_a_lost_answer_of_generate_is_polled_for_and_kept_for_the_end() -> None:
    played = Played(answers={"generate": [Reply(error="Boom", cause="why")]})
    played.wake(played.tokens[0])
    begun = played.clock.now()
    assert played.visited[-1] == "Wait to poll"
    played.timeline.run(begun + 29)
    assert "poll" not in played.payloads
    played.timeline.run(begun + 30)
    assert played.visited[-1] == "Not delivered"
    assert played.payloads["finalize"][0]["accident"] == "Boom"


@pytest.mark.parametrize("step", ["slot", "poll"])
def test_an_error_that_stays_is_kept_for_the_end(step: str) -> None:
    failing = {step: [Reply(error="Boom")] * 999, "generate": [answer("accepted")]}
    played = Played(answers=failing)
    a_week_later = played.clock.now() + 7 * 86_400
    played.timeline.run(a_week_later) if step == "slot" else played.to_the_end()
    assert played.payloads["finalize"][0]["accident"] == "Boom"
    assert played.execution.error == "end"


def test_an_answer_that_cannot_be_read_fails_its_task() -> None:
    played = Played(answers={"generate": [Reply({"outcome": "accepted"})]}).to_the_end()
    assert played.execution.error == QueryError.name  # nobody said how long to wait
    said = {"finalize": [Reply({"outcome": "ended", "error": 1, "cause": ""})]}
    assert Played(answers=said).to_the_end().execution.error == QueryError.name


# --- tasks that wait for their token -----------------------------------------------------------


def test_a_task_with_a_token_ends_when_the_token_is_sent_back() -> None:
    parked = Played()
    assert parked.visited[-1] == "Wait for a slot"
    assert parked.wake(parked.tokens[0])
    assert "Generate" in parked.visited
    assert parked.workflow.longest_wait_s == 1
    assert not parked.wake(parked.tokens[0])


def test_an_attempt_that_failed_takes_its_token_with_it() -> None:
    parked = Played(answers={"slot": [Reply(error="Boom")]})
    parked.timeline.run(parked.clock.now() + 60)
    first, second = parked.tokens
    assert not parked.wake(first)
    assert parked.wake(second)
    assert "Generate" in parked.visited


def test_a_wait_for_a_token_ends_after_the_definitions_timeout() -> None:
    parked = Played()
    parked.timeline.run()
    assert parked.visited[2:4] == ["Wait for a slot", "Finalize"]
    assert parked.payloads["finalize"][0]["accident"] == "States.Timeout"
    assert parked.workflow.longest_wait_s == 172800
    assert not parked.wake(parked.tokens[0])


def test_a_stopped_execution_waits_no_more() -> None:
    parked = Played()
    parked.workflow.end(parked.execution, "ABORTED")
    assert not parked.wake(parked.tokens[0])
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


def test_digests_are_on_as_in_the_template() -> None:
    parameters = template()["Parameters"]
    assert parameters["DigestAbove"]["Default"] == DIGEST_ABOVE
