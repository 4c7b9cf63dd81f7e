"""The best schedule possible for runtimes that are known beforehand, as a bound for the plan."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from itertools import accumulate

from dropreel.waiting.schedule import LONGEST_WATCH_S, Prices, prices
from local.bench.polling import DEADLINE_S, Seen, mean_point, play
from local.bench.shapes import Shape

_SAMPLES = 4500  # beside the jobs: the best knows their distribution, not each of them


class Best:
    """The cheapest schedule for a known distribution, given as a sample.

    Polls in a watch lie exactly one pace apart; sleeps end on whole seconds, or 0.6 % apart where
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
        points = {worth: mean_point(self.play(worth)) for worth in (low, high)}
        for _ in range(9):
            middle = math.sqrt(low * high)
            points[middle] = mean_point(self.play(middle))
            low, high = (middle, high) if points[middle][1] < spend else (low, middle)
        (slow, cheap), (fast, dear) = points[low], points[high]
        share = min(1.0, max(0.0, (spend - cheap) / (dear - cheap))) if dear > cheap else 1.0
        return slow + (fast - slow) * share
