"""Advice before paying: every rule speaks when it should, and not in the next best case."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.drops.advice import RULES, Facts, advise
from dropreel.jobs.options import AspectRatio
from dropreel.providers.catalog import CATALOG

PAGE = Path(__file__).parents[2] / "docs" / "prompting.md"

GOOD = Facts(
    width=1920,
    height=1080,
    size=900_000,
    media_type="image/jpeg",
    transparent=False,
    prompt="Slow cinematic push-in on the hero, dust particles floating, warm sunset glow.",
    aspect_ratio="16:9",
    resolution="720p",
    duration="5s",
    loop=False,
    provider="luma",
    providers=("luma", "oxen"),
)

SPEAKS: list[tuple[str, dict[str, Any]]] = [
    ("small image", {"width": 640, "height": 360, "size": 90_000, "resolution": "1080p"}),
    ("small image", {"width": 3000, "height": 400, "aspect_ratio": "16:9"}),
    ("compressed image", {"width": 4000, "height": 2250, "size": 300_000}),
    ("compressed image", {"media_type": "image/webp", "size": 30_000}),
    ("cropped image", {"width": 4000, "height": 1080}),
    ("cropped image", {"width": 1080, "height": 1920}),
    ("transparent image", {"transparent": True}),
    ("only objects", {"prompt": "a red car and a house"}),
    ("no motion", {"prompt": "the harbour in warm light"}),
    ("opposite moves", {"prompt": "slow push-in on the face, camera pulling back"}),
    ("opposite moves", {"prompt": "static camera, orbiting around the bottle"}),
    ("opposite moves", {"prompt": "Pan left over the hills and pan right over the sea"}),
    ("long prompt", {"prompt": "The camera moves. " * 50}),
    ("fast action", {"prompt": "two knights in a sword fight with backflips"}),
    ("many moving parts", {"prompt": "hundreds of birds rising over a busy market"}),
    ("largest and longest", {"resolution": "1080p", "duration": "10s"}),
    ("loop not set", {"prompt": "subtle orbit around the product, loopable motion"}),
    ("loop that goes one way", {"prompt": "slow push-in on the door", "loop": True}),
]

SILENT: list[tuple[str, dict[str, Any]]] = [
    ("small image", {"width": 960, "height": 540, "size": 200_000, "resolution": "720p"}),
    ("small image", {"width": 640, "height": 380, "size": 90_000, "resolution": "540p"}),
    ("compressed image", {"size": 110_000}),
    ("compressed image", {"media_type": "image/png", "size": 20_000}),
    ("cropped image", {"width": 1500, "height": 1000, "aspect_ratio": "3:2"}),
    ("cropped image", {"width": 1920, "height": 1200}),
    ("transparent image", {"media_type": "image/png"}),
    ("transparent image", {"media_type": "image/webp"}),
    ("only objects", {"prompt": "a red car and a house, gentle wind"}),
    ("only objects", {"prompt": "ein rotes Auto vor einem Haus"}),
    ("no motion", {"prompt": "the harbour in warm light, waves rolling"}),
    ("no motion", {"prompt": "brume légère sur le port"}),
    ("opposite moves", {"prompt": "push-in on the face, then pull back to the window"}),
    ("opposite moves", {"prompt": "slow push-in while the curtain blows out"}),
    ("long prompt", {"prompt": "The camera moves. " * 30}),
    ("long prompt", {}),
    ("fast action", {"prompt": "a knight breathing slowly, breakfast on the table"}),
    ("fast action", {"prompt": "steadfast lighthouse in the storm"}),
    ("many moving parts", {"prompt": "one bird rising over an empty market"}),
    ("many moving parts", {"prompt": "a crowded bookshelf, slow pan left"}),
    ("largest and longest", {"resolution": "1080p"}),
    ("largest and longest", {"duration": "10s"}),
    ("loop not set", {"prompt": "orbit around the product, loopable", "loop": True}),
    ("loop not set", {"prompt": "slow orbit around the product, no loop"}),
    ("loop that goes one way", {"prompt": "slow push-in on the door"}),
    ("loop that goes one way", {"prompt": "clouds drifting, full orbit", "loop": True}),
]


def rules_for(**changes: Any) -> list[str]:
    return [advice.rule for advice in advise(replace(GOOD, **changes))]


def test_a_good_drop_gets_no_advice() -> None:
    assert advise(GOOD) == ()


@pytest.mark.parametrize(("rule", "changes"), SPEAKS)
def test_a_rule_speaks_of_what_it_is_for(rule: str, changes: dict[str, Any]) -> None:
    assert rule in rules_for(**changes)


@pytest.mark.parametrize(("rule", "changes"), SILENT)
def test_a_rule_is_silent_in_the_next_best_case(rule: str, changes: dict[str, Any]) -> None:
    assert rule not in rules_for(**changes)


def test_every_rule_is_tried_once_and_found_silent_twice() -> None:
    for rule in RULES:
        assert any(name == rule.name for name, _ in SPEAKS), rule.name
        assert sum(name == rule.name for name, _ in SILENT) >= 2, rule.name


def test_the_example_prompts_of_the_models_pages_get_no_advice() -> None:
    quoted = re.findall(r"^> “(.+)”", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(quoted) >= 6
    for prompt in quoted:
        loop = "loop" in prompt
        assert rules_for(prompt=prompt, loop=loop) == [], prompt


def test_a_crop_names_what_is_lost_and_who_keeps_it() -> None:
    (advice,) = advise(replace(GOOD, width=3000, height=1000))
    assert str(advice) == (
        "The image is 3000 x 1000, the clip 16:9: about 41% of the picture does not fit, at the "
        'sides. To keep it, set "aspect_ratio": "21:9".'
    )


def test_another_provider_is_named_where_only_it_keeps_the_picture() -> None:
    (advice,) = advise(replace(GOOD, width=2250, height=1500, provider="luma"))
    assert advice.change in (
        'To keep it, set "aspect_ratio": "3:2" and "provider": "oxen".',
        "Crop the image yourself to choose what is kept.",
    )


def test_the_page_lists_every_rule_with_its_example() -> None:
    rows = re.findall(r"^\| ([a-z ]+) \| (.+?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows[1:] == [(rule.name, rule.example) for rule in RULES]


@given(
    facts=st.builds(
        Facts,
        width=st.integers(1, 40_000),
        height=st.integers(1, 40_000),
        size=st.integers(1, 50_000_000),
        media_type=st.sampled_from(["image/jpeg", "image/png", "image/webp"]),
        transparent=st.booleans(),
        prompt=st.text(min_size=1, max_size=300)
        | st.lists(st.sampled_from([p["prompt"] for _, p in SPEAKS if "prompt" in p])).map(
            " ".join
        ),
        aspect_ratio=st.sampled_from(get_args(AspectRatio)),
        resolution=st.sampled_from(["540p", "720p", "1080p"]),
        duration=st.sampled_from(["5s", "10s"]),
        loop=st.booleans(),
        provider=st.sampled_from([*CATALOG]),
        providers=st.lists(st.sampled_from([*CATALOG]), unique=True).map(tuple),
    )
)
def test_advice_never_fails_and_never_contradicts_itself(facts: Facts) -> None:
    found = advise(facts)
    rules = [advice.rule for advice in found]
    assert len(set(rules)) == len(rules)
    assert not {"only objects", "no motion"} <= set(rules)
    assert not {"loop not set", "loop that goes one way"} <= set(rules)
    assert all(
        advice.reason.endswith(".") and advice.change.endswith((".", '".')) for advice in found
    )
