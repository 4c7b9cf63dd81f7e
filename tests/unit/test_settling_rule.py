"""Which pairs may start at once, and how long the others settle."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dropreel.drops.inbox import Drop
from dropreel.drops.settling import Pair, Settling, Versions

START = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
NOTHING: Versions = ("", "")
RULE = Settling(settle_s=20, grace_s=900)


def drop(key: str, at: float) -> Drop:
    return Drop(key, '"e"', 10, START + timedelta(seconds=at))


def pair(image_at: float, sidecar_at: float | None = None) -> Pair:
    sidecar = None if sidecar_at is None else drop("a.json", sidecar_at)
    return Pair(drop("a.jpg", image_at), sidecar)


def wait(of: Pair, decided: Versions = NOTHING, after: float = 0, rule: Settling = RULE) -> int:
    """How long it waits so many seconds after its newer file was dropped."""
    return rule.wait_s(of, decided, of.changed_at + timedelta(seconds=after))


@pytest.mark.parametrize("sidecar_at", [-20, 0, 20, 900])
def test_two_new_files_start_at_once(sidecar_at: float) -> None:
    assert wait(pair(0, sidecar_at)) == 0


@pytest.mark.parametrize("sidecar_at", [-21, 901, None])
def test_a_file_that_lay_alone_for_long_and_an_image_alone_settle(
    sidecar_at: float | None,
) -> None:
    assert wait(pair(0, sidecar_at)) == 20


@pytest.mark.parametrize("used", [pair(0, -50), pair(-50, 5)], ids=["image", "sidecar"])
def test_a_file_of_an_earlier_pair_makes_the_new_one_settle(used: Pair) -> None:
    assert wait(pair(0, 5), used.versions) == 20


def test_the_pair_that_was_decided_on_last_never_waits() -> None:
    for decided in (pair(0), pair(0, -3600)):
        assert wait(decided, decided.versions) == 0


def test_files_of_which_none_was_used_start_at_once_whatever_came_before() -> None:
    assert wait(pair(0, 5), pair(-60, -50).versions) == 0


@pytest.mark.parametrize(
    ("after", "left"), [(0, 20), (0.5, 20), (1, 19), (19.5, 1), (20, 0), (99, 0)]
)
def test_the_wait_is_counted_from_the_newer_upload(after: float, left: int) -> None:
    assert wait(pair(0), after=after) == left


def test_a_clock_that_is_behind_that_of_s3_does_not_make_it_wait_for_longer() -> None:
    assert wait(pair(0), after=-300) == 20


def test_without_a_settling_time_nothing_waits() -> None:
    off = Settling(settle_s=0, grace_s=900)
    assert wait(pair(0), rule=off) == 0
    assert wait(pair(0, -50), rule=off, after=-300) == 0
