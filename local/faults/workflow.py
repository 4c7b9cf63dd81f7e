"""Plays executions of the workflow: state by state, with the file's retries, catches and waits."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from local.faults.asl import Machine, Moment, evaluated
from local.faults.services import Execution, StepFunctions
from local.faults.timeline import Timeline
from local.faults.wire import Invocation, Reply

Invoke = Callable[[Invocation], Reply]


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
    data: dict[str, Any]
    state: str
    out_of_time: float
    retried: Counter[tuple[str, ...]] = field(default_factory=Counter)
    waiting: _Waiting | None = None

    def step(self) -> None:
        """Play the present state; a Wait, a task's duration or a retry's pause ends the step."""
        if not self.execution.running:
            return
        if self.workflow.timeline.now() >= self.out_of_time:
            self.workflow.end(self.execution, "TIMED_OUT")
            return
        self.workflow.visited[self.execution.arn].append(self.state)
        spec = self.workflow.machine.states[self.state]
        match spec["Type"]:
            case "Choice":
                self._go(self.workflow.machine.choose(self.state, self._moment()))
            case "Wait":
                seconds = evaluated(spec["Seconds"], self._moment())
                self._go(spec["Next"], max(0.0, float(seconds)))
            case "Task":
                self._task()
            case "Succeed":
                self.workflow.end(self.execution, "SUCCEEDED")
            case "Fail":
                error = evaluated(spec["Error"], self._moment())
                self.workflow.end(self.execution, "FAILED", str(error))
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

    def _moment(self, result: Any = None, error: dict[str, str] | None = None) -> Moment:
        return Moment(self.data, self.execution.arn, result, error)

    def _go(self, state: str, seconds: float = 0.0) -> None:
        self.state = state
        self.retried.clear()
        self._later(seconds)

    def _later(self, seconds: float) -> None:
        """Go on after so many seconds, or end where the machine's time is over before."""
        left = self.out_of_time - self.workflow.timeline.now()
        self.workflow.timeline.after(min(seconds, left), self.step)

    def _task(self) -> None:
        machine = self.workflow.machine
        moment, hear = self._moment(), self._hear
        if machine.waits_for_token(self.state):
            self.waiting = self._begin_waiting()
            moment = replace(moment, token=self.waiting.token)
            hear = partial(self._hear_start, self.waiting)
        payload = machine.payload(self.state, moment)
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
        spec = self.workflow.machine.states[self.state]
        self.data = evaluated(spec["Output"], self._moment(word))
        self._go(spec["Next"])

    def _waited_enough(self) -> None:
        self.wait_no_more()
        if self.workflow.timeline.now() >= self.out_of_time:
            self.workflow.end(self.execution, "TIMED_OUT")
        else:
            self._failed(Reply(error="States.Timeout"))

    def _hear(self, reply: Reply) -> None:
        """Go on with a function's answer, or with what became of it."""
        if not self.execution.running:
            return  # stopped meanwhile: nobody listens
        spec = self.workflow.machine.states[self.state]
        if reply.seconds > spec["TimeoutSeconds"]:
            reply = Reply(error="States.Timeout", seconds=spec["TimeoutSeconds"])
        if reply.error:
            self._failed(reply)
        else:
            self.data = evaluated(spec["Output"], self._moment({"Payload": reply.value}))
            self._go(spec["Next"], reply.seconds)

    def _failed(self, reply: Reply) -> None:
        machine = self.workflow.machine
        retry = machine.retry(self.state, reply.error)
        if retry and self.retried[retry.errors] < retry.attempts:
            delay = retry.delay_s(self.retried[retry.errors], self.workflow.jitter)
            self.retried[retry.errors] += 1
            self._later(reply.seconds + delay)
            return
        catch = machine.catch(self.state, reply.error)
        if catch is None:
            self.workflow.end(self.execution, "FAILED", reply.error)
            return
        error = {"Error": reply.error, "Cause": reply.cause}
        self.data = evaluated(catch["Output"], self._moment(error=error))
        self._go(catch["Next"], reply.seconds)
