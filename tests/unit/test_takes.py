"""The field `takes`: each entry is a whole sidecar, and equal clips get different numbers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dropreel.drops.fields import Merged, json_fields
from dropreel.drops.sidecar import MAX_TAKES, Sidecar
from dropreel.drops.takes import choose_all, takes_of
from dropreel.errors import RejectedError


def parsed(**fields: Any) -> tuple[Sidecar, ...]:
    return takes_of(
        Merged.of([json_fields("photo.json", json.dumps({"prompt": "push-in", **fields}).encode())])
    )


def problems(**fields: Any) -> list[str]:
    with pytest.raises(RejectedError) as caught:
        parsed(**fields)
    return [f"{problem.field}: {problem.found}" for problem in caught.value.problems]


def test_a_sidecar_without_takes_is_one_clip() -> None:
    (sidecar,) = parsed(duration="10s")
    assert sidecar == Sidecar(prompt="push-in", duration="10s")


def test_a_number_makes_takes_of_the_same_settings() -> None:
    sidecars = parsed(takes=3, resolution="720p")
    assert [sidecar.take for sidecar in sidecars] == [1, 2, 3]
    assert sidecars[1] == Sidecar(prompt="push-in", resolution="720p", take=2)


def test_an_entry_overrides_any_field() -> None:
    first, second = parsed(takes=[{"prompt": "orbit"}, {"provider": "fal", "duration": 10}])
    assert (first.prompt, first.provider, first.take) == ("orbit", "auto", 1)
    assert (second.prompt, second.provider, second.duration) == ("push-in", "fal", "10s")
    assert second.take == 1


def test_a_list_of_prompts_needs_none_in_the_file() -> None:
    data = json.dumps({"takes": [{"prompt": "orbit"}, {"prompt": "push-in"}]}).encode()
    assert [
        sidecar.prompt for sidecar in takes_of(Merged.of([json_fields("photo.json", data)]))
    ] == ["orbit", "push-in"]


def test_equal_settings_get_the_numbers_that_are_free() -> None:
    entries = [{}, {"duration": 5}, {"take": 2}, {"duration": "10s"}, {"priority": "high"}]
    assert [sidecar.take for sidecar in parsed(takes=entries)] == [1, 3, 2, 1, 4]


@pytest.mark.parametrize("takes", [0, MAX_TAKES + 1, True, "17", [], [{}] * (MAX_TAKES + 1), None])
def test_takes_are_at_least_one_and_at_most_sixteen(takes: Any) -> None:
    (problem,) = problems(takes=takes)
    assert problem.startswith("takes: ")


def test_what_is_wrong_with_an_entry_is_named_with_its_number() -> None:
    assert problems(takes=[{}, {"duration": "7s"}, {"resolutoin": "720p"}]) == [
        'take 2 of the list: duration: "7s"',
        'take 3 of the list: "resolutoin": an unknown field',
    ]


def test_what_is_wrong_with_all_of_them_is_named_once() -> None:
    assert problems(prompt="", takes=3) == ['prompt: ""']


@pytest.mark.parametrize("entry", ["orbit", 3, {"takes": 2}, None])
def test_an_entry_is_an_object_without_takes_of_its_own(entry: Any) -> None:
    (problem,) = problems(takes=[{}, entry])
    assert problem.startswith("take 2 of the list: takes: ")


def test_the_same_clip_cannot_be_asked_for_twice() -> None:
    assert problems(takes=[{"take": 2}, {"take": 2, "max_cost_usd": 1}]) == [
        "take 2 of the list: take: 2 for the same clip twice"
    ]


def test_take_beside_takes_is_in_doubt() -> None:
    assert problems(take=2, takes=3) == ["take: beside takes"]


def test_what_no_provider_makes_is_named_with_the_number_of_its_take() -> None:
    sidecars = parsed(takes=[{}, {"provider": "luma", "aspect_ratio": "3:1"}])
    with pytest.raises(RejectedError) as caught:
        choose_all(sidecars, 1600, 900, ("luma", "fal"))
    assert [problem.field for problem in caught.value.problems] == [
        "take 2 of the list: aspect_ratio"
    ]
