"""How late and how dear waiting is: the plan against fixed polling and the best possible.

python -m local.bench.schedules

Each row is one schedule on one shape of runtimes: some 1,500 jobs, the same ones for every
schedule. `plan` is what is deployed, learning from each job as the ledger does. `best` knows before
the first job how all of them are distributed (and how they drift), and is found by dynamic
programming; for a bound its price of lateness is moved until it spends as much as the plan. The
others look every so many seconds. Simulated answers take no time; each provider's pace is kept.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any, Protocol

from dropreel.waiting.runtimes import Kind, Runtimes, aged, shares
from dropreel.waiting.schedule import LONGEST_WATCH_S, USUAL_PRICES, Prices, Schedule, prices

DEADLINE_S = 3600.0
FIXED_S = (10, 30, 60, 180)
# What plumbing costs beside waiting, generously: six transitions, submit, generate and finalize,
# requests to S3 and DynamoDB, logs, traces. us-east-1, 2026-11.
OTHER_PLUMBING_USD = 500e-6
_JOBS = 1500
_SAMPLES = 4500  # beside the jobs: the best knows their distribution, not each of them
_RELEARN = 5  # jobs that run at the same time see the same ledger


@dataclass(frozen=True, slots=True)
class Shape:
    """Runtimes of one provider. `scale` tells how they drift from job to job."""

    name: str
    provider: str
    draw: Callable[[random.Random], float]
    scale: Callable[[int], float] = lambda _: 1.0

    @property
    def kind(self) -> Kind:
        return Kind(self.provider, "720p", "5s")

    def runtimes(self, jobs: int, seed: int) -> list[float]:
        dice = random.Random(f"{self.name} {seed}")  # noqa: S311 - to be drawn again
        return [self.draw(dice) * self.scale(number) for number in range(jobs)]


def _lognormal(median: float, sigma: float) -> Callable[[random.Random], float]:
    return lambda dice: dice.lognormvariate(math.log(median), sigma)


def _queued(median: float, sigma: float, queue: float) -> Callable[[random.Random], float]:
    return lambda dice: dice.lognormvariate(math.log(median), sigma) + dice.expovariate(1 / queue)


def _mostly(
    usual: Callable[[random.Random], float], share: float, other: Callable[[random.Random], float]
) -> Callable[[random.Random], float]:
    return lambda dice: other(dice) if dice.random() < share else usual(dice)


def _pareto(least: float, exponent: float) -> Callable[[random.Random], float]:
    return lambda dice: least * dice.paretovariate(exponent)


def _jump(factor: float) -> Callable[[int], float]:
    return lambda number: factor if number // 300 % 2 else 1.0


def _wave(number: int) -> float:
    """Up and down by a half within 250 jobs, in steps."""
    return 1 + 0.5 * round(4 * math.sin(number / 40)) / 4


# Medians and spreads as far as the providers' pages tell (2026-11): each::labs a p50 of one minute,
# Luma under two minutes, Oxen 5 to 15 minutes; fal, which tells nothing, as Luma with a queue.
SHAPES = (
    Shape("each::labs", "eachlabs", _lognormal(60, 0.25)),
    Shape("Luma", "luma", _lognormal(75, 0.3)),
    Shape("fal", "fal", _queued(70, 0.3, 15)),
    Shape("Oxen", "oxen", _lognormal(520, 0.33)),
    Shape("always the same", "eachlabs", _lognormal(60, 0.05)),
    Shape("two kinds", "luma", _mostly(_lognormal(50, 0.15), 0.3, _lognormal(180, 0.15))),
    Shape("one in ten Pareto", "eachlabs", _mostly(_lognormal(60, 0.25), 0.1, _pareto(100, 1.2))),
    Shape("all Pareto", "luma", _pareto(40, 2.0)),
    Shape("five times the profile", "eachlabs", _lognormal(300, 0.2)),
    Shape("jumps to double", "eachlabs", _lognormal(60, 0.25), _jump(2.0)),
    Shape("jumps to a third", "eachlabs", _lognormal(60, 0.25), _jump(1 / 3)),
    Shape("rises and falls", "luma", _lognormal(75, 0.25), _wave),
)


# --- one job under one schedule -------------------------------------------------------------------


class Policy(Protocol):
    """When to look: seconds of sleep, and of watching after a look, both from `now_s`."""

    def wait_s(self, now_s: float) -> float: ...

    def watch_s(self, now_s: float) -> float: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """How one job went. `late_s` is None when its deadline came first."""

    late_s: float | None
    spent_usd: float
    looks: int
    between: tuple[float, float]


def play(runtime: float, policy: Policy, pace: float) -> Seen:
    now, pending, spent, looks = 0.0, 0.0, 0.0, 0
    while now < DEADLINE_S:
        now += policy.wait_s(now)
        spent += USUAL_PRICES.loop
        until = now + policy.watch_s(now) if runtime > now else now
        began = now
        looks += 1
        while runtime > now and now + pace / 2 < until:
            pending = now
            now += pace
            looks += 1
        spent += USUAL_PRICES.second_watched * (now - began)
        if runtime <= now:
            return Seen(now - runtime, spent, looks, (pending, now))
        pending = now
    return Seen(None, spent, looks, (pending, now))


@dataclass(frozen=True, slots=True)
class Fixed:
    """Looks every so many seconds."""

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
        """As in the function: made at its first look, and kept for the sleep after it."""
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


# --- the best possible ----------------------------------------------------------------------------


class Best:
    """The cheapest schedule for a known distribution, given as a sample.

    Looks in a watch lie exactly one pace apart; sleeps end on whole seconds, or 0.6 % apart where
    that is more. Written apart from the plan, whose grid and averages are coarser.
    """

    def __init__(self, sample: Sequence[float], pace: float, price: Prices) -> None:
        self._sample = sorted(sample)
        self._sums = [0.0, *accumulate(self._sample)]
        self._pace, self._price = pace, price
        self._end = min(DEADLINE_S, math.ceil(self._sample[-1]) + 1.0)
        self._times = _fine_grid(self._end)
        last = len(self._times) - 1
        self._ended, self._done = zip(*(self._by(time) for time in self._times), strict=True)
        self._sleep, self._look = [0.0] * (last + 1), [0.0] * (last + 1)
        self._next, self._until = [self._end] * (last + 1), [self._end] * (last + 1)
        for start in range(last - 1, -1, -1):
            self._choose_sleep(start)
            self._choose_watch(start)

    def wait_s(self, now_s: float) -> float:
        return max(1.0, self._next[self._index(now_s)] - now_s)

    def watch_s(self, now_s: float) -> float:
        index = self._index(now_s)
        return self._until[index] - self._times[index]

    def _index(self, now_s: float) -> int:
        return bisect_right(self._times, now_s) - 1

    def _by(self, time: float) -> tuple[float, float]:
        """The share that has ended by then, and how long it has lain ready on average."""
        count = bisect_right(self._sample, time)
        total = len(self._sample)
        return count / total, (count * time - self._sums[count]) / total

    def _choose_sleep(self, start: int) -> None:
        times, done, late = self._times, self._done, self._price.second_late
        fixed = self._price.loop * (1 - self._ended[start])
        best = math.inf
        soonest = bisect_right(times, times[start] + self._pace - 0.01)
        for number in range(min(soonest, len(times) - 1), len(times)):
            unseen = done[number] - done[start]
            unseen -= self._ended[start] * (times[number] - times[start])
            cost = fixed + late * unseen
            if cost >= best:
                break
            if cost + self._look[number] < best:
                best = cost + self._look[number]
                self._next[start] = times[number]
        self._sleep[start] = best

    def _choose_watch(self, start: int) -> None:
        now = self._times[start]
        best, self._until[start] = self._sleep[start], now
        ended, done = self._ended[start], self._done[start]
        cost = 0.0
        for step in range(1, int(LONGEST_WATCH_S / self._pace) + 1):
            then = now + step * self._pace
            if then > self._end:
                break
            ended_then, done_then = self._by(then)
            cost += self._price.second_watched * (self._pace - (done_then - done))
            cost += self._price.second_late * (done_then - done - ended * self._pace)
            ended, done = ended_then, done_then
            if cost + self._slept(then) < best:
                best, self._until[start] = cost + self._slept(then), then
        self._look[start] = best

    def _slept(self, time: float) -> float:
        number = min(self._index(time), len(self._times) - 2)
        start, end = self._times[number], self._times[number + 1]
        low, high = self._sleep[number], self._sleep[number + 1]
        return low + (high - low) * (time - start) / (end - start)


def _fine_grid(end: float) -> list[float]:
    times = [0.0]
    while times[-1] < end:
        times.append(min(end, math.floor(times[-1] + max(1.0, 0.006 * times[-1]))))
    return times


class Oracle:
    """Knows how all jobs will be distributed, and how they drift, and plays the best schedule."""

    def __init__(self, shape: Shape, runtimes: Sequence[float]) -> None:
        self._shape, self._runtimes = shape, runtimes
        self._pace = shape.kind.profile.pace_s
        own = [runtime / shape.scale(number) for number, runtime in enumerate(runtimes)]
        dice = random.Random(f"{shape.name} sample")  # noqa: S311 - to be drawn again
        self._sample = own + [shape.draw(dice) for _ in range(_SAMPLES)]

    def play(self, second_late: float) -> list[Seen]:
        @cache
        def best(scale: float) -> Best:
            sample = [runtime * scale for runtime in self._sample]
            return Best(sample, self._pace, prices(second_late))

        return [
            play(runtime, best(self._shape.scale(number)), self._pace)
            for number, runtime in enumerate(self._runtimes)
        ]

    def delay_for(self, spend: float) -> float:
        """The least mean delay for this mean spend: between two schedules, in proportion."""
        low, high = 1e-7, 1e-2
        points = {worth: _point(self.play(worth)) for worth in (low, high)}
        for _ in range(9):
            middle = math.sqrt(low * high)
            points[middle] = _point(self.play(middle))
            low, high = (middle, high) if points[middle][1] < spend else (low, middle)
        (slow, cheap), (fast, dear) = points[low], points[high]
        share = min(1.0, max(0.0, (spend - cheap) / (dear - cheap))) if dear > cheap else 1.0
        return slow + (fast - slow) * share


# --- rows -----------------------------------------------------------------------------------------


def _late(seen: Sequence[Seen]) -> list[float]:
    return sorted(one.late_s for one in seen if one.late_s is not None)


def _point(seen: Sequence[Seen]) -> tuple[float, float]:
    late = _late(seen)
    return sum(late) / len(late), sum(one.spent_usd for one in seen) / len(seen)


def _row(shape: Shape, schedule: str, seen: Sequence[Seen]) -> dict[str, Any]:
    delay, spend = _point(seen)
    late = _late(seen)
    return {
        "shape": shape.name,
        "provider": shape.provider,
        "pace_s": shape.kind.profile.pace_s,
        "schedule": schedule,
        "delay_s": delay,
        "delay_p95_s": late[int(0.95 * len(late))],
        "waiting_usd": spend,
        "plumbing_usd": spend + OTHER_PLUMBING_USD,
        "looks": sum(one.looks for one in seen) / len(seen),
        "cost_usd": delay * USUAL_PRICES.second_late + spend,
    }


def rows_of(shape: Shape, *, jobs: int = _JOBS, seed: int = 1) -> list[dict[str, Any]]:
    """One row per schedule for one shape.

    `delay_s` and `delay_p95_s`: from ready to seen. `waiting_usd`: what the schedule costs per
    clip, `plumbing_usd` with all the rest of the workflow, `cost_usd` with the price of lateness
    instead. The row `plan` has `bound_s` too, the least delay for its money, and `bound_usd`, the
    least `cost_usd`; the row `first 20` is the plan before it has learnt much.
    """
    runtimes = shape.runtimes(jobs, seed)
    pace = shape.kind.profile.pace_s
    planned = learning(shape, runtimes)
    plan = _row(shape, "plan", planned)
    oracle = Oracle(shape, runtimes)
    best = _row(shape, "best", oracle.play(USUAL_PRICES.second_late))
    plan |= {"bound_s": oracle.delay_for(plan["waiting_usd"]), "bound_usd": best["cost_usd"]}
    fixed = [
        _row(shape, f"{every} s", [play(runtime, Fixed(every), pace) for runtime in runtimes])
        for every in FIXED_S
    ]
    return [plan, _row(shape, "first 20", planned[:20]), best, *fixed]


def rows(*, jobs: int = _JOBS, seed: int = 1) -> list[dict[str, Any]]:
    """All rows, the same ones at every call with the same seed."""
    return [row for shape in SHAPES for row in rows_of(shape, jobs=jobs, seed=seed)]


def main() -> None:
    print(f"{'runtimes':24}{'schedule':10}{'delay':>9}{'p95':>9}{'looks':>8}{'plumbing':>11}")
    for row in rows():
        times = f"{row['delay_s']:7.2f} s{row['delay_p95_s']:7.1f} s{row['looks']:8.1f}"
        bound = f"  {row['bound_s']:.2f} s for the same money" if "bound_s" in row else ""
        print(f"{row['shape']:24}{row['schedule']:10}{times}  ${row['plumbing_usd']:.6f}{bound}")


if __name__ == "__main__":
    main()
