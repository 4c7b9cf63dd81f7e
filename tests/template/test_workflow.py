"""The state machine: bounded, never silent, and never paying twice."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

from dropreel.clips.transfer import MAX_ROUNDS
from dropreel.mail.once import LEASE_S
from dropreel.steps import finalize as delivery
from dropreel.steps import generate as generation
from dropreel.steps import poll as polling
from dropreel.steps.finalize import MAX_FETCHES, FinalizeEvent
from dropreel.steps.generate import Generate
from dropreel.steps.orders import MAX_TRIES
from dropreel.steps.poll import MAX_SEARCHES, Poll
from dropreel.waiting.runtimes import PROFILES
from dropreel.waiting.schedule import SEARCH_FIRST_S, busy_wait, least_gap
from tests.template.stack import GONE, Document, Rule, functions, names_in, spoilt
from tests.template.stack import template as load_template
from tests.template.stack import workflow as load

TASKS = {
    "Wait for a slot": "SlotFunction",
    "Ask provider": "GenerateFunction",
    "Look at the clip": "PollFunction",
    "Finish": "FinalizeFunction",
}
NEVER_STARTED = ["Lambda.TooManyRequestsException"]


def states(workflow: Document, kind: str = "") -> dict[str, Document]:
    found = workflow["States"].items()
    return {name: state for name, state in found if kind in ("", state["Type"])}


def without_timeout(workflow: Document) -> list[str]:
    tasks = states(workflow, "Task")
    return [name for name, task in tasks.items() if task.get("TimeoutSeconds", 0) <= 0] + (
        [] if workflow.get("TimeoutSeconds", 0) > 0 else ["the machine"]
    )


def shorter_than_their_functions(workflow: Document) -> list[str]:
    """A task that gives up first calls an accident what goes on and may succeed."""
    seconds = {name: part["Timeout"] for name, part in functions(load_template()).items()}
    return [
        name
        for name, function in TASKS.items()
        if workflow["States"][name]["TimeoutSeconds"] <= seconds[function]
    ]


def without_default(workflow: Document) -> list[str]:
    return [name for name, state in states(workflow, "Choice").items() if "Default" not in state]


def paying_twice(workflow: Document) -> list[str]:
    """The paid call is repeated only where Lambda says that the function never started."""
    retries = workflow["States"]["Ask provider"].get("Retry", [])
    return [str(one["ErrorEquals"]) for one in retries if one["ErrorEquals"] != NEVER_STARTED]


def giving_up_at_once(workflow: Document) -> list[str]:
    """Steps that are safe to repeat are repeated after any error, with pauses that grow."""
    wrong = []
    for name, task in states(workflow, "Task").items():
        for retry in task.get("Retry", [{}]):
            growing = retry.get("BackoffRate", 1) > 1
            # "Finish" must outwait a lease, which jitter could cut short.
            spread = name == "Finish" or retry.get("JitterStrategy") == "FULL"
            if not growing or not spread or "MaxDelaySeconds" not in retry:
                wrong.append(name)
        errors = [error for retry in task.get("Retry", []) for error in retry["ErrorEquals"]]
        # Who stands in line long enough is not put in line again.
        wanted = ["States.TaskFailed"] if name == "Wait for a slot" else ["States.ALL"]
        if name != "Ask provider" and errors != wanted:
            wrong.append(name)
    return wrong


# After trouble with the paid call the ledger knows how far it came: the next step looks there.
AFTER_TROUBLE = {
    "Wait for a slot": "Finish",
    "Ask provider": "Wait for the clip",
    "Look at the clip": "Finish",
}


def ending_silently(workflow: Document) -> list[str]:
    """Whatever goes wrong before the end leads, in the end, to the state that tells people."""
    ways = {
        name: [(one["ErrorEquals"], one["Next"]) for one in task.get("Catch", [])]
        for name, task in states(workflow, "Task").items()
        if name != "Finish"
    }
    return [name for name in ways if ways[name] != [(["States.ALL"], AFTER_TROUBLE.get(name))]]


def losing_the_reason(workflow: Document) -> list[str]:
    """What was caught is carried on under the name that the last state passes on.

    Where a wait follows, so is the time to wait.
    """
    return [
        name
        for name, task in states(workflow, "Task").items()
        for catch in task.get("Catch", [])
        if "'accident': $states.errorOutput" not in catch.get("Output", "")
        or (catch["Next"] in states(workflow, "Wait") and "'wait_seconds': " not in catch["Output"])
    ]


def targets(state: Document) -> Iterator[str]:
    yield from (state[key] for key in ("Next", "Default") if key in state)
    for way in (*state.get("Choices", []), *state.get("Catch", [])):
        yield way["Next"]


def leading_nowhere(workflow: Document) -> list[str]:
    """Ways to states that there are not, and states that no way leads to."""
    reached: set[str] = set()
    waiting = [workflow["StartAt"]]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += targets(workflow["States"].get(name, {}))
    return sorted(reached ^ set(workflow["States"]))


def substituted(workflow: Document) -> list[str]:
    """Names that the file wants and nobody gives, or the reverse."""
    machine = load_template()["Resources"]["RenderStateMachine"]["Properties"]
    wanted = set(re.findall(r"\$\{(\w+)\}", json.dumps(workflow)))
    return sorted(wanted ^ set(machine["DefinitionSubstitutions"]))


def calling_somebody_else(workflow: Document) -> list[str]:
    called = {
        name: task["Arguments"]["FunctionName"] for name, task in states(workflow, "Task").items()
    }
    expected = {name: f"${{{function}Arn}}" for name, function in TASKS.items()}
    return [name for name in {**called, **expected} if called.get(name) != expected.get(name)]


def passing_other_things(workflow: Document) -> list[str]:
    """Each function gets what it reads, by name."""
    taken = {
        "Wait for a slot": {"job_id", "execution_id", "token"},
        "Ask provider": _arguments(Generate.run),
        "Look at the clip": _arguments(Poll.run),
        "Finish": {field.name for field in fields(FinalizeEvent)} - {"late"},  # EventBridge's alone
    }
    given = {name: set(workflow["States"][name]["Arguments"]["Payload"]) for name in TASKS}
    return [name for name in TASKS if given[name] != taken[name]]


def _arguments(method: Any) -> set[str]:
    names = set(inspect.signature(method).parameters) - {"self", "time_left"}
    return {"execution_id" if name == "execution" else name for name in names}


# What the functions answer, and which of these words need no condition of their own.
ANSWERED: dict[str, tuple[str, Any, set[str]]] = {
    "Ask provider": ("Did the provider take it?", generation, {"ended"}),
    "Look at the clip": ("Is the clip ready?", polling, {"ready", "ended"}),
    "Finish": ("How did it end?", delivery, {"ended", "superseded"}),
}


def misunderstanding(workflow: Document) -> list[str]:
    """Choices that do not know every answer of the function before them, or know others."""
    wrong = []
    for task, (choice, module, otherwise) in ANSWERED.items():
        conditions = [one["Condition"] for one in workflow["States"][choice].get("Choices", [])]
        known = {word for text in conditions for word in re.findall(r"'(\w+)'", text)}
        follows = workflow["States"][task]["Next"] == choice
        if not follows or known | otherwise != answers(module) or known & otherwise:
            wrong.append(choice)
    return wrong


def answers(module: Any) -> set[str]:
    """The words that a module gives as `outcome`, read from its source."""
    return {
        value.value
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant)
        and key.value == "outcome"
        and isinstance(value, ast.Constant)
        and isinstance(value.value, str)
    }


def waiting_for_a_fixed_time(workflow: Document) -> list[str]:
    """How long to wait is in the data: the code knows the provider's pace, and its wishes."""
    wanted = "{% $states.input.wait_seconds %}"
    waits = states(workflow, "Wait")
    return [name for name, wait in waits.items() if wait.get("Seconds") != wanted]


ASK = ("States", "Ask provider")
LOOK = ("States", "Look at the clip")
FINISH = ("States", "Finish")
SPOILT: list[tuple[Rule, tuple[str | int, ...], Any]] = [
    (without_timeout, ("TimeoutSeconds",), GONE),
    (without_timeout, (*ASK, "TimeoutSeconds"), GONE),
    (shorter_than_their_functions, (*FINISH, "TimeoutSeconds"), 840),
    (shorter_than_their_functions, (*LOOK, "TimeoutSeconds"), 59),
    (without_default, ("States", "Is the clip ready?", "Default"), GONE),
    (paying_twice, (*ASK, "Retry", 0, "ErrorEquals"), ["States.ALL"]),
    (paying_twice, (*ASK, "Retry", 0, "ErrorEquals"), ["States.TaskFailed"]),
    (paying_twice, (*ASK, "Retry", 0, "ErrorEquals"), [*NEVER_STARTED, "States.Timeout"]),
    (giving_up_at_once, (*LOOK, "Retry"), GONE),
    (giving_up_at_once, (*FINISH, "Retry"), []),
    (giving_up_at_once, (*FINISH, "Retry", 0, "BackoffRate"), 1),
    (giving_up_at_once, (*ASK, "Retry", 0, "JitterStrategy"), GONE),
    (ending_silently, (*ASK, "Catch"), GONE),
    (ending_silently, (*LOOK, "Catch", 0, "ErrorEquals"), ["States.Timeout"]),
    (ending_silently, (*LOOK, "Catch", 0, "Next"), "Not delivered"),
    (losing_the_reason, (*LOOK, "Catch", 0, "Output"), GONE),
    (leading_nowhere, ("States", "Wait for the clip", "Next"), "Look at the clips"),
    (leading_nowhere, ("States", "Another"), {"Type": "Succeed"}),
    (substituted, (*ASK, "Arguments", "FunctionName"), "${SubmitFunctionArn}"),
    (substituted, (*ASK, "Arguments", "FunctionName"), "ask"),
    (calling_somebody_else, (*ASK, "Arguments", "FunctionName"), "${PollFunctionArn}"),
    (passing_other_things, (*FINISH, "Arguments", "Payload", "polls"), GONE),
    (passing_other_things, (*ASK, "Arguments", "Payload", "prompt"), "{% $states.input.prompt %}"),
    (passing_other_things, (*LOOK, "Arguments", "Payload", "searches"), GONE),
    (losing_the_reason, (*ASK, "Catch", 0, "Output"), "{% {'accident': $states.errorOutput} %}"),
    (misunderstanding, ("States", "Did the provider take it?", "Choices", 1), GONE),
    (
        misunderstanding,
        ("States", "Is the clip ready?", "Choices", 0, "Condition"),
        "{% $states.input.outcome = 'waiting' %}",
    ),
    (misunderstanding, (*LOOK, "Next"), "Finish"),
    (waiting_for_a_fixed_time, ("States", "Wait for the clip", "Seconds"), 10),
]


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, *_ in SPOILT))
def test_the_workflow_is_bounded_and_never_silent(workflow: Document, rule: Rule) -> None:
    assert rule(workflow) == []


@pytest.mark.parametrize(("rule", "path", "to"), SPOILT)
def test_a_workflow_that_is_not_is_noticed(
    rule: Rule, path: tuple[str | int, ...], to: Any
) -> None:
    assert rule(spoilt(load(), *path, to=to)) != []


def test_the_tasks_are_the_four_functions(workflow: Document) -> None:
    assert workflow["QueryLanguage"] == "JSONata"
    assert set(states(workflow, "Task")) == set(TASKS)
    assert len(states(workflow, "Choice")) == 4
    assert len(states(workflow, "Wait")) == 3
    assert len(states(workflow, "Fail")) == len(states(workflow, "Succeed")) == 1


def test_a_new_job_waits_for_a_slot_and_a_resumed_one_is_looked_at(workflow: Document) -> None:
    assert workflow["StartAt"] == "New or resumed?"
    first = workflow["States"]["New or resumed?"]
    assert first["Default"] == "Wait for a slot"
    assert [(one["Condition"], one["Next"]) for one in first["Choices"]] == [
        ("{% $exists($states.input.resume) %}", "Look at the clip")
    ]


def test_the_paid_call_follows_only_on_an_answer_that_nothing_was_made(workflow: Document) -> None:
    before = [name for name, state in states(workflow).items() if "Ask provider" in targets(state)]
    assert before == ["Wait for a slot"]
    ways_in = [name for name, state in states(workflow).items() if before[0] in targets(state)]
    assert ways_in == ["New or resumed?", "Wait for the provider"]
    ways = [
        (name, one["Condition"])
        for name, state in states(workflow).items()
        for one in state.get("Choices", [])
        if one["Next"] == "Wait for the provider"
    ]
    assert ways == [
        ("Did the provider take it?", "{% $states.input.outcome = 'wait' %}"),
        ("Is the clip ready?", "{% $states.input.outcome = 'again' %}"),
    ]
    others = [
        name
        for name, state in states(workflow).items()
        if state.get("Next") == "Wait for the provider"
        or any(one["Next"] == "Wait for the provider" for one in state.get("Catch", []))
    ]
    assert others == []


def test_each_substitution_is_the_function_of_its_name() -> None:
    machine = load_template()["Resources"]["RenderStateMachine"]["Properties"]
    given = machine["DefinitionSubstitutions"]
    assert {name: list(names_in(arn)) for name, arn in given.items()} == {
        f"{function}Arn": [function] for function in TASKS.values()
    }


def longest_deadline() -> int:
    return 60 * int(load_template()["Parameters"]["JobDeadlineMinutes"]["MaxValue"])


def most_orders() -> int:
    return int(load_template()["Parameters"]["MaxOrdersPerJob"]["MaxValue"])


def test_the_machines_own_timer_outlives_all_orders_of_a_job(workflow: Document) -> None:
    ask, finish = workflow["States"]["Ask provider"], workflow["States"]["Finish"]
    asking = MAX_TRIES * (busy_wait(10**9, 0) + ask["TimeoutSeconds"])
    fetching = sum(30 * 2**number + finish["TimeoutSeconds"] for number in range(MAX_FETCHES))
    fetching += MAX_ROUNDS * finish["TimeoutSeconds"]
    searching = sum(SEARCH_FIRST_S * 2**number for number in range(MAX_SEARCHES))
    line = workflow["States"]["Wait for a slot"]["TimeoutSeconds"]
    longest = line + most_orders() * (longest_deadline() + asking + searching) + fetching
    assert 86_400 < longest < workflow["TimeoutSeconds"]


# Events of one task with all its retries, and of the choice and the wait around it. Source: the
# history of executions in the Step Functions guide; 25,000 is the service's limit.
EVENTS_PER_LOOK = 5 + 5 * 3 + 2 + 2


@pytest.mark.parametrize("provider", PROFILES)
def test_all_orders_of_a_job_fit_into_one_history_even_if_every_look_needs_all_retries(
    workflow: Document, provider: str
) -> None:
    assert workflow["States"]["Look at the clip"]["Retry"][0]["MaxAttempts"] == 5
    waited, looks = 0.0, 0
    while waited < longest_deadline():
        waited += least_gap(waited, PROFILES[provider].pace_s)
        looks += 1
    orders = most_orders() * (looks + MAX_TRIES + MAX_SEARCHES)
    assert 10_000 < EVENTS_PER_LOOK * (orders + MAX_FETCHES + MAX_ROUNDS) < 25_000


def test_the_retries_of_finish_outwait_the_lease_of_a_sender_that_died(workflow: Document) -> None:
    (retry,) = workflow["States"]["Finish"]["Retry"]
    pauses = [
        min(retry["MaxDelaySeconds"], retry["IntervalSeconds"] * retry["BackoffRate"] ** number)
        for number in range(retry["MaxAttempts"])
    ]
    assert "JitterStrategy" not in retry
    assert sum(pauses) > 2 * LEASE_S
