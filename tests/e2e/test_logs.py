"""What the logs of all other end-to-end tests hold, and what they must not."""

from __future__ import annotations

import json

from local import stack
from local.metrics import log_lines
from tests.e2e.scenarios import Runner
from tests.e2e.world import World


def test_no_log_holds_a_key_a_prompt_or_an_address_that_opens_something(
    world: World, runner: Runner
) -> None:
    runner.wait_for_all()
    lines = log_lines(world.stack.aws)
    assert len(lines) > 100
    for secret in (*stack.KEYS.values(), "slow push-in", "X-Amz-Signature", "X-Amz-Credential"):
        assert not [line for line in lines if secret in line], secret


def test_the_lines_of_a_job_carry_its_identifiers(world: World, runner: Runner) -> None:
    runner.wait_for_all()
    told = [json.loads(line) for line in log_lines(world.stack.aws) if '"job ended as' in line]
    assert told
    for line in told:
        assert len(line["job_id"]) == 24
        assert ":execution:" in line["execution_id"]
