"""Which pairs may start at once, and which have to settle."""

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
    sidecars = () if sidecar_at is None else (drop("a.json", sidecar_at),)
    return Pair(drop("a.jpg", image_at), sidecars)


@pytest.mark.parametrize("sidecar_at", [-20, 0, 20, 900])
def test_two_new_files_start_at_once(sidecar_at: float) -> None:
    assert not RULE.must_settle(pair(0, sidecar_at), NOTHING)


@pytest.mark.parametrize("sidecar_at", [-21, 901, None])
def test_a_file_that_lay_alone_for_long_and_an_image_alone_settle(
    sidecar_at: float | None,
) -> None:
    assert RULE.must_settle(pair(0, sidecar_at), NOTHING)


@pytest.mark.parametrize("used", [pair(0, -50), pair(-50, 5)], ids=["image", "sidecar"])
def test_a_file_of_an_earlier_pair_makes_the_new_one_settle(used: Pair) -> None:
    assert RULE.must_settle(pair(0, 5), used.versions)


@pytest.mark.parametrize("decided", [pair(0), pair(0, -3600)], ids=["image alone", "old sidecar"])
def test_the_pair_that_was_decided_on_last_never_settles_again(decided: Pair) -> None:
    assert not RULE.must_settle(decided, decided.versions)


def test_files_of_which_none_was_used_start_at_once_whatever_came_before() -> None:
    assert not RULE.must_settle(pair(0, 5), pair(-60, -50).versions)


def test_a_settling_time_longer_than_the_grace_period_counts_for_both_files() -> None:
    patient = Settling(settle_s=60, grace_s=0)
    assert not patient.must_settle(pair(0, 60), NOTHING)
    assert not patient.must_settle(pair(60, 0), NOTHING)


def test_without_a_settling_time_nothing_waits() -> None:
    off = Settling(settle_s=0, grace_s=900)
    assert not off.must_settle(pair(0), NOTHING)
    assert not off.must_settle(pair(0, 5), pair(0, -50).versions)
