"""One job polled under one schedule: how late its clip is seen, and at what price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dropreel.waiting.runtimes import Runtimes, aged, shares
from dropreel.waiting.schedule import LONGEST_WATCH_S, USUAL_PRICES, Schedule
from local.bench.shapes import Shape

DEADLINE_S = 3600.0
_RELEARN = 5  # jobs that run at the same time see the same ledger


class Policy(Protocol):
    """When to poll: seconds of sleep, and of watching after a poll, both from `now_s`."""

    def wait_s(self, now_s: float) -> float: ...

    def watch_s(self, now_s: float) -> float: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """How one job went. `late_s` is None when its deadline came first."""

    late_s: float | None
    spent_usd: float
    polls: int
    between: tuple[float, float]


def play(runtime: float, policy: Policy, pace: float) -> Seen:
    now, pending, spent, polls = 0.0, 0.0, 0.0, 0
    while now < DEADLINE_S:
        now += policy.wait_s(now)
        spent += USUAL_PRICES.loop
        until = now + policy.watch_s(now) if runtime > now else now
        began = now
        polls += 1
        while runtime > now and now + pace / 2 < until:
            pending = now
            now += pace
            polls += 1
        spent += USUAL_PRICES.second_watched * (now - began)
        if runtime <= now:
            return Seen(now - runtime, spent, polls, (pending, now))
        pending = now
    return Seen(None, spent, polls, (pending, now))


@dataclass(frozen=True, slots=True)
class Fixed:
    """Polls every so many seconds."""

    every_s: float

    def wait_s(self, now_s: float) -> float:  # noqa: ARG002
        return self.every_s

    def watch_s(self, now_s: float) -> float:  # noqa: ARG002
        return 0.0


class Planned:
    """The deployed plan with what is known now."""

    def __init__(self, runtimes: Runtimes) -> None:
        self._runtimes = runtimes
        self._schedules: dict[float, Schedule] = {}

    def wait_s(self, now_s: float) -> float:
        return self._at(now_s).wait_s(now_s)

    def watch_s(self, now_s: float) -> float:
        return self._at(now_s).watch_s(now_s)

    def _at(self, now_s: float) -> Schedule:
        """As in the function: made at its first poll, and kept for the sleep after it."""
        near = [at for at in self._schedules if at <= now_s <= at + LONGEST_WATCH_S]
        at = max(near, default=now_s)
        if at not in self._schedules:
            self._schedules[at] = Schedule(self._runtimes, now_s=at, deadline_s=DEADLINE_S)
        return self._schedules[at]


def learning(shape: Shape, runtimes: Sequence[float]) -> list[Seen]:
    """The plan on one job after the other, from nothing."""
    counts: dict[int, float] = {}
    seen: list[Seen] = []
    plan = Planned(Runtimes(shape.kind, {}))
    for number, runtime in enumerate(runtimes):
        if number % _RELEARN == 0:
            plan = Planned(Runtimes(shape.kind, dict(counts)))
        seen.append(play(runtime, plan, shape.kind.profile.pace_s))
        if seen[-1].late_s is not None:
            for part, share in shares(*seen[-1].between).items():
                counts[part] = counts.get(part, 0.0) + share
            counts = aged(counts) or counts
    return seen


def lateness(seen: Sequence[Seen]) -> list[float]:
    """In seconds, in order, of the clips that were seen before their deadline."""
    return sorted(one.late_s for one in seen if one.late_s is not None)


def mean_point(seen: Sequence[Seen]) -> tuple[float, float]:
    """Mean lateness in seconds, and mean spend in dollars."""
    late = lateness(seen)
    return sum(late) / len(late), sum(one.spent_usd for one in seen) / len(seen)
