"""A clip matches its order in length and shape, or the error says what came."""

from __future__ import annotations

import pytest

from dropreel.clips.mp4 import check_matches
from dropreel.errors import ClipInvalidError
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
    check_matches(info, duration=duration, aspect_ratio=ratio)


def test_a_clip_of_another_length_or_shape_says_what_was_asked_and_got() -> None:
    with pytest.raises(ClipInvalidError, match=r"asked for 10s, got 5\.04 s$"):
        check_matches(clip(), duration="10s", aspect_ratio="16:9")
    with pytest.raises(ClipInvalidError, match=r"asked for 9:16, got 1280 x 720 pixels$"):
        check_matches(clip(), duration="5s", aspect_ratio="9:16")
    with pytest.raises(ClipInvalidError, match=r"got 3\.00 s; asked for 2:1"):
        check_matches(clip(3), duration="5s", aspect_ratio="2:1")


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
            if asked == made:
                check_matches(info, duration="5s", aspect_ratio=asked)
            else:
                with pytest.raises(ClipInvalidError, match="asked for"):
                    check_matches(info, duration="5s", aspect_ratio=asked)
