"""Plays executions of the workflow: state by state, with the file's retries, catches, waits and
variables."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from local.faults.asl import Exit, Machine, Retry
from local.faults.query import Names, QueryError, evaluated_as
from local.faults.services import Execution, StepFunctions
from local.faults.timeline import Timeline
from local.faults.wire import Invocation, Reply

Invoke = Callable[[Invocation], Reply]
_FEW, _LEAST_OF_MANY = 2, 0.4


@dataclass
class Workflow:
    """All executions of one play. `jitter` is the share of a retry's delay that is waited."""

    machine: Machine
    timeline: Timeline
    service: StepFunctions
    invoke: Invoke
    on_end: Callable[[Execution], None]
    jitter: float = 1.0
    visited: dict[str, list[str]] = field(default_factory=dict)
    longest_wait_s: float = 0.0  # of all tasks for their tokens
    _runs: dict[str, _Run] = field(default_factory=dict)

    def start(self, execution: Execution) -> None:
        """Begin a new execution as soon as everything of this moment is done."""
        self.visited[execution.arn] = []
        given = json.loads(execution.input)
        out_of_time = self.timeline.now() + self.machine.timeout_s
        run = _Run(self, execution, given, self.machine.start, out_of_time)
        self._runs[execution.arn] = run
        self.timeline.after(0, run.step)

    def end(self, execution: Execution, status: str, error: str = "") -> None:
        if not execution.running:
            return
        execution.status, execution.error = status, error
        execution.ended_at = self.timeline.moment()
        self._runs[execution.arn].wait_no_more()
        self.on_end(execution)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An attempt of a task that waits for its token."""

    token: str
    since: float
    alarm: int  # the timeline's number of its timeout


@dataclass
class _Run:
    """How far one execution is."""

    workflow: Workflow
    execution: Execution
    data: Any  # the input of the present state
    state: str
    out_of_time: float
    variables: dict[str, Any] = field(default_factory=dict)
    retried: Counter[tuple[str, ...]] = field(default_factory=Counter)
    waiting: _Waiting | None = None
    attempt: object = None  # the one whose answer is listened to

    def step(self) -> None:
        """Play the present state; a Wait, a task's duration or a retry's pause ends the step."""
        if not self.execution.running:
            return
        if self.workflow.timeline.now() >= self.out_of_time:
            self.workflow.end(self.execution, "TIMED_OUT")
            return
        self.workflow.visited[self.execution.arn].append(self.state)
        try:
            self._play(self.workflow.machine.states[self.state])
        except QueryError:
            self.workflow.end(self.execution, "FAILED", QueryError.name)

    def _play(self, spec: Mapping[str, Any]) -> None:
        machine, names = self.workflow.machine, self._names()
        match spec["Type"]:
            case "Pass":
                self._leave(machine.exit(self.state), names, self.data)
            case "Choice":
                self._leave(machine.choose(self.state, names), names, self.data)
            case "Wait":
                seconds = _not_negative(evaluated_as(int, spec["Seconds"], names))
                self._leave(machine.exit(self.state), names, self.data, seconds)
            case "Task":
                self._task()
            case "Succeed":
                self.workflow.end(self.execution, "SUCCEEDED")
            case "Fail":
                error, _ = (evaluated_as(str, spec[name], names) for name in ("Error", "Cause"))
                self.workflow.end(self.execution, "FAILED", error)
            case other:
                raise ValueError(f"states of type {other} are not played yet: {self.state}")

    def wait_no_more(self) -> None:
        """From now on nobody listens to the token of this attempt."""
        if self.waiting:
            waited = self.workflow.timeline.now() - self.waiting.since
            self.workflow.longest_wait_s = max(self.workflow.longest_wait_s, waited)
            self.workflow.service.end_task(self.waiting.token)
            self.workflow.timeline.cancel(self.waiting.alarm)
            self.waiting = None

    def _names(self, **seen: Any) -> Names:
        """What the expressions of the present state may refer to."""
        context: dict[str, Any] = {
            "Execution": {"Id": self.execution.arn},
            "State": {"RetryCount": sum(self.retried.values())},
        }
        if self.waiting:
            context["Task"] = {"Token": self.waiting.token}
        return {**self.variables, "states": {"input": self.data, "context": context, **seen}}

    def _leave(self, way: Exit, names: Names, default: Any, seconds: float = 0.0) -> None:
        """Go on: `Output` and `Assign` are evaluated by the old values, then both take effect."""
        output, assigned = way.output(names, default), way.assigned(names)
        self.data = output
        self.variables.update(assigned)
        self.state = way.to
        self.retried.clear()
        self._later(seconds)

    def _later(self, seconds: float) -> None:
        """Go on after so many seconds, or end where the machine's time is over before."""
        left = self.out_of_time - self.workflow.timeline.now()
        self.workflow.timeline.after(min(seconds, left), self.step)

    # --- tasks ----------------------------------------------------------------------------------

    def _task(self) -> None:
        machine, self.attempt = self.workflow.machine, object()
        hear = partial(self._hear, self.attempt)
        if machine.waits_for_token(self.state):
            self.waiting = self._begin_waiting()
            hear = partial(self._hear_start, self.waiting)
        try:
            payload = machine.payload(self.state, self._names())
        except QueryError as error:
            hear(_reply(error))
            return
        function = machine.function(self.state)
        invocation = Invocation(function, payload, self.execution.arn, hear=hear)
        reply = self.workflow.invoke(invocation)
        if not invocation.unheard:
            hear(reply)

    def _begin_waiting(self) -> _Waiting:
        timeline, spec = self.workflow.timeline, self.workflow.machine.states[self.state]
        token = self.workflow.service.begin_task(self._hear_word)
        left = self.out_of_time - timeline.now()
        alarm = timeline.after(min(spec["TimeoutSeconds"], left), self._waited_enough)
        return _Waiting(token, timeline.now(), alarm)

    def _hear_start(self, waiting: _Waiting, reply: Reply) -> None:
        """The function's own answer: only an error counts, and only while its token is awaited."""
        if reply.error and self.waiting is waiting:
            self.wait_no_more()
            self._failed(reply)

    def _hear_word(self, word: Any) -> None:
        """What was sent with the token is the task's result."""
        self.wait_no_more()
        self._succeeded(word, 0.0)

    def _waited_enough(self) -> None:
        self.wait_no_more()
        if self.workflow.timeline.now() >= self.out_of_time:
            self.workflow.end(self.execution, "TIMED_OUT")
        else:
            self._failed(Reply(error="States.Timeout"))

    def _hear(self, attempt: object, reply: Reply) -> None:
        """Go on with a function's answer, or with what became of it."""
        if not self.execution.running or self.attempt is not attempt:
            return  # stopped, or heard of this attempt before: nobody listens
        self.attempt = None
        spec = self.workflow.machine.states[self.state]
        if reply.seconds > spec["TimeoutSeconds"]:
            reply = Reply(error="States.Timeout", seconds=spec["TimeoutSeconds"])
        if reply.error:
            self._failed(reply)
        else:
            self._succeeded({"Payload": reply.value}, reply.seconds)

    def _succeeded(self, result: Any, seconds: float) -> None:
        way = self.workflow.machine.exit(self.state)
        try:
            self._leave(way, self._names(result=result), result, seconds)
        except QueryError as error:
            self._failed(_reply(error, seconds))

    def _failed(self, reply: Reply) -> None:
        machine = self.workflow.machine
        retry = machine.retry(self.state, reply.error)
        if retry and self.retried[retry.errors] < retry.attempts:
            delay = retry.delay_s(self.retried[retry.errors], self._jitter(retry))
            self.retried[retry.errors] += 1
            self._later(reply.seconds + delay)
            return
        way = machine.catch(self.state, reply.error)
        if way is None:
            self.workflow.end(self.execution, "FAILED", reply.error)
            return
        error = {"Error": reply.error, "Cause": reply.cause}
        try:
            self._leave(way, self._names(errorOutput=error), error, reply.seconds)
        except QueryError:
            self.workflow.end(self.execution, "FAILED", QueryError.name)

    def _jitter(self, retry: Retry) -> float:
        """Anything for the first delays; the sum of many random ones is not next to nothing."""
        jitter = self.workflow.jitter
        return jitter if self.retried[retry.errors] < _FEW else max(jitter, _LEAST_OF_MANY)


def _reply(error: QueryError, seconds: float = 0.0) -> Reply:
    """An expression that fails is an error of its task, which may be retried and caught."""
    return Reply(error=error.name, cause=str(error), seconds=seconds)


def _not_negative(seconds: int) -> int:
    if seconds < 0:
        raise QueryError(f"{seconds} seconds cannot be waited")
    return seconds
