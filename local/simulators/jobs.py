"""The jobs of all providers: what was accepted, when each is queued, running and over.

States follow from the clock, so a read is always up to date; one thread wakes when a job is due
to start, because that is when a provider fetches the image, asked or not.
"""

from __future__ import annotations

import math
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from local.simulators.clock import Clock
from local.simulators.render import ClipSpec


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self not in (State.QUEUED, State.RUNNING)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a job ends badly. `kind` is one of faults.END_KINDS; `where` names the wrong field."""

    kind: str
    message: str = ""
    code: str | None = None
    where: str = ""
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """What a provider has been asked to make, read from its own wire format.

    `spec` is None only where `problem` says why. `image` is there if it was fetched at submit.
    `start_within`: seconds after which a job that has not started fails. `file_life`: seconds
    that the file's address is good for, if the request says so.
    """

    prompt: str
    image_urls: tuple[str, ...]
    parameters: Mapping[str, object]
    spec: ClipSpec | None
    problem: Problem | None = None
    image: Path | None = None
    start_within: float | None = None
    file_life: float | None = None


@dataclass(slots=True)
class Job:
    """One accepted job. Change it only under the store's lock."""

    provider: str
    order: Order
    accepted_at: float
    queue_seconds: float
    run_seconds: float
    options: Mapping[str, str] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: State = State.QUEUED
    started_at: float | None = None
    ended_at: float | None = None
    done_at: float | None = None  # when the work was done, which may be before the job is due
    problem: Problem | None = None
    image: Path | None = None

    @property
    def due_at(self) -> float:
        if self.started_at is None:
            return self.accepted_at + self.queue_seconds
        return self.started_at + self.run_seconds

    def price_usd(self) -> float:
        """By resolution and length, as each::labs' page and Oxen's factors have it (2.1, 3.3)."""
        if self.state is not State.SUCCEEDED or self.order.spec is None:
            return 0.0
        short = min(self.order.spec.width, self.order.spec.height)
        base = 0.5 if short < 720 else 1.0 if short < 1080 else 2.0
        return base * self.order.spec.frames / 120


class JobStore:
    """All jobs. `on_start` is called when a job begins to run, and must not block."""

    def __init__(
        self, clock: Clock, max_running: Mapping[str, int], on_start: Callable[[Job], None]
    ) -> None:
        self._clock = clock
        self._max_running = max_running
        self._on_start = on_start
        self._jobs: dict[str, Job] = {}
        self._condition = threading.Condition(threading.RLock())
        self._open = True
        self.accepted: Counter[str] = Counter()
        self.peak: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, name="job-store", daemon=True)
        self._thread.start()

    def accept(
        self, provider: str, make: Callable[[], Job], at_most: int | None = None
    ) -> Job | None:
        """Take the job that `make` makes, unless `at_most` of the provider have not ended yet."""
        with self._condition:
            self._tick()
            if at_most is not None and len(self._unended(provider)) >= at_most:
                return None
            job = make()
            self._jobs[job.id] = job
            self.accepted[provider] += 1
            self._tick()
            self._condition.notify_all()
            return job

    def find(self, provider: str, job_id: str) -> Job | None:
        with self._condition:
            self._tick()
            job = self._jobs.get(job_id)
            return job if job and job.provider == provider else None

    def of(self, provider: str) -> list[Job]:
        """Jobs of a provider, newest first."""
        with self._condition:
            self._tick()
            return [job for job in reversed(self._jobs.values()) if job.provider == provider]

    def queue_position(self, job: Job) -> int:
        with self._condition:
            queued = [j for j in self._unended(job.provider) if j.state is State.QUEUED]
            return queued.index(job) if job in queued else 0

    def cancel(self, job: Job) -> bool:
        """End the job now; False if it has ended already."""
        with self._condition:
            self._tick()
            if job.state.ended:
                return False
            self._end(job, State.CANCELLED, self._clock.now())
            self._condition.notify_all()
            return True

    def done(self, job: Job, problem: Problem | None) -> None:
        """The work of a running job is over; it still ends no sooner than it is due."""
        with self._condition:
            job.done_at = self._clock.now()
            job.problem = job.problem or problem
            self._tick()
            self._condition.notify_all()

    def settle(self) -> None:
        """Wait until no running job has work left to do. Time does not matter here."""
        with self._condition:
            self._tick()
            self._condition.wait_for(lambda: not any(map(_working, self._jobs.values())))
            self._tick()

    def next_due(self) -> float | None:
        """When the next job will start or end by the clock."""
        with self._condition:
            due = [job.due_at for job in self._jobs.values() if _waits_for_time(job)]
            return min((moment for moment in due if moment > self._clock.now()), default=None)

    def all(self) -> list[Job]:
        """Every job, oldest first."""
        with self._condition:
            self._tick()
            return list(self._jobs.values())

    def reset(self) -> None:
        with self._condition:
            for job in self._jobs.values():
                job.state = State.CANCELLED if not job.state.ended else job.state
            self._jobs.clear()
            self.accepted.clear()
            self.peak.clear()

    def close(self) -> None:
        with self._condition:
            self._open = False
            self._condition.notify_all()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        with self._condition:
            while self._open:
                self._tick()
                self._clock.wait(self._condition, self.next_due())

    def _tick(self) -> None:
        """Bring every job up to the present; jobs that start are handed to the workers."""
        moved = True
        while moved:
            moved = False
            for job in [job for job in self._jobs.values() if not job.state.ended]:
                moved |= self._step(job)

    def _step(self, job: Job) -> bool:
        now = self._clock.now()
        if job.state is State.RUNNING:
            return self._try_end(job, now)
        limited = self._max_running.get(job.provider)
        moment = job.due_at if limited is None else now
        deadline = job.accepted_at + (job.order.start_within or math.inf)
        if now >= job.due_at and moment <= deadline and self._has_slot(job.provider, limited):
            self._start(job, moment)
            return True
        if now > deadline:
            job.problem = Problem("timeout", code="request_timeout")
            self._end(job, State.FAILED, deadline)
        return now > deadline

    def _has_slot(self, provider: str, limited: int | None) -> bool:
        return limited is None or self._running(provider) < limited

    def _running(self, provider: str) -> int:
        return sum(job.state is State.RUNNING for job in self._unended(provider))

    def _start(self, job: Job, moment: float) -> None:
        job.started_at = moment
        job.state = State.RUNNING
        self.peak[job.provider] = max(self.peak[job.provider], self._running(job.provider))
        if job.problem:
            job.done_at = moment
        else:
            self._on_start(job)

    def _try_end(self, job: Job, now: float) -> bool:
        if job.done_at is None or now < job.due_at:
            return False
        self._end(job, _end_state(job.problem), max(job.due_at, job.done_at))
        return True

    def _end(self, job: Job, state: State, moment: float) -> None:
        job.ended_at = moment
        job.state = state  # last: readers without the lock look at it first

    def _unended(self, provider: str) -> list[Job]:
        return [j for j in self._jobs.values() if j.provider == provider and not j.state.ended]


def _end_state(problem: Problem | None) -> State:
    if problem is None or problem.kind == "no-output":
        return State.SUCCEEDED
    return State.CANCELLED if problem.kind == "cancelled" else State.FAILED


def _working(job: Job) -> bool:
    return job.state is State.RUNNING and job.done_at is None


def _waits_for_time(job: Job) -> bool:
    return job.state is State.QUEUED or (job.state is State.RUNNING and job.done_at is not None)
