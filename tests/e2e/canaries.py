"""What must not get about: canaries, and the places in which a run leaves something."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local import stack
from local.follow import executions
from local.metrics import emitted, log_lines
from tests.e2e.world import World

PLACES = ("logs", "metrics", "records", "mails", "histories", "items")


@dataclass(frozen=True)
class Canary:
    """Texts that were planted. They are found in `lie_in`, and may be in `may_be_in` besides."""

    name: str
    texts: Sequence[str]
    lie_in: frozenset[str] = frozenset()
    may_be_in: frozenset[str] = frozenset()

    def out_of_place(self, found: set[str]) -> set[str]:
        """Where they are although they must not, or are not although they must."""
        return (found - self.lie_in - self.may_be_in) | (self.lie_in - found)


def canaries(world: World) -> list[Canary]:
    """API keys, task tokens, signed addresses, and the prompts of all scenarios."""
    tokens = [item["token"]["S"] for item in items(world) if item["pk"]["S"].startswith("PARKED#")]
    return [
        Canary("API key", [*stack.KEYS.values()]),
        # AWS's histories hold what a task is given; those of the embedded AWS do not.
        Canary("task token", tokens, frozenset({"items"}), frozenset({"histories"})),
        Canary("signed address", ["X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Credential"]),
        Canary("prompt", ["slow push-in"], frozenset({"records", "mails", "items"})),
    ]


def left(world: World) -> Mapping[str, list[str]]:
    """All that the run has left, by place."""
    lines = log_lines(world.stack.aws)
    return {
        "logs": lines,
        "metrics": [str(series) for series in emitted(lines)],
        "records": list(_records(world)),
        "mails": [
            f"{mail.subject}\n{mail.text}\n{json.dumps(mail.document)}"
            for postman in (world.postman, world.operators)
            for mails in postman.all().values()
            for mail in mails
        ],
        "histories": list(_histories(world)),
        "items": [json.dumps(item) for item in items(world)],
    }


def items(world: World) -> list[dict[str, Any]]:
    """All items of the ledger, as they are stored."""
    scan = world.client("dynamodb").get_paginator("scan")
    pages = scan.paginate(TableName=world.stack.outputs["LedgerTableName"])
    return [item for page in pages for item in page["Items"]]


def _records(world: World) -> Iterator[str]:
    listing = world.client("s3").get_paginator("list_objects_v2")
    for page in listing.paginate(Bucket=world.clips):
        for found in page.get("Contents", []):
            if found["Key"].endswith(".json"):
                yield world.read(f"s3://{world.clips}/{found['Key']}").decode()


def _histories(world: World) -> Iterator[str]:
    """Input, output and events of every execution."""
    steps = world.client("stepfunctions")
    for execution in executions(world.stack.aws, world.stack.outputs["RenderStateMachineArn"]):
        arn = execution["executionArn"]
        yield json.dumps(steps.describe_execution(executionArn=arn), default=str)
        for page in steps.get_paginator("get_execution_history").paginate(executionArn=arn):
            yield json.dumps(page["events"], default=str)
