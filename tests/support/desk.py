"""The command `dropreel` on in-process AWS."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from rich.console import Console

from cli.app import main
from cli.desk import WIDE, Desk
from cli.stack import Stack
from dropreel.jobs.job import Job, State, utc_iso
from tests.support.aws import Aws, Clock, FakeProvider, make_job
from tests.support.container import FakeContainer


@dataclass(frozen=True)
class Said:
    """What one run of the command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class AwsWithMore:
    """The clients of the stack, and of services that the functions do not use."""

    aws: Aws

    def client(self, service_name: str, /, **_: Any) -> Any:
        try:
            return self.aws.client(service_name)
        except KeyError:
            return boto3.client(service_name, region_name="us-east-1")  # type: ignore[call-overload]


class Terminal:
    """Runs the command on this stack; `queues` are its dead-letter queues."""

    def __init__(
        self, aws: Aws, clock: Clock, provider: FakeProvider, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.aws = aws
        self._capsys = capsys
        self.queues = {
            name: aws.sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("drops", "events")
        }
        self.container = FakeContainer(aws, clock, provider)

    def outputs(self) -> Mapping[str, str]:
        return {
            "InboxBucketName": "inbox",
            "ClipsBucketName": "clips",
            "RenderStateMachineArn": self.aws.machine_arn,
            "ProviderKeysSecretArn": "keys",
            "IngestQueueUrl": self.aws.ingest_queue,
            "IngestDeadLetterQueueUrl": self.queues["drops"],
            "EventsDeadLetterQueueUrl": self.queues["events"],
        }

    def run(self, *words: str) -> Said:
        session: Any = AwsWithMore(self.aws)
        desk = Desk(out=Console(file=io.StringIO(), width=WIDE))
        desk.__dict__["stack"] = Stack("dropreel", "us-east-1", session, self.outputs(), {})
        desk.__dict__["container"] = self.container
        desk.__dict__["who"] = "user/ann"
        code = main(list(words), obj=desk)
        said = self._capsys.readouterr()
        shown: Any = desk.out.file
        return Said(code, shown.getvalue() + said.out, said.err)


def claimed(aws: Aws, clock: Clock, **fields: Any) -> Job:
    """A job of now."""
    return aws.ledger.claim(make_job(created_at=utc_iso(clock()), **fields))


def lost(aws: Aws, clock: Clock) -> Job:
    """A job of which nobody knows whether it was ordered."""
    job = aws.ledger.move(
        claimed(aws, clock), State.SUBMITTING, asked_at=utc_iso(clock()), attempts=()
    )
    return aws.ledger.move(job, State.UNKNOWN)
