"""`dropreel doctor` on the deployed stack, with the simulators for providers."""

from __future__ import annotations

from tests.e2e.world import Run, World

# What other tests leave behind at any moment.
_OF_OTHERS = {"jobs", "dead letters", "alarms", "orders", "pause", "queues"}


def test_a_stack_that_is_well_has_nothing_red(world: World, dropreel: Run) -> None:
    _, said = dropreel("doctor")
    levels = {one["check"]: one["level"] for one in said["checks"]}
    assert {name for name, level in levels.items() if level == "red"} <= _OF_OTHERS, said
    surely = ("account", "stack", "version", "settings", "way of a drop", "functions", "self-test")
    of_providers = [name for name in levels if name.startswith(("key of", "model at"))]
    assert {name: levels[name] for name in (*surely, *of_providers)} == dict.fromkeys(
        (*surely, *of_providers), "green"
    ), said


def test_a_model_that_has_drifted_is_red(world: World, dropreel: Run) -> None:
    world.simulators.set_drift("fal", "-prompt", "!style")
    try:
        code, said = dropreel("doctor", "--no-self-test")
    finally:
        world.simulators.set_drift("fal")
    (model,) = (one for one in said["checks"] if one["check"] == "model at fal")
    assert (code, model["level"]) == (1, "red")
    assert "it requires style, which dropreel does not send" in model["words"]
