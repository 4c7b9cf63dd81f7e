"""The commands of the runbook work on the deployed stack, as they are written there."""

from __future__ import annotations

import boto3
import pytest
from botocore.stub import Stubber

from tests.conftest import ROOT
from tests.e2e.scenarios import Runner
from tests.e2e.world import World
from tests.support.cli import commands, run

PAGE = ROOT / "docs" / "operations.md"
COMMANDS = list(dict.fromkeys(commands(PAGE)))
OUTPUTS = COMMANDS[0]
APART = {"start-message-move-task", "receive-message", "delete-message"}


def test_the_outputs_are_the_variables_of_all_commands(world: World) -> None:
    printed = run(OUTPUTS, world.client, {})
    assert dict(line.split("=", 1) for line in printed) == dict(world.stack.outputs)


@pytest.mark.parametrize("command", [one for one in COMMANDS[1:] if one.split()[2] not in APART])
def test_each_command_of_the_runbook_is_taken(world: World, runner: Runner, command: str) -> None:
    runner.wait_for_all()
    jobs = world.client("dynamodb").scan(TableName=world.stack.outputs["LedgerTableName"])
    made = [one for one in jobs["Items"] if one.get("state") == {"S": "delivered"}]
    known = command.replace("<job id>", made[0]["job_id"]["S"])
    assert run(known, world.client, world.stack.outputs) is not None


def test_a_dead_letter_is_read_and_deleted(world: World) -> None:
    read, delete = (one for one in COMMANDS if "EventsDeadLetterQueueUrl" in one)
    queue = world.stack.outputs["EventsDeadLetterQueueUrl"]
    world.client("sqs").send_message(QueueUrl=queue, MessageBody="{}")
    (letter, *_) = run(read, world.client, world.stack.outputs)["Messages"]
    known = delete.replace("<receipt handle>", letter["ReceiptHandle"])
    run(known, world.client, world.stack.outputs)


def test_drops_are_moved_back_by_the_name_of_their_queue(world: World) -> None:
    """The embedded AWS knows no tasks that move messages; boto3 knows what they are asked for."""
    (move,) = (one for one in COMMANDS if one.split()[2] == "start-message-move-task")
    arn = world.stack.outputs["IngestDeadLetterQueueArn"]
    sqs = boto3.client("sqs", region_name="us-east-1")
    with Stubber(sqs) as stubbed:
        stubbed.add_response("start_message_move_task", {"TaskHandle": "1"}, {"SourceArn": arn})
        assert run(move, lambda _: sqs, world.stack.outputs)["TaskHandle"] == "1"
