"""In-process AWS (moto) and stand-ins for what is not AWS, shared by the unit tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends
from moto.stepfunctions.models import stepfunctions_backends

from dropreel.clips.bucket import ClipsBucket
from dropreel.drops.inbox import Inbox
from dropreel.jobs.job import ClipSettings, Job, Source, State
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.runtimes import MeasuredRuntimes
from dropreel.ledger.slots import Slots
from dropreel.ledger.table import Table
from dropreel.mail.once import SendOnce
from dropreel.mail.publisher import Publisher
from dropreel.providers.base import (
    NO_ADDRESSES,
    Access,
    Addresses,
    Busy,
    CancelOutcome,
    ClipRequest,
    Failure,
    Inputs,
    Refused,
    StatusOutcome,
    SubmitOutcome,
)
from dropreel.providers.catalog import Limit
from dropreel.steps.watch import Watcher
from tests.support.ledger_table import create_table
from tests.support.mailboxes import Mailbox
from tests.support.moto_backends import QUEUES, behind

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


@dataclass
class Clock:
    """Time that passes only when told to."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **amount: float) -> None:
        self.now += timedelta(**amount)


@dataclass
class FakeProvider:
    """Answers from a list; remembers what it was asked."""

    name: str = "luma"
    submit_answers: list[SubmitOutcome | Exception] = field(default_factory=list)
    status_answers: list[StatusOutcome] = field(default_factory=list)
    find_answers: list[list[str] | None] = field(default_factory=list)
    listed_orders: list[str] | None = None
    requests: list[ClipRequest] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    key_answer: Refused | Busy | None = None
    access_answer: Access = field(default_factory=lambda: Access(accepted=True))
    inputs_answer: Inputs | Failure | None = None

    def check_key(self) -> Refused | Busy | None:
        return self.key_answer

    def submit(self, request: ClipRequest) -> SubmitOutcome:
        self.requests.append(request)
        answer = self.submit_answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def status(self, provider_job_id: str, _: Addresses = NO_ADDRESSES, /) -> StatusOutcome:
        assert provider_job_id
        return self.status_answers.pop(0)

    def cancel(self, provider_job_id: str, _: Addresses = NO_ADDRESSES, /) -> CancelOutcome:
        self.cancelled.append(provider_job_id)
        return CancelOutcome.REQUESTED

    def find_orders(
        self, request: ClipRequest, since: datetime, until: datetime
    ) -> list[str] | None:
        assert since < until
        return self.find_answers.pop(0)

    def list_orders(self, since: datetime, until: datetime) -> list[str] | None:
        assert since < until
        return self.listed_orders

    def access(self) -> Access:
        return self.access_answer

    def inputs(self) -> Inputs | Failure | None:
        return self.inputs_answer


@dataclass
class FakeLambda:
    """Remembers what was to be called and waits for nobody; moto would want containers."""

    invoked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    error: Exception | None = None

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> dict[str, int]:  # noqa: N803
        assert InvocationType == "Event"
        if self.error:
            raise self.error
        self.invoked.append((FunctionName, json.loads(Payload)))
        return {"StatusCode": 202}


@dataclass
class FakeSecrets:
    """One secret, whatever it is called; None cannot be read. Counts how often it was."""

    value: str | None = "s" * 64
    reads: int = 0

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803
        assert SecretId
        self.reads += 1
        if self.value is None:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetSecretValue")
        return {"SecretString": self.value}


@dataclass
class Aws:
    """The stack's resources as the functions see them."""

    s3: Any
    table: Table
    ledger: Ledger
    send_once: SendOnce
    inbox: Inbox
    clips: ClipsBucket
    results: Mailbox
    operators: Mailbox
    sqs: Any
    ingest_queue: str
    workflow: Any
    machine_arn: str
    functions: Any
    secrets: FakeSecrets = field(default_factory=FakeSecrets)
    woken: list[tuple[str, float]] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)

    def watcher(self, clock: Clock, longest_s: float = 0) -> Watcher:
        """Watches on `clock`: sleeping passes its time."""
        sleep = lambda seconds: clock.pass_time(seconds=seconds)  # noqa: E731
        return Watcher(MeasuredRuntimes(self.table), longest_s=longest_s, now=clock, sleep=sleep)

    def publisher(self, mailbox: Mailbox) -> Publisher:
        return Publisher(mailbox.sns, mailbox.topic_arn)

    def slots(self, clock: Clock, **limits: Limit) -> Slots:
        return Slots(self.table, limits, self.wake, lease_s=3600, now=lambda: clock().timestamp())

    def wake(self, token: str, granted: Mapping[str, Any]) -> bool:
        """Whoever is woken is noted in `woken`, unless its token is `gone`."""
        if token not in self.gone:
            self.woken.append((token, granted["ask_at"]))
        return token not in self.gone

    def client(self, service_name: str, /, **_: Any) -> Any:
        """As a session: the clients that are there already."""
        clients = {
            "s3": self.s3,
            "sns": self.results.sns,
            "sqs": self.sqs,
            "stepfunctions": self.workflow,
            "lambda": self.functions,
            "secretsmanager": self.secrets,
        }
        return clients[service_name]

    def stored(self, prefix: str = "") -> list[str]:
        listed = self.s3.list_objects_v2(Bucket="clips", Prefix=prefix)
        return [item["Key"] for item in listed.get("Contents", [])]

    def read_json(self, key: str) -> dict[str, Any]:
        return dict(json.loads(self.s3.get_object(Bucket="clips", Key=key)["Body"].read()))

    def executions(self) -> list[dict[str, Any]]:
        found = self.workflow.list_executions(stateMachineArn=self.machine_arn)
        return list(found["executions"])


@cache
def _clients() -> tuple[Any, Any, Any, Any, Any]:
    """Making clients takes longer than most tests; moto empties what is behind them."""
    services = ("s3", "sns", "sqs", "dynamodb", "stepfunctions")
    session = boto3.session.Session(
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        region_name="us-east-1",
    )
    s3, sns, sqs, dynamodb, workflow = (session.client(name) for name in services)  # type: ignore[call-overload]
    return s3, sns, sqs, dynamodb, workflow


def resources(dynamodb: Any = None) -> Aws:
    """Empty resources; the ledger's table is in moto, or in the client that is given."""
    s3, sns, sqs, moto_dynamodb, workflow = _clients()
    for bucket in ("inbox", "clips"):
        behind(s3_backends, "aws").create_bucket(bucket, "us-east-1")
    if dynamodb is None:
        dynamodb = moto_dynamodb
        create_table(dynamodb)
    table = Table(dynamodb, "ledger", sleep=lambda _: None)
    machine = behind(stepfunctions_backends).create_state_machine(
        name="render",
        definition='{"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}',
        roleArn="arn:aws:iam::123456789012:role/render",
    )
    return Aws(
        s3=s3,
        table=table,
        ledger=Ledger(table),
        send_once=SendOnce(table),
        inbox=Inbox(s3, "inbox"),
        clips=ClipsBucket(s3, "clips"),
        results=Mailbox(sns, sqs, "results"),
        operators=Mailbox(sns, sqs, "operators"),
        sqs=sqs,
        ingest_queue=QUEUES + behind(sqs_backends).create_queue("ingest").name,
        workflow=workflow,
        machine_arn=machine.arn,
        functions=FakeLambda(),
    )


def make_job(**changes: Any) -> Job:
    """A job just claimed for `campaign/photo.jpg`; one with an id of its own has its own image."""
    image = changes.get("job_id", "photo")
    fields: dict[str, Any] = {
        "job_id": "0123456789abcdef01234567",
        "state": State.CLAIMED,
        "source": Source(
            bucket="inbox",
            key=f"campaign/{image}.jpg",
            etag='"e"',
            media_type="image/jpeg",
            width=1600,
            height=900,
            pinned_key="sources/0123456789abcdef01234567.jpg",
            sha256="5e" * 32,
        ),
        "settings": ClipSettings("slow push-in", "16:9", "540p", "5s"),
        "provider": "luma",
        "dropped_at": "2026-11-20T09:29:00.000Z",
        "created_at": "2026-11-20T09:30:00.000Z",
    }
    return Job(**{**fields, **changes})
