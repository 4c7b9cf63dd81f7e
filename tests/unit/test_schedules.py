"""The simulation of schedules: its bound is one, and the plan keeps what is promised."""

from __future__ import annotations

import random
from typing import Any

import pytest

from dropreel.waiting.schedule import USUAL_PRICES
from local.bench.best import Best, Oracle
from local.bench.polling import Fixed, play
from local.bench.schedules import rows_of
from local.bench.shapes import SHAPES

pytestmark = pytest.mark.uncounted  # many plays of what other tests cover

JOBS = 300
SHAPE = {shape.name: shape for shape in SHAPES}


def by_schedule(name: str) -> dict[str, dict[str, Any]]:
    return {row["schedule"]: row for row in rows_of(SHAPE[name], jobs=JOBS)}


@pytest.mark.parametrize("name", ["each::labs", "Luma", "fal", "jumps to double"])
def test_a_clip_of_about_a_minute_is_seen_in_time_and_for_little(name: str) -> None:
    """Promised from ready to stored: 1.5 s and half a pace; one second is left for storing."""
    plan = by_schedule(name)["plan"]
    assert plan["delay_s"] < plan["pace_s"] / 2 + 0.5
    assert plan["plumbing_usd"] < 0.002


@pytest.mark.parametrize("name", ["each::labs", "Oxen", "rises and falls"])
def test_the_plan_is_near_the_best_and_better_than_fixed_waits(name: str) -> None:
    rows = by_schedule(name)
    best, plan = rows["best"], rows["plan"]
    assert 0.97 * best["cost_usd"] < plan["cost_usd"] < 1.2 * best["cost_usd"]
    for every in (10, 30, 60, 180):
        assert plan["cost_usd"] < rows[f"{every} s"]["cost_usd"]


@pytest.mark.parametrize("seed", range(5))
def test_no_schedule_made_at_random_beats_the_best(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - to be drawn again
    sample = [dice.lognormvariate(4, 0.3) for _ in range(400)]

    waits = [dice.choice([2.0, 5.0, 10.0, 20.0, 40.0]) for _ in range(4000)]
    watches = [dice.choice([0.0, 0.0, 10.0, 20.0, 40.0]) for _ in range(4000)]

    class Random:
        """Sleeps and watches of lengths that were drawn once for every second."""

        def wait_s(self, now_s: float) -> float:
            return waits[int(now_s)]

        def watch_s(self, now_s: float) -> float:
            return watches[int(now_s)]

    def cost(policy: Any) -> float:
        seen = [play(runtime, policy, 2) for runtime in sample]
        late = sum(one.late_s or 0 for one in seen) * USUAL_PRICES.second_late
        return late + sum(one.spent_usd for one in seen)

    best = cost(Best(sample, 2, USUAL_PRICES))
    assert best < cost(Random())
    assert best < min(cost(Fixed(every)) for every in range(2, 60))


def test_more_money_buys_less_delay() -> None:
    shape = SHAPE["Luma"]
    oracle = Oracle(shape, shape.runtimes(JOBS, 1))
    delays = [oracle.delay_for(spend) for spend in (0.0001, 0.0002, 0.0004)]
    assert delays == sorted(delays, reverse=True)
    assert delays[-1] >= 0.9 * shape.kind.profile.pace_s / 2


def test_the_same_seed_gives_the_same_rows() -> None:
    shape = SHAPE["each::labs"]
    assert rows_of(shape, jobs=50) == rows_of(shape, jobs=50)


def test_a_job_that_never_ends_is_given_up_at_its_deadline() -> None:
    assert play(1e9, Fixed(60), 2).late_s is None
