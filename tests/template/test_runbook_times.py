"""docs/operations.md and docs/decisions.md say how long the workflow repeats a step."""

from __future__ import annotations

from itertools import accumulate, repeat
from typing import Any

import pytest

from tests.conftest import ROOT


def waits_s(retrier: dict[str, Any]) -> list[float]:
    """The waits between the attempts, on average: full jitter takes half of each."""
    most, rate = retrier["MaxDelaySeconds"], retrier["BackoffRate"]
    steps = repeat(retrier["IntervalSeconds"], retrier["MaxAttempts"])
    share = 0.5 if retrier.get("JitterStrategy") == "FULL" else 1
    return [share * wait for wait in accumulate(steps, lambda wait, _: min(rate * wait, most))]


def said_in(page: str) -> str:
    return " ".join((ROOT / "docs" / page).read_text(encoding="utf-8").split())


@pytest.mark.parametrize("page", ["operations.md", "decisions.md"])
def test_the_pages_say_how_long_a_step_is_repeated(workflow: dict[str, Any], page: str) -> None:
    poll, finalize = (
        round(sum(waits_s(workflow["States"][step]["Retry"][-1])) / 60)
        for step in ("Poll", "Finalize")
    )
    assert f"`poll` for about {poll} minutes and `finalize` for {finalize}" in said_in(page)


def test_the_runbook_says_how_long_a_throttled_step_waits(workflow: dict[str, Any]) -> None:
    throttled = [state["Retry"][0] for state in workflow["States"].values() if "Retry" in state]
    (most_s,) = {retrier["MaxDelaySeconds"] for retrier in throttled}
    assert len(throttled) == 4
    assert f"with pauses of up to {most_s // 60} minutes" in said_in("operations.md")
