"""When to look at a job: first wait, pace, deadline. All numbers are seconds.

The table holds each provider's usual runtime and the pace its pages ask for (2026-11).
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """`first`: just before the earliest usual end. `step`: between looks after that."""

    first: int
    step: int
    pace: int  # never look more often than this


PROFILES = {
    "eachlabs": Profile(first=40, step=10, pace=2),
    "fal": Profile(first=50, step=10, pace=5),
    "luma": Profile(first=50, step=10, pace=5),
    "oxen": Profile(first=240, step=30, pace=10),
}

SEARCH_FIRST_S = 30  # until a lost order may show in a provider's list
_SLOWEST_STEP = 180
_MAX_RETRY_AFTER = 900


def first_wait(provider: str) -> int:
    return PROFILES[provider].first


def next_wait(provider: str, waited: float, retry_after: float | None = None) -> int:
    """Wait before the next look, `waited` seconds after the provider took the job.

    Past twice the usual time the steps widen with the time already waited, so that a job that
    takes hours makes few looks and a short history.
    """
    profile = PROFILES[provider]
    step = max(profile.step, min(_SLOWEST_STEP, (waited - 2 * profile.first) / 4))
    return math.ceil(max(step, profile.pace, min(retry_after or 0, _MAX_RETRY_AFTER)))


def busy_wait(retry_after: float | None, tries: int) -> int:
    """Wait before asking a busy provider again: what it says, else 15 s doubling to 5 minutes."""
    if retry_after is not None:
        return math.ceil(max(1.0, min(retry_after, _MAX_RETRY_AFTER)))
    return int(min(300, 15 * 2 ** min(tries, 10)))
