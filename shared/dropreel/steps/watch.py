"""The loop inside `poll`: polls again and again while that pays, and learns how long jobs take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field

from dropreel.jobs.job import Job, from_iso, utc_iso
from dropreel.ledger.pause import Pause
from dropreel.ledger.runtimes import MeasuredRuntimes
from dropreel.providers.base import Pending, Phase, Provider, StatusOutcome
from dropreel.settings import Settings
from dropreel.waiting.runtimes import JobKind
from dropreel.waiting.schedule import LONGEST_WATCH_S, Schedule

if TYPE_CHECKING:
    from dropreel.container import Container

SLOW_ANSWER_S = 40  # the function must have this much time left when it polls again
DAY = timedelta(days=1)
_LOOSE_S = 1800  # a job that nobody polled for longer tells nothing


class WatchSettings(Settings):
    watch_seconds: Annotated[int, Field(ge=0, le=LONGEST_WATCH_S)]


class UnpaidSettings(Settings):
    """How long a job that nothing was paid for waits out trouble, counted from its drop."""

    unpaid_wait_hours: Annotated[int, Field(ge=1)]


def waited_enough(job: Job, wait: timedelta, now: datetime, pause: Pause) -> bool:
    """Whether an unpaid job has waited out trouble for long enough, pauses not counted: for two
    days at least if some of it is for a new day."""
    begun = from_iso(job.created_at)
    paused = timedelta(seconds=pause.held_up_s(begun.timestamp(), now.timestamp()))
    return now >= begun + paused + (max(wait, 2 * DAY) if job.waits_until else wait)


@dataclass(frozen=True, slots=True)
class Watcher:
    """Makes watches. `longest_s`: how long one call may watch; 0 polls once."""

    measured: MeasuredRuntimes
    longest_s: float
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep

    @classmethod
    def build(cls, container: Container) -> Self:
        seconds = container.settings(WatchSettings).watch_seconds
        measured = MeasuredRuntimes(container.table)
        return cls(measured, longest_s=seconds, now=container.now, sleep=container.sleep)

    def over(self, job: Job, pending_at: str = "", *, crowded: bool = False) -> Watch:
        """`pending_at`: when the job was seen pending by an earlier poll; empty if never.

        `crowded`: Lambda is short of room, so this watch polls once and makes room for others.
        """
        return Watch(replace(self, longest_s=0) if crowded else self, job, pending_at)


class Watch:
    """The watch over one job. `pending_at` is when it was seen pending last, or empty."""

    def __init__(self, watcher: Watcher, job: Job, pending_at: str) -> None:
        self.pending_at = pending_at
        self._watcher = watcher
        self._job = job

    def until_news(
        self, provider: Provider, time_left: Callable[[], float] | None
    ) -> StatusOutcome:
        """The job's status: that of the first poll, or a later one if the plan is to watch.

        Watching stops at whatever is not a plain "pending", and while `time_left` (seconds of
        the function's time) still lasts for a slow answer.
        """
        status = self._poll(provider)
        if not self._goes_on(status):
            return status
        until = self._waited_s() + self._schedule.watch_s(self._waited_s())
        pace = self._pace_s
        enough = pace + SLOW_ANSWER_S
        while (
            self._goes_on(status)
            and self._waited_s() + pace / 2 < until
            and (time_left is None or time_left() > enough)
        ):
            self._watcher.sleep(pace)
            status = self._poll(provider)
        return status

    def wait_s(self, retry_after: float | None = None) -> int:
        """How long to sleep before the next poll."""
        return self._schedule.wait_s(self._waited_s(), retry_after)

    def learn(self) -> None:
        """The job was found ready just now: that tells how long such jobs take."""
        asked_at = from_iso(self._job.asked_at)
        pending_at = from_iso(self.pending_at) if self.pending_at else asked_at
        after_s = max(0.0, (pending_at - asked_at).total_seconds())  # else of an earlier order
        until_s = self._waited_s()
        if until_s - after_s < _LOOSE_S:
            self._watcher.measured.note(JobKind.of(self._job), after_s, until_s)

    def _poll(self, provider: Provider) -> StatusOutcome:
        asked_at = utc_iso(self._watcher.now())
        status = provider.status(self._job.provider_job_id, self._job.order_addresses)
        if isinstance(status, Pending):
            self.pending_at = asked_at
        return status

    def _goes_on(self, status: StatusOutcome) -> bool:
        if not isinstance(status, Pending) or status.phase is Phase.WITHOUT_CLIP:
            return False
        return (status.retry_after or 0) <= self._pace_s

    def _waited_s(self) -> float:
        return (self._watcher.now() - from_iso(self._job.asked_at)).total_seconds()

    @property
    def _pace_s(self) -> int:
        return JobKind.of(self._job).profile.pace_s

    @cached_property
    def _schedule(self) -> Schedule:
        asked_at, deadline_at = from_iso(self._job.asked_at), from_iso(self._job.deadline_at)
        return Schedule(
            self._watcher.measured.of(JobKind.of(self._job)),
            now_s=self._waited_s(),
            deadline_s=(deadline_at - asked_at).total_seconds(),
            longest_watch_s=self._watcher.longest_s,
        )
