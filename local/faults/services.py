"""SNS, SQS, Step Functions and Secrets Manager in memory: they remember what they were told."""

# ruff: noqa: N803 - parameters have the names that boto3 gives them

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from local.aws_limits import DELAY_S, INPUT_BYTES, MESSAGE_BYTES, NAME, PUBLISH_BYTES, SUBJECT

ACCOUNT = "arn:aws:{service}:us-east-1:111122223333:{name}"
MACHINE = ACCOUNT.format(service="states", name="stateMachine:render")
RESULTS = ACCOUNT.format(service="sns", name="results")
OPERATORS = ACCOUNT.format(service="sns", name="operators")
IMAGE_READER = "arn:aws:iam::111122223333:role/image-reader"

_TASK = "task-"
NAMES_KEPT = timedelta(days=90)  # Step Functions, after an execution has closed


@dataclass(frozen=True, slots=True)
class Published:
    """One mail as the subscribers of a topic get it."""

    topic: str
    document: dict[str, Any]
    at: datetime
    text: str = ""
    to_mailboxes: bool = True

    @property
    def outcome(self) -> str:
        return str(self.document["outcome"])


class Sns:
    """As a boto3 client. What is published has been delivered."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.published: list[Published] = []

    def clear(self) -> None:
        self.published.clear()

    def publish(
        self,
        *,
        TopicArn: str,
        Message: str,
        MessageStructure: str,
        MessageAttributes: dict[str, Any],
        Subject: str = "",
    ) -> dict[str, Any]:
        size = len(f"{Subject}{Message}{json.dumps(MessageAttributes)}".encode())
        wrong = len(Subject) > SUBJECT.most or size > PUBLISH_BYTES.most
        if MessageStructure != "json" or not MessageAttributes or wrong:
            raise ClientError({"Error": {"Code": "InvalidParameter"}}, "Publish")
        message = json.loads(Message)
        boxes = MessageAttributes["mail"]["StringValue"] == "yes"
        document, text = json.loads(message["default"]), message["email"]
        self.published.append(Published(TopicArn, document, self._now(), text, boxes))
        return {"MessageId": str(len(self.published))}

    def get_topic_attributes(self, *, TopicArn: str) -> dict[str, Any]:
        return {"Attributes": {"TopicArn": TopicArn, "SubscriptionsConfirmed": "1"}}


class Thumbnails:
    """The Lambda client of a stack whose thumbnails nobody looks at."""

    def invoke(self, **_: Any) -> dict[str, int]:
        return {"StatusCode": 202}


class Sqs:
    """As a boto3 client. `on_send` gets each message with its delay in seconds."""

    def __init__(self, on_send: Callable[[str, int], None]) -> None:
        self._on_send = on_send

    def send_message(
        self,
        *,
        QueueUrl: str,  # noqa: ARG002
        MessageBody: str,
        DelaySeconds: int,
    ) -> dict[str, Any]:
        if len(MessageBody.encode()) > MESSAGE_BYTES.most or DelaySeconds > DELAY_S.most:
            raise ClientError({"Error": {"Code": "InvalidParameterValue"}}, "SendMessage")
        self._on_send(MessageBody, DelaySeconds)
        return {"MessageId": "made-up"}


class NameTakenError(ClientError):
    """The name is taken by another execution."""


class NoExecutionError(ClientError):
    """No execution of that name, or none any more."""


class NoTaskError(ClientError):
    """No task has ever waited with that token."""


class TaskOverError(ClientError):
    """The task does not wait with that token any longer."""


class BadTokenError(ClientError):
    """That is no token."""


@dataclass(slots=True)
class Execution:
    """One execution of the workflow, as the service shows it."""

    arn: str
    name: str
    input: str
    started_at: datetime
    status: str = "RUNNING"
    ended_at: datetime | None = None
    error: str = ""

    @property
    def running(self) -> bool:
        return self.status == "RUNNING"


class StepFunctions:
    """As a boto3 client. Names are taken for 90 days; the same start twice is one execution."""

    exceptions = SimpleNamespace(
        ExecutionAlreadyExists=NameTakenError,
        ExecutionDoesNotExist=NoExecutionError,
        TaskDoesNotExist=NoTaskError,
        TaskTimedOut=TaskOverError,
        InvalidToken=BadTokenError,
    )

    def __init__(self, now: Callable[[], datetime], on_start: Callable[[Execution], None]) -> None:
        self._now = now
        self._on_start = on_start
        self._named: dict[str, Execution] = {}
        self._waiting: dict[str, Callable[[Any], None] | None] = {}  # None when it is over
        self.executions: list[Execution] = []

    def clear(self) -> None:
        self._waiting.clear()
        self._named.clear()
        self.executions.clear()

    def start_execution(
        self,
        *,
        stateMachineArn: str,
        name: str,
        input: str,  # noqa: A002
    ) -> dict[str, Any]:
        wrong = len(name) > NAME.most or len(input.encode()) > INPUT_BYTES.most
        if stateMachineArn != MACHINE or wrong:
            raise ClientError({"Error": {"Code": "ValidationException"}}, "StartExecution")
        known = self._known(name)
        if known is None:
            known = self._start(name, input)
        elif not known.running or known.input != input:
            raise NameTakenError(_error("ExecutionAlreadyExists", name), "StartExecution")
        return {"executionArn": known.arn, "startDate": known.started_at}

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:
        known = self._known(executionArn.rpartition(":")[2])
        if known is None or known.arn != executionArn:
            error = _error("ExecutionDoesNotExist", executionArn)
            raise NoExecutionError(error, "DescribeExecution")
        return {"status": known.status, "input": known.input}

    def send_task_success(self, *, taskToken: str, output: str) -> dict[str, Any]:
        """The first word with a token counts; a task that is over takes no other."""
        if not taskToken.startswith(_TASK):
            raise BadTokenError(_error("InvalidToken", taskToken), "SendTaskSuccess")
        if taskToken not in self._waiting:
            raise NoTaskError(_error("TaskDoesNotExist", taskToken), "SendTaskSuccess")
        hear = self._waiting[taskToken]
        if hear is None:
            raise TaskOverError(_error("TaskTimedOut", taskToken), "SendTaskSuccess")
        word = json.loads(output)
        self.end_task(taskToken)
        hear(word)
        return {}

    def begin_task(self, hear: Callable[[Any], None]) -> str:
        """A token for a task that waits; `hear` gets what is sent with it."""
        token = f"{_TASK}{len(self._waiting) + 1}"
        self._waiting[token] = hear
        return token

    def end_task(self, token: str) -> None:
        self._waiting[token] = None

    def _start(self, name: str, given: str) -> Execution:
        arn = f"{MACHINE.replace(':stateMachine:', ':execution:')}:{name}"
        execution = Execution(arn, name, given, self._now())
        self._named[name] = execution
        self.executions.append(execution)
        self._on_start(execution)
        return execution

    def _known(self, name: str) -> Execution | None:
        known = self._named.get(name)
        if known and known.ended_at and self._now() > known.ended_at + NAMES_KEPT:
            del self._named[name]
            return None
        return known


class Sts:
    """As a boto3 client, with one role that may be assumed for an hour at most."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    def assume_role(
        self, *, RoleArn: str, RoleSessionName: str, DurationSeconds: int
    ) -> dict[str, Any]:
        if RoleArn != IMAGE_READER or not RoleSessionName or DurationSeconds > 3600:
            raise ClientError(_error("AccessDenied", RoleArn), "AssumeRole")
        keys = dict.fromkeys(("AccessKeyId", "SecretAccessKey", "SessionToken"), "made-up")
        ends = self._now() + timedelta(seconds=DurationSeconds)
        return {"Credentials": {**keys, "Expiration": ends}}


def _error(code: str, message: str) -> Any:
    return {"Error": {"Code": code, "Message": message}}


class Secrets:
    """Secrets Manager with one secret, as a boto3 client."""

    def __init__(self, keys: dict[str, str]) -> None:
        self._text = json.dumps(keys)

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:
        return {"ARN": SecretId, "SecretString": self._text}
