"""The driver takes variables and expressions as Step Functions does, and no less strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import pytest

from local.faults.asl import Machine
from local.faults.query import QueryError, evaluated
from tests.conftest import ROOT
from tests.faults.played import Played


def small(**states: Mapping[str, Any]) -> Machine:
    ends = {"Good": {"Type": "Succeed"}, "Bad": {"Type": "Fail", "Error": "bad", "Cause": ""}}
    first = next(iter(states))
    return Machine({"StartAt": first, "TimeoutSeconds": 9999, "States": {**states, **ends}})


def end_of(**states: Mapping[str, Any]) -> tuple[str, str]:
    played = Played(machine=small(**states))
    played.timeline.run()
    return played.execution.status, played.execution.error


def task(**more: Any) -> dict[str, Any]:
    arguments = {"FunctionName": "${PollFunctionArn}", "Payload": {}}
    spec = {"Type": "Task", "Resource": "lambda:invoke", "TimeoutSeconds": 9, "Next": "Good"}
    return {**spec, "Arguments": arguments, **more}


BROKEN = ("FAILED", QueryError.name)
UNDEFINED = "{% $states.input.nothing %}"


def test_all_of_an_assign_sees_the_old_values() -> None:
    first = {"Type": "Pass", "Assign": {"a": 1, "b": 2}, "Next": "Swap"}
    swap = {"Type": "Pass", "Assign": {"a": "{% $b %}", "b": "{% $a %}"}, "Next": "Choose"}
    swap["Output"] = {"old": "{% $a %}"}
    rule = {"Condition": "{% [$a, $b, $states.input.old] = [2, 1, 1] %}", "Next": "Good"}
    choose = {"Type": "Choice", "Choices": [rule], "Default": "Bad"}
    assert end_of(First=first, Swap=swap, Choose=choose) == ("SUCCEEDED", "")


@pytest.mark.parametrize("chosen", [True, False])
def test_a_choice_assigns_and_puts_out_by_the_rule_that_it_took(chosen: bool) -> None:
    rule = {"Condition": chosen, "Assign": {"a": True}, "Output": True, "Next": "Check"}
    choose = {"Type": "Choice", "Choices": [rule], "Assign": {"a": False}, "Output": False}
    right = {"Condition": f"{{% [$a, $states.input] = [{chosen}, {chosen}] %}}".lower()}
    check = {"Type": "Choice", "Choices": [{**right, "Next": "Good"}], "Default": "Bad"}
    assert end_of(Choose={**choose, "Default": "Check"}, Check=check) == ("SUCCEEDED", "")


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Pass", "Assign": {"a": UNDEFINED}, "Next": "Good"},
        {"Type": "Pass", "Output": [{"a": UNDEFINED}], "Next": "Good"},
        {"Type": "Pass", "Output": "{% $states.result %}", "Next": "Good"},
        {"Type": "Wait", "Seconds": UNDEFINED, "Next": "Good"},
        {"Type": "Wait", "Seconds": -1, "Next": "Good"},
        {"Type": "Wait", "Seconds": "{% 1 / 2 %}", "Next": "Good"},
        {"Type": "Fail", "Error": UNDEFINED, "Cause": ""},
        {"Type": "Fail", "Error": "bad", "Cause": UNDEFINED},
        {"Type": "Choice", "Choices": [{"Condition": UNDEFINED, "Next": "Good"}], "Default": "Bad"},
        {"Type": "Choice", "Choices": [{"Condition": "{% 1 %}", "Next": "Good"}], "Default": "Bad"},
        task(Output="{% $states.errorOutput %}"),
        task(Assign={"a": "{% $nobody %}"}),
        task(Arguments={"FunctionName": "${PollFunctionArn}", "Payload": {"a": UNDEFINED}}),
    ],
    ids=str,
)
def test_an_expression_without_a_fitting_result_fails_its_state(state: dict[str, Any]) -> None:
    assert end_of(State=state) == BROKEN


@pytest.mark.parametrize("more", [{"Assign": {"a": UNDEFINED}}, {"Output": "{% $nobody %}"}])
def test_a_failed_expression_of_a_task_can_be_caught(more: dict[str, Any]) -> None:
    caught = {"ErrorEquals": [QueryError.name], "Next": "Bad"}
    assert end_of(State=task(**more, Catch=[caught])) == ("FAILED", "bad")
    assert end_of(State=task(**more, Catch=[{**caught, **more}])) == BROKEN


def test_what_is_assigned_when_an_expression_fails_stays_as_it_was() -> None:
    caught = {"ErrorEquals": ["States.ALL"], "Next": "Check"}
    broken = task(Assign={"a": 2}, Output=UNDEFINED, Catch=[caught])
    rule = {"Condition": "{% $a = 1 %}", "Next": "Good"}
    check = {"Type": "Choice", "Choices": [rule], "Default": "Bad"}
    first = {"Type": "Pass", "Assign": {"a": 1}, "Next": "State"}
    assert end_of(First=first, State=broken, Check=check) == ("SUCCEEDED", "")


def test_without_an_output_the_result_or_the_error_is_put_out() -> None:
    caught = {"ErrorEquals": ["States.ALL"], "Next": "Check"}
    rule = {"Condition": "{% $states.input.Error = 'States.QueryEvaluationError' %}"}
    check = {"Type": "Choice", "Choices": [{**rule, "Next": "Good"}], "Default": "Bad"}
    assert end_of(State=task(Output=UNDEFINED, Catch=[caught]), Check=check)[0] == "SUCCEEDED"
    rule = {"Condition": "{% $states.input.Payload.outcome = 'ended' %}"}
    check = {"Type": "Choice", "Choices": [{**rule, "Next": "Good"}], "Default": "Bad"}
    assert end_of(State=task(Next="Check"), Check=check)[0] == "SUCCEEDED"


# --- expressions --------------------------------------------------------------------------------


def test_null_is_a_result_and_undefined_is_none() -> None:
    assert evaluated("{% $a %}", {"a": None}) is None
    assert evaluated("{% $a.b %}", {"a": {"b": None}}) is None
    assert evaluated("{% $a %}", {"a": {"b": None}}) == {"b": None}
    assert evaluated("{% $exists($a.b) ? [$a.b, null] : 0 %}", {"a": {"b": None}}) == [None, None]
    with pytest.raises(QueryError, match=r"\$a.c: undefined"):
        evaluated("{% $a.c %}", {"a": {"b": None}})


@pytest.mark.parametrize("text", ["input", "$", "$$", "$nobody", "$nobody()", "1 + 'a'"])
def test_an_expression_sees_nothing_but_what_it_is_given(text: str) -> None:
    with pytest.raises(QueryError):
        evaluated(f"{{% {text} %}}", {"states": {"input": {"input": 1}}})


def test_only_what_is_an_expression_as_a_whole_is_evaluated() -> None:
    plain = {"a": "{% 1 %} ", "b": ["$a", 2, None, True], "c": {}}
    assert evaluated(plain, {}) == plain
    assert evaluated({"a": ["{%1%}"]}, {}) == {"a": [1]}


def test_expressions_are_run_by_the_engine_of_the_embedded_aws() -> None:
    files = [ROOT / "requirements" / name for name in ("dev.txt", "embedded-aws.txt")]
    pins = {
        re.findall(r"^jsonata-python==\S+", file.read_text(), re.MULTILINE)[0] for file in files
    }
    assert pins == {f"jsonata-python=={version('jsonata-python')}"}
