"""What the logs of all other end-to-end tests hold."""

from __future__ import annotations

import json

from local.metrics import log_lines
from tests.e2e.scenarios import Runner
from tests.e2e.world import World


def test_the_lines_of_a_job_carry_its_identifiers(world: World, runner: Runner) -> None:
    runner.wait_for_all()
    told = [json.loads(line) for line in log_lines(world.stack.aws) if '"job ended as' in line]
    assert told
    for line in told:
        assert len(line["job_id"]) == 24
        assert ":execution:" in line["execution_id"]
