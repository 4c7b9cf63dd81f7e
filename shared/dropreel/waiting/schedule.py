"""When to poll a job: how long to sleep in the workflow, how long to watch in the function.

The plan costs least if every second in which a ready clip is not seen has a price, beside those of
transitions and of the function's time: docs/waiting.md. Invariant: a provider is never polled
faster than its pace, and the workflow loops at times that are at least 2 % of the time waited
apart, because the plan chooses among such times only (`_grid`); so the history of an execution
stays within its limit. All times are seconds since the order was sent, all prices US dollars.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

from dropreel.waiting.runtimes import Runtimes

LONGEST_BUSY_WAIT_S = 900
_EXACT_TRIES = 4  # so often a provider's own word counts alone; after that it is a minimum
SEARCH_FIRST_S = 30  # until a lost order may show in a provider's list
LONGEST_WATCH_S = 40  # with one slow answer after it, within the function's time-out
MAX_RETRY_AFTER_S = 900

# us-east-1, 2026-11: a state transition; a request and a GB-second of an arm64 function.
TRANSITION_USD = 25e-6
REQUEST_USD = 0.2e-6
GB_SECOND_USD = 13.3334e-6
POLL_GB = 0.25  # as in template.yaml
POLL_S = 0.5  # billed for one poll without watching


@dataclass(frozen=True, slots=True)
class Prices:
    """What waiting costs."""

    second_late: float  # of a clip that is ready and unseen
    second_watched: float
    loop: float  # wait, poll and choice in the workflow, and the function's start and poll


def prices(second_late: float) -> Prices:
    watched = POLL_GB * GB_SECOND_USD
    return Prices(second_late, watched, 3 * TRANSITION_USD + 2 * REQUEST_USD + POLL_S * watched)


USUAL_PRICES = prices(second_late=100e-6)  # an hour of waiting is worth 36 cents

_GRID = 0.02  # the times among which the plan chooses are 2 % apart
_LATE_S, _LATE_GRID = 600, 0.03  # bounds the polls, and the history, of a job that takes a day


class Schedule:
    """The cheapest plan for one job from `now_s` to its deadline.

    Found backwards in time. With f(x) the density of runtimes, S(t) the share still pending:

        sleep(t) = min over u of  loop S(t) + late * integral t..u of (u - x) f(x) dx + poll(u)
        poll(t)  = min over u of  watched * integral t..u of S(x) dx
                                  + late * pace / 2 * (S(t) - S(u)) + sleep(u)

    sleep(t) is the expected cost when the workflow goes to sleep at t, poll(t) that when the
    function has polled at t; u = t in the latter means not to watch.
    """

    def __init__(
        self,
        runtimes: Runtimes,
        *,
        now_s: float,
        deadline_s: float,
        longest_watch_s: float = LONGEST_WATCH_S,
        prices: Prices = USUAL_PRICES,
    ) -> None:
        self._pace = runtimes.kind.profile.pace_s
        self._deadline = deadline_s
        self._times = _grid(max(0.0, now_s), deadline_s, self._pace)
        self._prices = prices
        self._longest_watch = longest_watch_s
        self._solve(runtimes)

    def wait_s(self, now_s: float, retry_after: float | None = None) -> int:
        """How long the workflow sleeps before the next poll.

        Not beyond the deadline, unless the provider's pace or `retry_after` ask for it.
        """
        planned = self._times[self._sleep_until[self._index(now_s)]] - now_s
        asked = min(retry_after or 0, MAX_RETRY_AFTER_S)
        return math.ceil(max(planned, self._pace, asked))

    def watch_s(self, now_s: float) -> float:
        """How long to watch on after a poll; 0 to go back to sleep."""
        if now_s >= self._deadline:
            return 0.0
        return max(0.0, self._times[self._watch_until[self._index(now_s)]] - now_s)

    def _index(self, now_s: float) -> int:
        return max(0, min(bisect_right(self._times, now_s), len(self._times) - 1) - 1)

    def _solve(self, runtimes: Runtimes) -> None:
        times = self._times
        ended = runtimes.ended_by(times)
        done = _integral(times, ended)
        last = len(times) - 1
        # At the deadline it is over; what a later end is worth is not decided here.
        self._sleep_cost, self._poll_cost = [0.0] * (last + 1), [0.0] * (last + 1)
        self._sleep_until, self._watch_until = [last] * (last + 1), [last] * (last + 1)
        for start in range(last - 1, -1, -1):
            self._choose_sleep(start, ended, done)
            self._choose_watch(start, ended, done)

    def _choose_sleep(self, start: int, ended: list[float], done: list[float]) -> None:
        times, late = self._times, self._prices.second_late
        fixed = self._prices.loop * (1 - ended[start])
        best, until = math.inf, start + 1
        for number in range(start + 1, len(times)):
            unseen = done[number] - done[start] - ended[start] * (times[number] - times[start])
            cost = fixed + late * unseen
            if cost >= best:  # and all later ones cost more
                break
            cost += self._poll_cost[number]
            if cost < best:
                best, until = cost, number
        self._sleep_cost[start], self._sleep_until[start] = best, until

    def _choose_watch(self, start: int, ended: list[float], done: list[float]) -> None:
        times, price = self._times, self._prices
        best, until = self._sleep_cost[start], start
        for number in range(start + 1, len(times)):
            watched = times[number] - times[start]
            if watched > self._longest_watch:
                break
            pending = watched - (done[number] - done[start])
            late = price.second_late * self._pace / 2 * (ended[number] - ended[start])
            cost = price.second_watched * pending + late + self._sleep_cost[number]
            if cost < best:
                best, until = cost, number
        self._poll_cost[start], self._watch_until[start] = best, until


def least_gap(waited_s: float, pace: float) -> float:
    """Seconds between the times among which the plan chooses: the pace, later 2 or 3 %."""
    return max(pace, (_GRID if waited_s < _LATE_S else _LATE_GRID) * waited_s)


def _grid(start: float, deadline: float, pace: float) -> list[float]:
    times = [start]
    while (following := times[-1] + least_gap(times[-1], pace)) < deadline:
        times.append(following)
    return [*times, deadline if deadline > start else start + 1]


def _integral(times: list[float], values: list[float]) -> list[float]:
    """From the first time to each, by trapezoids."""
    found = [0.0]
    points = zip(pairwise(times), pairwise(values), strict=True)
    for (start, end), (low, high) in points:
        found.append(found[-1] + (end - start) * (low + high) / 2)
    return found


def busy_wait(retry_after: float | None, tries: int) -> int:
    """Wait before the next order to a busy provider: what it says, or 15 s doubling to 15 minutes.

    A provider that always says "one second" gets orders less often in the end, too: the history
    of an execution that waits for a day is limited.
    """
    if retry_after is None:
        return _doubled(tries)
    least = _doubled(tries - _EXACT_TRIES) if tries >= _EXACT_TRIES else 1
    return math.ceil(max(least, min(retry_after, MAX_RETRY_AFTER_S)))


def _doubled(times: int) -> int:
    return int(min(LONGEST_BUSY_WAIT_S, 15 * 2 ** min(times, 10)))
