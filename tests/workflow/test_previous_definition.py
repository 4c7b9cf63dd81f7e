"""Executions that were started before a deployment go on with the definition they began with.

`previous/render.asl.json` is the workflow as it was before; today's functions must serve it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dropreel.observability import metrics
from local.faults.asl import Machine
from local.faults.faults import Cell
from local.faults.matrix import play
from local.faults.provider import NAMES
from local.faults.scenarios import SCENARIOS
from local.faults.world import World, world

PREVIOUS = Path(__file__).parent / "previous" / "render.asl.json"


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("clips"), Machine.read(PREVIOUS)) as made:
        yield made
    metrics.clear_metrics()


@pytest.mark.parametrize("provider", NAMES)
@pytest.mark.parametrize(
    "scenario", [name for name, one in SCENARIOS.items() if set(NAMES) <= set(one.providers)]
)
def test_an_execution_of_the_previous_definition_ends_as_it_would_have(
    before: World, provider: str, scenario: str
) -> None:
    assert play(before, Cell(provider, scenario, None)).violations == ()


@pytest.mark.parametrize("provider", NAMES)
def test_a_drop_that_was_started_before_is_delivered(before: World, provider: str) -> None:
    result = play(before, Cell(provider, "success", None))
    assert (result.state, result.accepted, result.mails) == ("delivered", 1, ("delivered",))
    (states,) = before.workflow.visited.values()
    assert states[:3] == ["New or resumed?", "Wait for a slot", "Ask provider"]
    assert states[-2:] == ["How did it end?", "Delivered"]
