from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.waiting import PROFILES, busy_wait, first_wait, next_wait

providers = st.sampled_from(sorted(PROFILES))
EVENTS_PER_LOOK = 10  # of an execution's history: wait, task and choice with their results
HISTORY_LIMIT = 25_000


@given(providers, st.floats(0, 100_000), st.none() | st.floats(0, 100_000))
def test_a_provider_is_never_asked_faster_than_its_pace(
    provider: str, waited: float, retry_after: float | None
) -> None:
    seconds = next_wait(provider, waited, retry_after)
    assert seconds >= PROFILES[provider].pace
    assert seconds >= min(retry_after or 0, 900)
    assert seconds <= 900


@pytest.mark.parametrize("provider", sorted(PROFILES))
def test_a_whole_day_of_waiting_stays_far_below_the_limit_of_a_history(provider: str) -> None:
    waited: float = first_wait(provider)
    looks = 1
    while waited < 1440 * 60:
        waited += next_wait(provider, waited)
        looks += 1
    assert looks * EVENTS_PER_LOOK < HISTORY_LIMIT / 2


def test_a_busy_provider_is_asked_when_it_says() -> None:
    assert busy_wait(7.2, 0) == 8
    assert busy_wait(0, 0) == 1
    assert busy_wait(86_400, 0) == 900


def test_a_busy_provider_that_says_nothing_is_asked_ever_less_often() -> None:
    assert [busy_wait(None, tries) for tries in range(6)] == [15, 30, 60, 120, 240, 300]
