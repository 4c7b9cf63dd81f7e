"""A new account runs ten functions at once: a folder of 60 images is delivered all the same.

Plays the workflow's own file with its retries, the real plan of polling, and a Lambda that
refuses what is too much. What the functions do is replaced by how long they take.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from dropreel.providers.catalog import CATALOG
from dropreel.waiting.runtimes import JobKind, Runtimes
from dropreel.waiting.schedule import Schedule
from local.faults.asl import Machine
from local.faults.provider import Clock
from local.faults.services import Execution, StepFunctions
from local.faults.timeline import Timeline
from local.faults.wire import Invocation, Reply
from local.faults.workflow import Workflow
from tests.support.stack import template

FOLDER = 60
ENOUGH = 1000  # what accounts usually have
THROTTLED = Reply(error="Lambda.TooManyRequestsException")
LUMA = Runtimes(JobKind("luma", "720p", "5s"), {})
_INGEST = template()["Resources"]["SubmitFunction"]["Properties"]["Events"]["Ingest"]
OTHERS = _INGEST["Properties"]["ScalingConfig"]["MaximumConcurrency"]  # they submit drops
SECONDS = {"slot": 0.5, "generate": 3.0, "finalize": 6.0}


class Passing:
    """The providers of a timeline on which nothing but time passes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def advance(self, seconds: float) -> None:
        self._clock.advance(seconds)


@dataclass
class Account:
    """Lambda with a quota, and a provider with slots, on a clock of their own."""

    quota: int
    makes_room: bool = True  # whether polls of a crowded execution do not watch
    clock: Clock = field(default_factory=Clock)
    running: list[float] = field(default_factory=list)  # when each running function ends
    tokens: list[str] = field(default_factory=list)
    held: int = 0
    ready_at: dict[str, float] = field(default_factory=dict)
    ended: dict[str, tuple[str, float]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = random.Random(7)  # noqa: S311 - the same play each time
        self.clock.restart(datetime(2026, 11, 20, tzinfo=UTC))
        self.timeline = Timeline(self.clock, Passing(self.clock))  # type: ignore[arg-type]
        self.service = StepFunctions(self.clock.moment, lambda execution: None)
        self.workflow = Workflow(
            Machine.read(), self.timeline, self.service, self.invoke, self._note_end
        )

    def deliver(self, jobs: int) -> None:
        """Start that many executions at the pace of the queue, and play all to their ends."""
        for number in range(jobs):
            name = f"job-{number}"
            given = f'{{"job_id": "{name}", "run": 1}}'
            execution = Execution(name, name, given, self.clock.moment())
            self.timeline.after(number / OTHERS, partial(self.workflow.start, execution))
        self.begun = self.clock.now()
        self.timeline.run()

    def invoke(self, invocation: Invocation) -> Reply:
        now = self.clock.now()
        while self.running and self.running[0] <= now:
            heapq.heappop(self.running)
        self.workflow.jitter = self.random.random()
        if len(self.running) >= self.quota:
            self.calls["throttled"] += 1
            return THROTTLED
        self.calls[invocation.function] += 1
        reply: Reply = getattr(self, f"_{invocation.function}")(invocation.event)
        heapq.heappush(self.running, now + reply.seconds)
        return reply

    def _slot(self, event: dict[str, Any]) -> Reply:
        self.tokens.append(event["token"])
        self.timeline.after(SECONDS["slot"], self._serve)
        return Reply(value={}, seconds=SECONDS["slot"])

    def _serve(self) -> None:
        while self.tokens and self.held < CATALOG["luma"].limit.jobs:
            self.held += 1
            self.service.send_task_success(taskToken=self.tokens.pop(0), output='{"ask_at": 0}')

    def _generate(self, event: dict[str, Any]) -> Reply:
        asked_at = self.clock.now() + SECONDS["generate"]
        self.ready_at[event["job_id"]] = asked_at + self.random.lognormvariate(4.3, 0.4)
        self.ready_at[f"asked-{event['job_id']}"] = asked_at
        return _answer("accepted", SECONDS["generate"], wait_seconds=20)

    def _poll(self, event: dict[str, Any]) -> Reply:
        now, ready = self.clock.now(), self.ready_at[event["job_id"]]
        waited = now - self.ready_at[f"asked-{event['job_id']}"]
        shy = event["crowded"] and self.makes_room
        plan = Schedule(LUMA, now_s=waited, deadline_s=3600, longest_watch_s=0 if shy else 40)
        watched = plan.watch_s(waited)
        if ready > now + watched:
            waits = plan.wait_s(waited + watched)
            return _answer("wait", 1 + watched, wait_seconds=waits, pending_at="then")
        seconds = 1 + max(0.0, ready - now)
        self.held -= 1
        self.timeline.after(seconds, self._serve)
        return _answer("ready", seconds)

    def _finalize(self, event: dict[str, Any]) -> Reply:
        outcome = "ended" if event["accident"] else "delivered"
        return _answer(outcome, SECONDS["finalize"], error="accident", cause=event["accident"])

    def _note_end(self, execution: Execution) -> None:
        self.ended[execution.name] = (execution.status, self.clock.now() - self.begun)

    @property
    def took_s(self) -> float:
        return max(at for _, at in self.ended.values())

    @property
    def ends(self) -> Counter[str]:
        return Counter(status for status, _ in self.ended.values())


def _answer(outcome: str, seconds: float, **more: Any) -> Reply:
    return Reply(value={"outcome": outcome, **more}, seconds=seconds)


def played(quota: int, *, makes_room: bool = True) -> Account:
    account = Account(quota, makes_room)
    account.deliver(FOLDER)
    return account


@pytest.fixture(scope="module")
def small() -> Account:
    return played(10 - OTHERS)


def test_throttling_ends_no_job(small: Account) -> None:
    assert small.calls["throttled"] > 0
    assert small.ends == {"SUCCEEDED": FOLDER}


def test_a_folder_in_a_small_account_takes_less_than_twice_as_long(small: Account) -> None:
    assert small.took_s < 2 * played(ENOUGH).took_s


def test_polls_that_do_not_watch_leave_room_for_others(small: Account) -> None:
    watching = played(10 - OTHERS, makes_room=False)
    assert small.calls["throttled"] < watching.calls["throttled"]


def test_where_there_is_room_nothing_is_throttled() -> None:
    account = played(ENOUGH)
    assert account.calls["throttled"] == 0
    assert account.ends == {"SUCCEEDED": FOLDER}
