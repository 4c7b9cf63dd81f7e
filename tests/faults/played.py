"""One execution of a workflow whose functions answer as a test wants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from json import dumps
from typing import Any

from local.faults.asl import Machine
from local.faults.provider import Clock
from local.faults.services import MACHINE, Execution, StepFunctions
from local.faults.timeline import Timeline
from local.faults.wire import Invocation, Reply
from local.faults.workflow import Workflow


@dataclass
class Played:
    """`answers` are those of each function, in order; then it says that the job has ended."""

    given: Mapping[str, Any] = field(default_factory=lambda: {"job_id": "x"})
    answers: Mapping[str, list[Reply]] = field(default_factory=dict)
    machine: Machine = field(default_factory=Machine.read)
    clock: Clock = field(default_factory=Clock)
    payloads: dict[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock.restart(datetime(2026, 11, 20, tzinfo=UTC))
        moved: Any = self.clock
        self.timeline = Timeline(self.clock, moved)
        self.steps = StepFunctions(self.clock.moment, lambda one: self.workflow.start(one))
        self.workflow = Workflow(
            self.machine, self.timeline, self.steps, self.invoke, lambda _: None
        )
        given = dumps(self.given)
        self.steps.start_execution(stateMachineArn=MACHINE, name="photo", input=given)
        self.timeline.run(self.clock.now() + 1)

    def invoke(self, invocation: Invocation) -> Reply:
        self.payloads.setdefault(invocation.function, []).append(invocation.event)
        told = self.answers.get(invocation.function)
        if told:
            return told.pop(0)
        return Reply({"outcome": "ended", "error": "end", "cause": ""})

    def wake(self, token: str) -> bool:
        try:
            self.steps.send_task_success(taskToken=token, output='{"ask_at": 0}')
        except StepFunctions.exceptions.TaskTimedOut:
            return False
        self.timeline.run(self.clock.now())
        return True

    def to_the_end(self) -> Played:
        """Every slot is given at once."""
        while self.execution.running:
            if not self.wake(self.tokens[-1]):
                self.timeline.run(self.timeline.next_at)
        return self

    @property
    def execution(self) -> Execution:
        (execution,) = self.steps.executions
        return execution

    @property
    def tokens(self) -> list[str]:
        return [payload["token"] for payload in self.payloads["slot"]]

    @property
    def visited(self) -> list[str]:
        (states,) = self.workflow.visited.values()
        return states


def answer(outcome: str, **more: Any) -> Reply:
    return Reply({"outcome": outcome, "wait_seconds": 7, **more})
