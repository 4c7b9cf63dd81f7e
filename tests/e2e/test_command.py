"""The command `dropreel` on the deployed stack: drop, list, pause, cancel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.world import Run, World, wait_for
from tests.support.pictures import picture


@pytest.fixture
def image(tmp_path: Path) -> str:
    (tmp_path / "shot.jpg").write_bytes(picture(160, 90))
    return str(tmp_path / "shot.jpg")


def test_a_drop_is_followed_to_its_clip_and_found_in_the_list(
    world: World, dropreel: Run, image: str
) -> None:
    code, said = dropreel("drop", image, "--prompt", "by command", "--to", "command/1", "--watch")
    (drop,) = said["drops"]
    assert (code, drop["jobs"][0]["state"]) == (0, "delivered")
    _, shown = dropreel("show", "command/1/shot.jpg")
    assert world.read(shown["clip"])
    assert {"Generate", "Finalize"} <= {step["step"] for step in shown["steps"]}
    _, listed = dropreel("jobs", "--folder", "command/1")
    assert [job["job_id"] for job in listed["jobs"]] == [shown["job_id"]]
    _, address = dropreel("open", "command/1/shot.jpg")
    assert httpx.get(address["url"], timeout=30).is_success  # the clip's page
    _, money = dropreel("spend", "--by", "provider")
    assert drop["jobs"][0]["provider"] in {row["provider"] for row in money["rows"]}
    _, log = dropreel("logs", "command/1/shot.jpg")
    assert any("order accepted" in line["message"] for line in log["lines"])


def test_in_a_pause_a_job_waits_unpaid_and_can_be_cancelled(
    world: World, dropreel: Run, image: str
) -> None:
    assert dropreel("pause", "--reason", "e2e")[1]["paused"]
    try:
        dropreel("drop", image, "--prompt", "in a pause", "--to", "command/2")
        job_id = world.job_id_of("command/2/shot.jpg")
        _, looked = dropreel("watch")
        assert looked["paused_since"]
        code, said = dropreel("cancel", job_id, "--wait", "90")
        assert (code, said["jobs"][0]["state"]) == (0, "cancelled")
    finally:
        assert not dropreel("unpause")[1]["paused"]
    assert world.end_of("command/2/shot.jpg").outcome == "cancelled"
    assert world.ordered("in a pause") == []

    def retried() -> Any:  # once the ledger has noted that the mail was sent
        code, told = dropreel("retry", job_id)
        return told if code == 0 else None

    assert wait_for("next run", retried)["jobs"][0]["run"] == 2
    assert world.second_mail_about("command/2/shot.jpg").document["outcome"] == "delivered"


def test_after_the_order_the_provider_is_asked_to_stop(
    world: World, dropreel: Run, image: str
) -> None:
    prompt = "stopped [sim: render=600]"
    words = ("--prompt", prompt, "--set", "provider=fal", "--to", "command/3")
    dropreel("drop", image, *words)
    job_id = world.job_id_of("command/3/shot.jpg")
    world.in_state(job_id, "submitted", "running")
    code, said = dropreel("cancel", job_id)
    assert "fal" in said["jobs"][0]["money"]
    wait_for("end", lambda: world.ledger_item(job_id)["state"]["S"] == "cancelled" or None)
    (order,) = world.ordered("stopped")
    assert (code, order.state) == (0, "cancelled")
    code, told = dropreel("cancel", job_id)
    assert "it is cancelled already" in told["jobs"][0]["error"]
