"""Digests on the real stack. Their minutes pass while the tests before these run."""

from __future__ import annotations

from tests.e2e.scenarios import Runner
from tests.e2e.world import World, wait_for


def test_what_came_at_once_is_told_together_at_the_end_of_its_minute(
    world: World, runner: Runner
) -> None:
    runner.wait_for_all()
    digests = wait_for("digest", lambda: world.digests() or None)
    assert sum(sum(digest.document["counts"].values()) for digest in digests) >= 1
    assert "results in one mail" in digests[0].text or "1 result in" in digests[0].text
    wait_for("end of all digests", lambda: None if world.untold() else True)
