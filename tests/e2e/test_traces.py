"""What all other end-to-end tests have left behind, and what must not be in it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from local.counts import note
from tests.e2e.canaries import PLACES, Canary, canaries, left
from tests.e2e.scenarios import Runner
from tests.e2e.world import World


def test_keys_tokens_addresses_and_prompts_are_only_where_they_belong(
    world: World, runner: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.wait_for_all()
    places, planted = left(world), canaries(world)
    wrong = {one.name: one.out_of_place(where(one, places)) for one in planted}
    wrong = {name: found for name, found in wrong.items() if found}
    searched = sum(map(len, places.values()))
    text = f"{len(planted)} kinds searched for in {searched} texts: {len(wrong)} out of place"
    note("canaries", text)
    with capsys.disabled():
        print(f"\n{text}", end=" ")  # noqa: T201 - so that the count is seen
    assert {place: bool(places[place]) for place in PLACES} == dict.fromkeys(PLACES, True)
    assert all(canary.texts for canary in planted)
    assert wrong == {}


def where(canary: Canary, places: Mapping[str, list[str]]) -> set[str]:
    return {
        place
        for place, texts in places.items()
        if any(planted in text for text in texts for planted in canary.texts)
    }
