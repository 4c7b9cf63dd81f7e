"""The rights of the deployed roles are those that the calls of all end-to-end tests needed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import pytest

from local.counts import note, seen
from tests.e2e.scenarios import Runner
from tests.e2e.world import World
from tests.support.policies import Call, Statement, allowed, unused

# What AWS does by itself in the name of a role. The embedded AWS does it without asking.
BY_AWS = {
    **dict.fromkeys(("logs:CreateLogStream", "logs:PutLogEvents"), "Lambda writes the logs"),
    **dict.fromkeys(("xray:PutTraceSegments", "xray:PutTelemetryRecords"), "Lambda traces"),
    "sqs:ReceiveMessage": "Lambda drains the ingest queue",
    "sqs:DeleteMessage": "Lambda drains the ingest queue",
    "sqs:GetQueueAttributes": "Lambda drains the ingest queue",
}
# Lambda puts calls there that failed.
DEAD_LETTERS = "EventsDeadLetterQueue"
# Roles that the fault matrix does not play.
# Not `view`: what its pages may open is opened in a browser, which not every machine has.
UNPLAYED = ("ThumbnailFunction", "WidgetFunction", "ImageReader")
# Roles of services, all of whose calls are such.
OF_AWS = ("RenderStateMachineRole", "SweepFunctionHalfHourlyRole")


@pytest.fixture(scope="module")
def calls(world: World, runner: Runner) -> Mapping[str, list[Call]]:
    """What was checked against policies in all tests so far, by role."""
    runner.wait_for_all()
    found: dict[str, list[Call]] = defaultdict(list)
    for line in world.calls.read_text(encoding="utf-8").splitlines():
        call = Call.read(line)
        if call.role:
            found[call.role].append(call)
    return found


@pytest.fixture(scope="module")
def roles(world: World) -> Mapping[str, list[Statement]]:
    """The statements of the stack's roles, as they are deployed, by the role's name."""
    iam = world.client("iam")
    names = [role["RoleName"] for role in iam.list_roles()["Roles"]]
    return {name: statements(iam, name) for name in names if not of_aws(name)}


def of_aws(role: str) -> bool:
    return any(name in role for name in OF_AWS)


def statements(iam: Any, role: str) -> list[Statement]:
    documents = [
        iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
    ]
    return [Statement.read(one) for document in documents for one in document["Statement"]]


def test_no_call_was_refused(calls: Mapping[str, list[Call]]) -> None:
    refused = [call for found in calls.values() for call in found if not call.allowed]
    assert refused == []


def test_every_call_is_allowed_however_aws_reads_the_keys_of_a_transaction(
    calls: Mapping[str, list[Call]], roles: Mapping[str, list[Statement]]
) -> None:
    missing = [
        call for role, found in calls.items() for call in found if not allowed(call, roles[role])
    ]
    assert missing == []


def test_no_right_of_what_the_fault_matrix_does_not_play_can_be_taken_away(
    calls: Mapping[str, list[Call]],
    roles: Mapping[str, list[Statement]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The others are played in `tests/faults/test_rights.py`, with every rare course."""
    needed = {role: [one for one in held if not by_aws(one)] for role, held in roles.items()}
    rights = sum(1 for held in needed.values() for one in held for _ in one.parts())
    left = {role: unused(held, calls[role]) for role, held in needed.items()}
    unplayed = {role: found for role, found in left.items() if found and is_unplayed(role)}
    total, rare = sum(map(len, calls.values())), sum(map(len, left.values()))
    note(
        "grants",
        f"{rights} rights checked against {total} calls, {rare} of them in plays only: "
        f"{sum(map(len, unplayed.values()))} unused",
    )
    with capsys.disabled():
        print(f"\n{seen('grants')}", end=" ")  # noqa: T201 - so that the count is seen
    assert rights > 100
    assert unplayed == {}


def is_unplayed(role: str) -> bool:
    return any(f"{name}Role" in role for name in UNPLAYED)


def by_aws(statement: Statement) -> bool:
    dead_letters = all(DEAD_LETTERS in resource for resource in statement.resources)
    return dead_letters or set(statement.actions) <= BY_AWS.keys()
