"""The stand-in for Step Functions keeps names and tokens as AWS does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from local.faults.services import MACHINE, Execution, StepFunctions
from tests.support.stand_ins import NOW, outcome


def test_a_name_is_one_execution_until_ninety_days_after_its_end() -> None:
    clock = [NOW]
    started: list[Execution] = []
    steps = StepFunctions(lambda: clock[0], started.append)

    def start(given: str = "{}") -> str:
        answer = outcome(
            lambda: steps.start_execution(stateMachineArn=MACHINE, name="photo", input=given)
        )
        return str(answer if isinstance(answer, str) else answer["executionArn"])

    first = start()
    assert start() == first  # still running, and the same input
    assert start('{"another": 1}') == "ExecutionAlreadyExists"
    started[0].status, started[0].ended_at = "SUCCEEDED", NOW
    assert start() == "ExecutionAlreadyExists"
    clock[0] += timedelta(days=91)
    assert start() == first
    assert len(started) == 2
    unknown = outcome(lambda: steps.describe_execution(executionArn=f"{first}-unknown"))
    assert unknown == "ExecutionDoesNotExist"


def test_a_task_token_is_accepted_once() -> None:
    steps = StepFunctions(lambda: NOW, lambda _: None)
    heard: list[Any] = []
    token, closed = steps.begin_task(heard.append), steps.begin_task(heard.append)
    steps.end_task(closed)

    def send(given: str) -> Any:
        return outcome(lambda: steps.send_task_success(taskToken=given, output='{"ask_at": 1}'))

    assert send(token) == {}
    assert heard == [{"ask_at": 1}]
    assert send(token) == send(closed) == "TaskTimedOut"
    assert send(f"{token}7") == "TaskDoesNotExist"
    assert send("made up") == "InvalidToken"
    assert heard == [{"ask_at": 1}]
