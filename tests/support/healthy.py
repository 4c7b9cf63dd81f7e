"""A stack that is well, as `dropreel doctor` sees it; every answer of AWS can be another one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

from cli.checks.visit import Visit
from dropreel import __version__
from dropreel.container import Container
from dropreel.ledger.self_test import note_self_test
from dropreel.providers.catalog import CATALOG
from local.faults.dynamo import Dynamo
from tests.support.aws import NOW, Clock, FakeProvider
from tests.support.container import ENVIRONMENT

OUTPUTS = {
    "Version": __version__,
    "InboxBucketName": "inbox",
    "IngestQueueUrl": "https://sqs/ingest",
    "IngestDeadLetterQueueUrl": "https://sqs/ingest-dead",
    "EventsDeadLetterQueueUrl": "https://sqs/events-dead",
    "ResultsTopicArn": "arn:results",
    "OperatorsTopicArn": "arn:operators",
}
RESOURCES = {
    "DropRule": ("AWS::Events::Rule", "stack-DropRule"),
    "UnfinishedRule": ("AWS::Events::Rule", "stack-UnfinishedRule"),
    "SubmitFunction": ("AWS::Lambda::Function", "stack-submit"),
    "SweepFunctionHalfHourly": ("AWS::Scheduler::Schedule", "stack-half-hourly"),
    "SweepLogGroup": ("AWS::Logs::LogGroup", "/aws/lambda/stack-sweep"),
    "JobsFailedAlarm": ("AWS::CloudWatch::Alarm", "stack-jobs-failed"),
}
Answers = dict[str, dict[str, Any]]


def healthy() -> Answers:
    """What each call is answered, by service and method; a function is given the call's words."""
    date = {"HTTPHeaders": {"date": format_datetime(NOW, usegmt=True)}}
    arn = "arn:aws:iam::111122223333:user/ann"
    who = {"Account": "111122223333", "Arn": arn, "ResponseMetadata": date}
    rows = [
        {"LogicalResourceId": name, "ResourceType": kind, "PhysicalResourceId": own}
        for name, (kind, own) in RESOURCES.items()
    ]
    created = NOW - timedelta(days=9)
    stack = {"StackStatus": "UPDATE_COMPLETE", "CreationTime": created}
    swept = {"timestamp": (NOW - timedelta(minutes=12)).timestamp() * 1000}
    return {
        "sts": {"get_caller_identity": who},
        "cloudformation": {
            "describe_stacks": {"Stacks": [stack]},
            "list_stack_resources": {"StackResourceSummaries": rows},
        },
        "s3": {
            "get_bucket_notification_configuration": {"EventBridgeConfiguration": {}},
            "put_object": {},
            "delete_object": {},
        },
        "events": {"describe_rule": {"State": "ENABLED"}},
        "lambda": {
            "list_event_source_mappings": {"EventSourceMappings": [{"State": "Enabled"}]},
            "get_function_concurrency": {},
            "get_account_settings": {"AccountLimit": {"ConcurrentExecutions": 1000}},
        },
        "secretsmanager": {"get_secret_value": {"SecretString": "{}"}},
        "scheduler": {"get_schedule": {"State": "ENABLED"}},
        "logs": {"filter_log_events": {"events": [swept]}},
        "sns": {"get_topic_attributes": {"Attributes": {"SubscriptionsConfirmed": "2"}}},
        "sqs": {"get_queue_attributes": {"Attributes": {"ApproximateNumberOfMessages": "0"}}},
        "cloudwatch": {"describe_alarms": {"MetricAlarms": []}},
    }


@dataclass
class Client:
    """Answers as it is told; raises what is an exception."""

    answers: Mapping[str, Any]
    called: list[tuple[str, dict[str, Any]]]

    def __getattr__(self, method: str) -> Any:
        answer = self.answers[method]

        def call(**words: Any) -> Any:
            self.called.append((method, words))
            found = answer(**words) if callable(answer) else answer
            if isinstance(found, Exception):
                raise found
            return found

        return call

    def get_paginator(self, method: str) -> Any:
        return Pages(getattr(self, method))


@dataclass
class Pages:
    """One page."""

    call: Any

    def paginate(self, **words: Any) -> Iterator[Any]:
        yield self.call(**words)


@dataclass
class Site:
    """A stack whose events arrive while `events_arrive`."""

    answers: Answers = field(default_factory=healthy)
    environment: dict[str, str] = field(
        default_factory=lambda: {**ENVIRONMENT, "PROVIDERS": "luma"}
    )
    outputs: dict[str, str] = field(default_factory=lambda: dict(OUTPUTS))
    name: str = "dropreel"
    region: str = "us-east-1"
    events_arrive: bool = True
    providers: dict[str, FakeProvider] = field(
        default_factory=lambda: {name: FakeProvider(name) for name in CATALOG}
    )
    clock: Clock = field(default_factory=Clock)
    dynamo: Dynamo = field(default_factory=Dynamo)
    called: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.answers["s3"]["put_object"] = self._uploaded
        self._container = Container(self.environment, self, now=self.clock)
        self._container.provider = self.providers.__getitem__

    def client(self, service: str, /, **_: Any) -> Any:
        return self.dynamo if service == "dynamodb" else Client(self.answers[service], self.called)

    def container(self) -> Container:
        return self._container

    def visit(self) -> Visit:
        sleep = lambda seconds: self.clock.pass_time(seconds=seconds)  # noqa: E731
        return Visit(self, now=self.clock, sleep=sleep)

    def _uploaded(self, *, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        if self.events_arrive:
            note_self_test(self._container.table, Key, self.clock())
        return {}


Change = Callable[[Site], object]


def answer(service: str, method: str, value: Any) -> Change:
    return lambda site: site.answers[service].update({method: value})


def output(name: str, value: str) -> Change:
    return lambda site: site.outputs.update({name: value})


def messages(queue: str, count: int) -> Change:
    def depth(QueueUrl: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        many = str(count) if QueueUrl.endswith(queue) else "0"
        return {"Attributes": {"ApproximateNumberOfMessages": many}}

    return answer("sqs", "get_queue_attributes", depth)
