"""The commands of the runbook work on the deployed stack, as they are written there."""

from __future__ import annotations

import pytest

from tests.conftest import ROOT
from tests.e2e.scenarios import Runner
from tests.e2e.world import World
from tests.support.cli import commands, run

PAGE = ROOT / "docs" / "operations.md"
COMMANDS = list(dict.fromkeys(commands(PAGE)))
OUTPUTS = COMMANDS[0]


def test_the_outputs_are_the_variables_of_all_commands(world: World) -> None:
    printed = run(OUTPUTS, world.client, {})
    assert dict(line.split("=", 1) for line in printed) == dict(world.stack.outputs)


@pytest.mark.parametrize("command", COMMANDS[1:])
def test_each_command_of_the_runbook_is_taken(world: World, runner: Runner, command: str) -> None:
    runner.wait_for_all()
    if "delete-message" in command:
        pytest.skip("needs a message: the command before it reads them")
    jobs = world.client("dynamodb").scan(TableName=world.stack.outputs["LedgerTableName"])
    made = [one for one in jobs["Items"] if one.get("state") == {"S": "delivered"}]
    job = made[0]["job_id"]["S"]
    known = command.replace("<job id>", job)
    assert run(known, world.client, world.stack.outputs) is not None
