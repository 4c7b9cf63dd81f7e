"""Shapes of runtimes: what a provider's clips may take, drawn by chance and the same each time."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from dropreel.waiting.runtimes import JobKind


@dataclass(frozen=True, slots=True)
class Shape:
    """Runtimes of one provider. `scale` tells how they drift from job to job."""

    name: str
    provider: str
    draw: Callable[[random.Random], float]
    scale: Callable[[int], float] = lambda _: 1.0

    @property
    def kind(self) -> JobKind:
        return JobKind(self.provider, "720p", "5s")

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
