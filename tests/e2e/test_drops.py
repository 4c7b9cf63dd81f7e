"""Every scripted drop on the real stack: one end, one mail, one record, at most one order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local.demo import check_clip
from tests.conftest import ROOT
from tests.e2e.scenarios import SCENARIOS, Runner, Scenario
from tests.e2e.world import World, wait_for

ASL = ROOT / "statemachine" / "render.asl.json"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_drop_ends_as_it_should(
    world: World, runner: Runner, scenario: Scenario, tmp_path: Path
) -> None:
    end = runner.end_of(scenario)
    assert (end.outcome, end.kind) == (scenario.outcome, scenario.kind)
    assert end.record["outcome" if scenario.outcome == "rejected" else "state"] == end.outcome
    if scenario.sidecar is None:
        assert len(world.ordered(f"{scenario.name}: ")) == scenario.ordered
    if scenario.outcome == "rejected":
        problems = {problem["field"] for problem in end.mail.document["problems"]}
        assert problems == scenario.fields
    else:
        assert end.status == ("SUCCEEDED" if scenario.outcome == "delivered" else "FAILED")
    if scenario.outcome == "delivered":
        clip = tmp_path / "clip.mp4"
        clip.write_bytes(world.read(end.mail.document["clip"]))
        differs = bool(check_clip(clip, end.mail.document["settings"]))
        assert differs == scenario.remark == bool(end.record["remark"])
    elif end.status:
        assert end.error == f"{end.outcome}.{end.kind}"
        assert end.mail.document["clip"] is None
    if scenario.operator:
        key = scenario.image_key
        assert len(wait_for("note", lambda: world.operators.about(key) or None)) == 1


def test_nobody_gets_two_mails_and_no_clip_lies_where_none_was_delivered(
    world: World, runner: Runner
) -> None:
    runner.wait_for_all()
    for scenario in SCENARIOS:
        assert len(world.postman.about(scenario.image_key)) == 1, scenario.name
        assert len(world.operators.about(scenario.image_key)) == scenario.operator, scenario.name
    listed = world.client("s3").list_objects_v2(Bucket=world.clips, Prefix="clips/e2e/")
    stored = {item["Key"] for item in listed["Contents"] if item["Key"].endswith(".mp4")}
    told = {
        mail.document["clip"].removeprefix(f"s3://{world.clips}/")
        for mails in world.postman.all().values()
        for mail in mails
        if mail.document.get("clip") and mail.document["image"].startswith("e2e/")
    }
    assert stored == told


def test_every_state_of_the_workflow_was_passed(world: World, runner: Runner) -> None:
    runner.wait_for_all()
    assert world.states_seen == set(json.loads(ASL.read_text())["States"])


def test_no_key_went_to_a_host_that_should_not_have_it(world: World, runner: Runner) -> None:
    runner.wait_for_all()
    assert world.simulators.keys_seen_on_cdn == 0
