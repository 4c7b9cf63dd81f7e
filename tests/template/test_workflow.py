"""The state machine: bounded, never silent, and never paying twice."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
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
from tests.support.stack import GONE, Document, Rule, functions, names_in, spoilt
from tests.support.stack import template as load_template
from tests.support.stack import workflow as load

TASKS = {
    "Wait for a slot": "SlotFunction",
    "Generate": "GenerateFunction",
    "Poll": "PollFunction",
    "Finalize": "FinalizeFunction",
}
NEVER_STARTED = ["Lambda.TooManyRequestsException"]
WEEK_S = 7 * 86_400


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
    retries = workflow["States"]["Generate"].get("Retry", [])
    return [str(one["ErrorEquals"]) for one in retries if one["ErrorEquals"] != NEVER_STARTED]


def ended_by_throttling(workflow: Document) -> list[str]:
    """Every task first waits for room in Lambda, with jitter, for as long as an execution lives."""
    return [name for name, task in states(workflow, "Task").items() if not _is_patient(task)]


def _is_patient(task: Document) -> bool:
    first: Document = next(iter(task.get("Retry", [])), {})
    longest = first.get("MaxDelaySeconds", 0)
    return bool(
        first.get("ErrorEquals") == NEVER_STARTED
        and first.get("JitterStrategy") == "FULL"
        and 300 <= longest <= 900
        and first["MaxAttempts"] * longest / 2 > 0.9 * WEEK_S
    )


def giving_up_at_once(workflow: Document) -> list[str]:
    """Steps that are safe to repeat are repeated after any error, with pauses that grow."""
    wrong = []
    for name, task in states(workflow, "Task").items():
        for retry in task.get("Retry", [{}])[1:]:
            growing = retry.get("BackoffRate", 1) > 1
            # "Finalize" must outwait a lease, which jitter could cut short.
            spread = name == "Finalize" or retry.get("JitterStrategy") == "FULL"
            if not growing or not spread or "MaxDelaySeconds" not in retry:
                wrong.append(name)
        errors = [error for retry in task.get("Retry", [])[1:] for error in retry["ErrorEquals"]]
        # Who stands in line long enough is not put in line again.
        wanted = ["States.TaskFailed"] if name == "Wait for a slot" else ["States.ALL"]
        if name != "Generate" and errors != wanted:
            wrong.append(name)
    return wrong


# After trouble with the paid call the ledger knows how far it came: the next step looks there.
AFTER_TROUBLE = {
    "Wait for a slot": "Finalize",
    "Generate": "Wait to poll",
    "Poll": "Finalize",
}


def ending_silently(workflow: Document) -> list[str]:
    """Whatever goes wrong before the end leads, in the end, to the state that tells people."""
    ways = {
        name: [(one["ErrorEquals"], one["Next"]) for one in task.get("Catch", [])]
        for name, task in states(workflow, "Task").items()
        if name != "Finalize"
    }
    return [name for name in ways if ways[name] != [(["States.ALL"], AFTER_TROUBLE.get(name))]]


def losing_the_reason(workflow: Document) -> list[str]:
    """What was caught is kept in the variable that is passed to the last function.

    Where a wait follows, the time to wait is put out.
    """
    return [
        name
        for name, task in states(workflow, "Task").items()
        for catch in task.get("Catch", [])
        if catch.get("Assign", {}).get("accident") != "{% $states.errorOutput.Error %}"
        or (
            catch["Next"] in states(workflow, "Wait")
            and "wait_seconds" not in catch.get("Output", {})
        )
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
        "Wait for a slot": _fields(SlotEvent),
        "Generate": _fields(GenerateEvent),
        "Poll": _fields(PollEvent),
        "Finalize": _fields(FinalizeEvent) - {"late", "resumed"},  # EventBridge's alone
    }
    given = {name: set(workflow["States"][name]["Arguments"]["Payload"]) for name in TASKS}
    return [name for name in TASKS if given[name] != taken[name]]


def _fields(event: Any) -> set[str]:
    return {field.name for field in fields(event)}


# What the functions answer, and which of these words need no condition of their own.
ANSWERED: dict[str, tuple[str, Any, set[str]]] = {
    "Generate": ("Order accepted?", GenerateOutcome, {"ended"}),
    "Poll": ("Clip ready?", PollOutcome, {"ready", "ended"}),
    "Finalize": ("Clip delivered?", FinalizeOutcome, {"ended", "superseded"}),
}


def misunderstanding(workflow: Document) -> list[str]:
    """Choices that do not know every answer of the function before them, or know others."""
    wrong = []
    for task, (choice, outcomes, otherwise) in ANSWERED.items():
        conditions = [one["Condition"] for one in workflow["States"][choice].get("Choices", [])]
        known = {word for text in conditions for word in re.findall(r"'(\w+)'", text)}
        follows = workflow["States"][task]["Next"] == choice
        if not follows or known | otherwise != answers(outcomes) or known & otherwise:
            wrong.append(choice)
    return wrong


def answers(outcomes: Any) -> set[str]:
    """The words that these outcomes give as `outcome`."""
    return {kind.outcome for kind in get_args(outcomes)}


def waiting_for_a_fixed_time(workflow: Document) -> list[str]:
    """How long to wait is in the data: the code knows the provider's pace, and its wishes."""
    wanted = "{% $states.input.wait_seconds %}"
    waits = states(workflow, "Wait")
    return [name for name, wait in waits.items() if wait.get("Seconds") != wanted]


GENERATE = ("States", "Generate")
POLL = ("States", "Poll")
FINALIZE = ("States", "Finalize")
READY = ("States", "Clip ready?")
SPOILT: list[tuple[Rule, tuple[str | int, ...], Any]] = [
    (without_timeout, ("TimeoutSeconds",), GONE),
    (without_timeout, (*GENERATE, "TimeoutSeconds"), GONE),
    (shorter_than_their_functions, (*FINALIZE, "TimeoutSeconds"), 840),
    (shorter_than_their_functions, (*POLL, "TimeoutSeconds"), 59),
    (without_default, (*READY, "Default"), GONE),
    (paying_twice, (*GENERATE, "Retry", 0, "ErrorEquals"), ["States.ALL"]),
    (paying_twice, (*GENERATE, "Retry", 0, "ErrorEquals"), ["States.TaskFailed"]),
    (paying_twice, (*GENERATE, "Retry", 0, "ErrorEquals"), [*NEVER_STARTED, "States.Timeout"]),
    (giving_up_at_once, (*POLL, "Retry"), GONE),
    (giving_up_at_once, (*FINALIZE, "Retry"), []),
    (giving_up_at_once, (*FINALIZE, "Retry", 1, "BackoffRate"), 1),
    (giving_up_at_once, (*POLL, "Retry", 1, "JitterStrategy"), GONE),
    (ended_by_throttling, (*GENERATE, "Retry", 0, "JitterStrategy"), GONE),
    (ended_by_throttling, (*POLL, "Retry", 0, "MaxAttempts"), 8),
    (ended_by_throttling, (*FINALIZE, "Retry", 0), GONE),
    (ending_silently, (*GENERATE, "Catch"), GONE),
    (ending_silently, (*POLL, "Catch", 0, "ErrorEquals"), ["States.Timeout"]),
    (ending_silently, (*POLL, "Catch", 0, "Next"), "Not delivered"),
    (losing_the_reason, (*POLL, "Catch", 0, "Assign"), GONE),
    (leading_nowhere, ("States", "Wait to poll", "Next"), "Polls"),
    (leading_nowhere, ("States", "Another"), {"Type": "Succeed"}),
    (substituted, (*GENERATE, "Arguments", "FunctionName"), "${SubmitFunctionArn}"),
    (substituted, (*GENERATE, "Arguments", "FunctionName"), "ask"),
    (calling_somebody_else, (*GENERATE, "Arguments", "FunctionName"), "${PollFunctionArn}"),
    (passing_other_things, (*FINALIZE, "Arguments", "Payload", "polls"), GONE),
    (
        passing_other_things,
        (*GENERATE, "Arguments", "Payload", "prompt"),
        "{% $states.input.prompt %}",
    ),
    (passing_other_things, (*POLL, "Arguments", "Payload", "searches"), GONE),
    (losing_the_reason, (*GENERATE, "Catch", 0, "Output"), GONE),
    (losing_the_reason, (*GENERATE, "Catch", 0, "Assign", "accident"), "an error"),
    (misunderstanding, ("States", "Order accepted?", "Choices", 1), GONE),
    (
        misunderstanding,
        (*READY, "Choices", 0, "Condition"),
        "{% $states.input.outcome = 'waiting' %}",
    ),
    (misunderstanding, (*POLL, "Next"), "Finalize"),
    (waiting_for_a_fixed_time, ("States", "Wait to poll", "Seconds"), 10),
]


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, *_ in SPOILT))
def test_the_workflow_breaks_no_rule(workflow: Document, rule: Rule) -> None:
    assert rule(workflow) == []


@pytest.mark.parametrize(("rule", "path", "to"), SPOILT)
def test_a_workflow_that_breaks_a_rule_is_found(
    rule: Rule, path: tuple[str | int, ...], to: Any
) -> None:
    assert rule(spoilt(load(), *path, to=to)) != []


def test_the_tasks_are_the_four_functions(workflow: Document) -> None:
    assert workflow["QueryLanguage"] == "JSONata"
    assert set(states(workflow, "Task")) == set(TASKS)
    assert len(states(workflow, "Choice")) == 4
    assert len(states(workflow, "Wait")) == 3
    assert list(states(workflow, "Pass")) == [workflow["StartAt"]]
    assert len(states(workflow, "Fail")) == len(states(workflow, "Succeed")) == 1


def test_only_a_new_job_waits_for_a_slot(workflow: Document) -> None:
    ways = [
        (name, one["Condition"])
        for name, state in states(workflow, "Choice").items()
        for one in state["Choices"]
        if one["Next"] in ("Wait for a slot", "Wait to generate")
    ]
    assert ways == [
        ("New or resumed?", "{% $may_order %}"),
        ("Order accepted?", "{% $states.input.outcome = 'wait' %}"),
        ("Clip ready?", "{% $states.input.outcome = 'again' and $may_order %}"),
    ]


def test_the_paid_call_follows_only_on_an_answer_that_nothing_was_made(workflow: Document) -> None:
    def before(wanted: str) -> list[str]:
        return [name for name, state in states(workflow).items() if wanted in targets(state)]

    assert before("Generate") == ["Wait for a slot"]
    assert before("Wait for a slot") == ["New or resumed?", "Wait to generate"]
    assert before("Wait to generate") == ["Order accepted?", "Clip ready?"]
    assert {"Wait for a slot", "Wait to generate"}.isdisjoint(
        state["Default"] for state in states(workflow, "Choice").values()
    )


def test_each_substitution_is_the_function_of_its_name() -> None:
    machine = load_template()["Resources"]["RenderStateMachine"]["Properties"]
    given = machine["DefinitionSubstitutions"]
    assert {name: list(names_in(arn)) for name, arn in given.items()} == {
        f"{function}Arn": [function] for function in TASKS.values()
    }
