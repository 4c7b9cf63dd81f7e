"""A clip is as ordered in length and shape, or the remark says how it differs."""

from __future__ import annotations

import pytest

from dropreel.clips.mp4 import remark_on
from dropreel.jobs.job import ClipInfo


def clip(duration: float = 5.04, width: int = 1280, height: int = 720) -> ClipInfo:
    return ClipInfo(duration, width, height, 1, "")


@pytest.mark.parametrize(
    ("info", "duration", "ratio"),
    [
        (clip(), "5s", "16:9"),
        (clip(4.1), "5s", "16:9"),
        (clip(9.0), "10s", "16:9"),
        (clip(width=1280, height=544), "5s", "21:9"),
        (clip(width=544, height=1280), "5s", "9:21"),
        (clip(width=720, height=720), "5s", "1:1"),
    ],
)
def test_a_clip_about_as_ordered_matches(info: ClipInfo, duration: str, ratio: str) -> None:
    assert remark_on(info, duration, ratio) == ""


def test_of_a_clip_of_another_length_or_shape_the_remark_says_what_was_ordered_and_got() -> None:
    assert remark_on(clip(), "10s", "16:9") == "ordered 10s, got 5.04 s"
    assert remark_on(clip(), "5s", "9:16") == "ordered 9:16, got 1280 x 720 pixels"
    both = "ordered 5s, got 3.00 s; ordered 2:1, got 1280 x 720 pixels"
    assert remark_on(clip(3), "5s", "2:1") == both


def test_neighbouring_ratios_on_offer_are_never_confused() -> None:
    offered = [
        "3:1",
        "2:1",
        "21:9",
        "16:9",
        "4:3",
        "3:2",
        "1:1",
        "3:4",
        "2:3",
        "9:16",
        "1:2",
        "1:3",
    ]
    for asked in offered:
        for made in offered:
            wide, high = map(int, made.split(":"))
            info = clip(width=wide * 80 + 3, height=high * 80)
            assert bool(remark_on(info, "5s", asked)) == (asked != made)
