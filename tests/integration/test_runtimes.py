"""How long jobs take: what is measured, what is expected, and how it is kept."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dropreel.ledger.runtimes import MeasuredRuntimes
from dropreel.providers.catalog import CATALOG
from dropreel.waiting.runtimes import (
    ENDS_S,
    MEMORY_JOBS,
    JobKind,
    Runtimes,
    aged,
    edges,
    shares,
)
from dropreel.waiting.schedule import Schedule
from tests.support.aws import Aws

KIND = JobKind("luma", "720p", "5s")
seconds = st.floats(0, 100_000)


def at(runtimes: Runtimes, time: float) -> float:
    (share,) = runtimes.ended_by([time])
    return share


@settings(deadline=None)
@given(st.lists(seconds, min_size=2), st.dictionaries(st.integers(0, 116), st.floats(0, 100)))
def test_the_share_of_ended_jobs_grows_and_stays_below_one(
    times: list[float], known: dict[int, float]
) -> None:
    found = Runtimes(KIND, known).ended_by(sorted(times))
    assert all(0 <= share < 1 for share in found)
    assert all(late >= early - 1e-12 for early, late in itertools.pairwise(found))


@pytest.mark.parametrize("provider", CATALOG)
def test_before_there_is_data_the_profile_speaks(provider: str) -> None:
    runtimes = Runtimes(JobKind(provider, "720p", "5s"), {})
    profile = CATALOG[provider].profile
    assert at(runtimes, profile.usual_s) == pytest.approx(0.5)
    assert at(runtimes, profile.usual_s * profile.spread) == pytest.approx(0.93, abs=0.01)


def test_the_profile_moves_to_where_the_measured_jobs_are() -> None:
    far = Runtimes(KIND, dict.fromkeys(shares(300, 300), 60.0))
    assert 270 < far.usual_s < 320
    assert at(far, 150) < 0.01


def test_larger_and_longer_clips_are_expected_later() -> None:
    small, large = JobKind("fal", "540p", "5s"), JobKind("fal", "1080p", "10s")
    assert large.usual_s > 2 * small.usual_s
    assert JobKind("fal", "4k", "20s").usual_s == CATALOG["fal"].profile.usual_s


def test_few_jobs_already_count_more_than_the_profile() -> None:
    counts = dict.fromkeys(shares(20, 20), 5.0)
    assert at(Runtimes(KIND, {}), 25) < 0.03
    assert at(Runtimes(KIND, counts), 25) > 0.5


@settings(deadline=None)
@given(seconds, seconds)
def test_a_job_counts_once_whatever_is_known_of_its_end(one: float, other: float) -> None:
    parts = shares(min(one, other), max(one, other))
    assert sum(parts.values()) == pytest.approx(1, abs=0.01)
    for number in parts:
        start, end = edges(number)
        assert end >= min(one, ENDS_S[-1], other)
        assert start <= max(one, other)


def test_a_job_whose_end_nobody_saw_counts_evenly_for_the_time_between() -> None:
    parts = shares(0, 32)
    assert sum(part for number, part in parts.items() if ENDS_S[number] <= 16.001) == pytest.approx(
        0.5, abs=0.01
    )


def test_a_very_long_runtime_counts_in_the_last_bin() -> None:
    assert shares(1e6, 2e6) == {len(ENDS_S) - 1: 1.0}


def test_counts_are_halved_when_there_are_many() -> None:
    assert aged({3: MEMORY_JOBS - 1}) is None
    assert aged({3: MEMORY_JOBS - 2, 5: 3.0}) == {3: 31.0, 5: 1.5}


@pytest.mark.uncounted
def test_the_plan_follows_when_jobs_become_slower_or_faster() -> None:
    """Also where it wakes too late to see how much faster they are."""
    counts: dict[int, float] = {}
    firsts = []
    for runtime in (60, 150, 20):
        for _ in range(300):
            first = Schedule(Runtimes(KIND, counts), now_s=0, deadline_s=3600).wait_s(0)
            seen = (0, first) if runtime <= first else (runtime - 3, runtime + 3)
            for number, part in shares(*seen).items():
                counts[number] = counts.get(number, 0) + part
            counts = aged(counts) or counts
        firsts.append(first)
    assert 40 <= firsts[0] <= 58
    assert 90 <= firsts[1] <= 148
    assert firsts[2] < 20


# --- in the ledger --------------------------------------------------------------------------------


def test_what_was_noted_is_known_for_that_kind_alone(aws: Aws) -> None:
    measured = MeasuredRuntimes(aws.table)
    measured.note(KIND, 60, 61)
    measured.note(KIND, 60, 61)
    (number,) = shares(60, 61)
    assert measured.of(KIND).counts == {number: 2.0}
    assert measured.of(JobKind("luma", "1080p", "5s")).counts == {}


def test_what_was_measured_long_ago_fades(aws: Aws) -> None:
    measured = MeasuredRuntimes(aws.table)
    for _ in range(200):
        measured.note(KIND, 60, 61)
    for _ in range(200):
        measured.note(KIND, 120, 121)
    counts = measured.of(KIND).counts
    (old,), (new,) = shares(60, 61), shares(120, 121)
    assert counts[new] > 25
    assert counts[old] < 4
    item = aws.table.get("RUNTIMES#luma#720p#5s")
    assert item is not None
    assert item["jobs"] == 400


def test_jobs_that_end_at_the_same_time_are_all_counted(aws: Aws) -> None:
    measured = MeasuredRuntimes(aws.table)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: measured.note(KIND, 0, 40), range(50)))
    counts = measured.of(KIND).counts
    assert sum(counts.values()) == pytest.approx(50, abs=0.1)


def test_ageing_gives_way_to_a_job_that_is_counted_meanwhile(aws: Aws) -> None:
    measured = MeasuredRuntimes(aws.table)
    measured.note(KIND, 60, 61)
    measured._age(KIND, 0, {1: 5.0})
    assert 1 not in measured.of(KIND).counts
