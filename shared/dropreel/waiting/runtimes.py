"""How long jobs take: what was measured, mixed with what the providers' pages say.

A runtime is the seconds from the order to the clip being ready. Of a job one knows only
that it ended between two polls, so it counts in equal parts for all the time between them.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from dropreel.jobs.job import Job
from dropreel.providers.catalog import CATALOG, Profile

# Upper ends of the bins, 9 % apart: fine enough for the plan, few enough for one small item.
ENDS_S = tuple(2 * 2 ** (number / 8) for number in range(117))  # 2 s to almost 13 hours
PROFILE_JOBS = 2.0  # the profile weighs as much as so many measured jobs
MEMORY_JOBS = 64.0  # at so many all counts are halved: what was measured last counts most
_STRAGGLERS = 0.1  # of the profile's jobs; their times spread over hours
_STRAGGLING = 1.5
# A measured job stands for its neighbours, too; a lonely one for many, else the plan would
# believe in gaps between the few that take very long.
_BLUR = (0.25, 0.5, 0.25)
_WIDE_BLUR = (1 / 11,) * 11
_LONELY_JOBS = 2.0  # fewer than these within two bins around


# No page tells how size and length count; guesses that a few measured jobs outweigh.
_FACTORS = {"540p": 0.9, "720p": 1.0, "1080p": 1.4, "5s": 1.0, "10s": 1.6}


@dataclass(frozen=True, slots=True)
class JobKind:
    """Jobs that may be expected to take equally long."""

    provider: str
    resolution: str
    duration: str

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(job.provider, job.settings.resolution, job.settings.duration)

    @property
    def profile(self) -> Profile:
        return CATALOG[self.provider].profile

    @property
    def usual_s(self) -> float:
        factors = _FACTORS.get(self.resolution, 1.0) * _FACTORS.get(self.duration, 1.0)
        return self.profile.usual_s * factors


@dataclass(frozen=True, slots=True)
class Runtimes:
    """The distribution of the runtimes of one kind. `counts`: measured jobs by bin."""

    kind: JobKind
    counts: Mapping[int, float]

    def ended_by(self, seconds: Sequence[float]) -> list[float]:
        """The share of jobs that have ended by each of these times, which must ascend.

        The profile lends its shape around the usual time, and a long tail: a job that is overdue
        may still end at any time.
        """
        total = sum(self.counts.values()) + PROFILE_JOBS
        usual_s = self.usual_s
        steep = math.log(19) / math.log(self.kind.profile.spread)
        measured = _measured_by(_blurred(self.counts), seconds)

        def expected_by(time: float) -> float:
            ratio = usual_s / max(time, 0.1)
            usual: float = (1 - _STRAGGLERS) / (1 + ratio**steep)
            straggling: float = _STRAGGLERS / (1 + ratio**_STRAGGLING)
            return usual + straggling

        return [
            (count + PROFILE_JOBS * expected_by(time)) / total
            for time, count in zip(seconds, measured, strict=True)
        ]

    @property
    def usual_s(self) -> float:
        """The geometric mean of what was measured and what the profile says."""
        logs = sum(math.log(ENDS_S[number]) * count for number, count in self.counts.items())
        logs += math.log(self.kind.usual_s) * PROFILE_JOBS
        return math.exp(logs / (sum(self.counts.values()) + PROFILE_JOBS))


def _blurred(counts: Mapping[int, float]) -> dict[int, float]:
    found: dict[int, float] = defaultdict(float)
    for number, count in counts.items():
        around = sum(counts.get(near, 0.0) for near in range(number - 2, number + 3))
        blur = _WIDE_BLUR if around < _LONELY_JOBS else _BLUR
        for other, share in enumerate(blur, start=number - len(blur) // 2):
            found[min(max(other, 0), len(ENDS_S) - 1)] += count * share
    return found


def _measured_by(counts: Mapping[int, float], seconds: Sequence[float]) -> list[float]:
    """Jobs that had ended by each time, as if they lay evenly in their bins."""
    found, below, number = [], 0.0, 0
    for time in seconds:
        while number < len(ENDS_S) and ENDS_S[number] <= time:
            below += counts.get(number, 0.0)
            number += 1
        inside = 0.0
        if number < len(ENDS_S):
            start, end = edges(number)
            inside = counts.get(number, 0.0) * (time - start) / (end - start)
        found.append(below + inside)
    return found


def edges(number: int) -> tuple[float, float]:
    """Where a bin starts and ends."""
    return (ENDS_S[number - 1] if number else 0.0), ENDS_S[number]


def shares(after_s: float, until_s: float) -> dict[int, float]:
    """One job that ended between two times, by bin; the parts add up to 1.

    What took longer than the last bin counts there: how much longer must not matter.
    """
    until = min(max(until_s, 0.0), ENDS_S[-1])
    after = min(max(after_s, 0.0), until)
    first, last = bisect_left(ENDS_S, after), bisect_left(ENDS_S, until)
    if until - after < 0.01 or first == last:
        return {last: 1.0}
    found = {}
    for number in range(first, last + 1):
        start, end = edges(number)
        part = (min(end, until) - max(start, after)) / (until - after)
        if part > 0.0001:
            found[number] = round(part, 4)
    return found


def aged(counts: Mapping[int, float]) -> dict[int, float] | None:
    """The counts at half their weight when there are too many of them, else None."""
    if sum(counts.values()) < MEMORY_JOBS:
        return None
    return {number: round(count / 2, 4) for number, count in counts.items()}
