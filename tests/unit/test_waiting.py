"""The plan: sane always, and as cheap as any other."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropreel.providers.catalog import CATALOG
from dropreel.waiting.runtimes import ENDS_S, JobKind, Runtimes, shares
from dropreel.waiting.schedule import (
    LONGEST_WATCH_S,
    USUAL_PRICES,
    Prices,
    Schedule,
    busy_wait,
    least_gap,
    prices,
)

HOUR_S = 3600.0
relaxed = settings(deadline=None)  # for machines that do other things, too
kinds = st.builds(
    JobKind,
    st.sampled_from(sorted(CATALOG)),
    st.sampled_from(["540p", "720p", "1080p"]),
    st.sampled_from(["5s", "10s"]),
)
counts = st.dictionaries(
    st.integers(0, len(ENDS_S) - 1), st.floats(0, 200, allow_subnormal=False), max_size=30
)
runtimes = st.builds(Runtimes, kinds, counts)
moments = st.floats(0, 200_000)


def measured(seconds: float, jobs: float = 40, provider: str = "eachlabs") -> Runtimes:
    """Many jobs that all took as long."""
    (number,) = shares(seconds, seconds)
    return Runtimes(JobKind(provider, "720p", "5s"), {number: jobs})


def schedule(known: Runtimes, now_s: float = 0, deadline_s: float = HOUR_S) -> Schedule:
    return Schedule(known, now_s=now_s, deadline_s=deadline_s)


@relaxed
@given(runtimes, moments, st.floats(1, 50_000), st.none() | st.floats(0, 100_000))
def test_no_wait_is_shorter_than_the_pace_or_longer_than_the_deadline(
    known: Runtimes, now: float, left: float, retry_after: float | None
) -> None:
    pace = known.kind.profile.pace_s
    wait = schedule(known, now, now + left).wait_s(now, retry_after)
    wished = min(retry_after or 0, 900)
    assert wait >= max(pace, wished)
    assert wait <= max(pace, wished, left) + 1


@relaxed
@given(runtimes, moments, st.floats(-100, 50_000))
def test_no_watch_is_longer_than_allowed_or_goes_beyond_the_deadline(
    known: Runtimes, now: float, left: float
) -> None:
    watch = schedule(known, now, now + left).watch_s(now)
    assert 0 <= watch <= min(LONGEST_WATCH_S, max(left, 0)) + 1e-6


@relaxed
@given(runtimes, st.floats(0, 5_000), st.floats(1, 20_000))
def test_waits_grow_with_the_time_waited_so_that_looks_stay_few(
    known: Runtimes, now: float, left: float
) -> None:
    plan = schedule(known, now, now + left)
    assert plan.wait_s(now) >= min(least_gap(now, known.kind.profile.pace_s), left) - 1e-6


@relaxed
@given(runtimes)
def test_a_plan_that_may_not_watch_never_watches(known: Runtimes) -> None:
    plan = Schedule(known, now_s=30, deadline_s=HOUR_S, longest_watch_s=0)
    assert plan.watch_s(30) == 0


@pytest.mark.parametrize("provider", CATALOG)
def test_before_there_is_data_the_first_look_comes_before_most_clips(provider: str) -> None:
    known = Runtimes(JobKind(provider, "720p", "5s"), {})
    first = schedule(known).wait_s(0)
    assert 0.25 * known.kind.usual_s < first < 0.75 * known.kind.usual_s


@pytest.mark.parametrize(
    ("provider", "runtimes"), [("eachlabs", (15, 30, 60, 90)), ("oxen", (200, 400, 800))]
)
def test_the_first_look_follows_the_runtimes(provider: str, runtimes: tuple[int, ...]) -> None:
    waits = [schedule(measured(seconds, 60, provider)).wait_s(0) for seconds in runtimes]
    assert waits == sorted(set(waits))
    assert all(0.6 * end < wait < end for wait, end in zip(waits, runtimes, strict=True))


def test_a_clip_that_is_due_is_watched_for_and_one_that_is_not_is_slept_for() -> None:
    known = measured(100)
    assert schedule(known, 5).watch_s(5) == 0
    assert schedule(known, 92).watch_s(92) > 10


def test_one_job_that_stalled_for_hours_does_not_spoil_the_plan() -> None:
    known = measured(60)
    spoilt = Runtimes(known.kind, {**known.counts, len(ENDS_S) - 1: 1.0})
    plan, other = schedule(known), schedule(spoilt)
    assert abs(plan.wait_s(0) - other.wait_s(0)) <= 2
    assert schedule(known, 55).watch_s(55) == pytest.approx(schedule(spoilt, 55).watch_s(55), abs=6)


@relaxed
@given(runtimes, st.floats(1e-6, 1e-3))
def test_a_higher_price_of_lateness_never_lowers_the_cost(known: Runtimes, worth: float) -> None:
    times = [float(number * known.kind.profile.pace_s) for number in range(30)]

    def cost(second_late: float) -> float:
        price = prices(second_late)
        plan = Schedule(known, now_s=0, deadline_s=times[-1], prices=price)
        return Costs(known, times, price).of(plan)

    assert cost(worth) <= cost(2 * worth) <= 2 * cost(worth)


# --- against every other plan ---------------------------------------------------------------------


class Costs:
    """What plans cost per job that poll only at some of `times`, which are a pace apart."""

    def __init__(self, known: Runtimes, times: list[float], price: Prices = USUAL_PRICES) -> None:
        self._pace = known.kind.profile.pace_s
        self._times, self._price = times, price
        self._ended = dict(zip(times, known.ended_by(times), strict=True))

    def _unseen(self, start: float, end: float) -> float:
        """Seconds that clips lie ready before `end`, by trapezoids between the times."""
        inside = [time for time in self._times if start <= time <= end]
        ended = self._ended
        areas = [(b - a) * ((ended[a] + ended[b]) / 2 - ended[start]) for a, b in pairwise(inside)]
        return sum(areas)

    def _sleep(self, start: float, end: float) -> float:
        loop = self._price.loop * (1 - self._ended[start])
        return loop + self._price.second_late * self._unseen(start, end)

    def _watch(self, start: float, end: float) -> float:
        pending = (1 - self._ended[start]) * (end - start) - self._unseen(start, end)
        late = self._pace / 2 * (self._ended[end] - self._ended[start])
        return self._price.second_watched * pending + self._price.second_late * late

    def of(self, plan: Schedule) -> float:
        """By what the plan answers, from the first time to the last."""
        now, cost = self._times[0], 0.0
        while now < self._times[-1]:
            awake = now + plan.wait_s(now)
            watched = awake + plan.watch_s(awake)
            cost += self._sleep(now, awake) + self._watch(awake, watched)
            now = watched
        return cost

    def cheapest(self, watch_s: float) -> float:
        """The price of the best of all plans, by trying every one."""
        return self._cheapest_sleep(self._times[0], watch_s)

    def _cheapest_sleep(self, start: float, watch_s: float) -> float:
        if start == self._times[-1]:
            return 0.0
        return min(
            self._sleep(start, end) + self._cheapest_poll(end, watch_s)
            for end in self._times
            if end > start
        )

    def _cheapest_poll(self, start: float, watch_s: float) -> float:
        return min(
            self._watch(start, end) + self._cheapest_sleep(end, watch_s)
            for end in self._times
            if start <= end <= start + watch_s
        )


@relaxed
@given(counts, st.sampled_from(["eachlabs", "luma"]), st.integers(0, 50), st.integers(1, 7))
def test_no_other_plan_is_cheaper(
    known: dict[int, float], provider: str, start: int, steps: int
) -> None:
    kind = JobKind(provider, "720p", "5s")
    pace = CATALOG[provider].profile.pace_s
    times = [float(start + number * pace) for number in range(steps + 1)]
    told = Runtimes(kind, known)
    plan = Schedule(told, now_s=start, deadline_s=times[-1], longest_watch_s=3 * pace)
    costs = Costs(told, times)
    assert costs.of(plan) == pytest.approx(costs.cheapest(3 * pace), rel=1e-9)


def test_watching_is_worth_less_where_it_is_dear() -> None:
    known = measured(100)
    dear = replace(USUAL_PRICES, second_watched=1.0)
    assert Schedule(known, now_s=95, deadline_s=HOUR_S, prices=dear).watch_s(95) == 0


# --- busy providers -------------------------------------------------------------------------------


def test_a_busy_provider_gets_the_order_again_when_it_says() -> None:
    assert busy_wait(7.2, 0) == 8
    assert busy_wait(0, 0) == 1
    assert busy_wait(86_400, 0) == 900


def test_a_provider_that_stays_busy_for_a_second_gets_orders_less_often() -> None:
    assert [busy_wait(1, tries) for tries in (0, 3, 4, 5, 20)] == [1, 1, 15, 30, 900]


def test_a_busy_provider_that_says_nothing_gets_orders_ever_less_often() -> None:
    assert [busy_wait(None, tries) for tries in range(7)] == [15, 30, 60, 120, 240, 480, 900]
