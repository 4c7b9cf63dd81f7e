"""A stack as its outputs and parameters describe it, and the container that works on it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

from cli.errors import NoStackError
from dropreel.container import Container
from local.up import FACTS

LOCAL_STACK = "dropreel"
_NOTHING_UP = "nothing is up here: `make up` starts a stack"
_LOCAL_KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}

# Settings that come from an output; every other one is a parameter, see `_variable`.
_FROM_OUTPUTS = {
    "INBOX_BUCKET": "InboxBucketName",
    "CLIPS_BUCKET": "ClipsBucketName",
    "LEDGER_TABLE": "LedgerTableName",
    "INGEST_QUEUE_URL": "IngestQueueUrl",
    "RESULTS_TOPIC_ARN": "ResultsTopicArn",
    "OPERATORS_TOPIC_ARN": "OperatorsTopicArn",
    "STATE_MACHINE_ARN": "RenderStateMachineArn",
    "PROVIDER_KEYS_SECRET": "ProviderKeysSecretArn",
}
# Only a stack with pages has these (`LinkDays`).
_OF_PAGES = {"PAGES_URL": "PagesUrl", "PAGE_KEY_SECRET": "PageKeySecretArn"}


@dataclass(frozen=True, slots=True)
class Target:
    """Which stack, and as whom. `local`: the one of `make up`; `endpoint`: another AWS."""

    name: str = LOCAL_STACK
    profile: str | None = None
    region: str | None = None
    endpoint: str | None = None
    local: bool = False


@dataclass(slots=True)
class AwsSession:
    """Makes clients for one endpoint, each once."""

    session: boto3.session.Session
    endpoint: str | None = None
    _made: dict[str, Any] = field(default_factory=dict)

    def client(self, service_name: str, /, **options: Any) -> Any:
        if service_name not in self._made or options:
            quick = Config(retries={"total_max_attempts": 3}, connect_timeout=10)
            given = options.pop("config", None)
            config = quick.merge(given) if given else quick
            make: Any = self.session.client
            client = make(service_name, endpoint_url=self.endpoint, config=config, **options)
            self._made[service_name] = client
        return self._made[service_name]


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployed stack: its outputs, and its parameters as settings."""

    name: str
    region: str
    session: AwsSession
    outputs: Mapping[str, str]
    environment: Mapping[str, str]

    def container(self) -> Container:
        return Container(self.environment, self.session)

    def client(self, service: str) -> Any:
        return self.session.client(service)


def connect(target: Target) -> Stack:
    """Find the stack. Raises NoStackError, and what boto3 raises."""
    if target.local:
        target = _local()
    keys: dict[str, Any] = dict(_LOCAL_KEYS if target.local else {})
    session = boto3.session.Session(profile_name=target.profile, region_name=target.region, **keys)
    if session.region_name is None:
        raise NoStackError("no region: add --region, or set AWS_REGION")
    aws = AwsSession(session, target.endpoint)
    try:
        found = _described(aws, target.name, session.region_name)
    except EndpointConnectionError:
        if not target.local:
            raise
        raise NoStackError(_NOTHING_UP) from None  # `make up` left its facts behind
    outputs = _pairs(found.get("Outputs", []), "Output")
    parameters = _pairs(found.get("Parameters", []), "Parameter")
    environment = _environment(outputs, parameters, session.region_name, target.endpoint)
    return Stack(target.name, session.region_name, aws, outputs, environment)


def _local() -> Target:
    try:
        endpoint = json.loads(Path(FACTS).read_text(encoding="utf-8"))["endpoint"]
    except (OSError, ValueError, KeyError):
        raise NoStackError(_NOTHING_UP) from None
    return Target(region="us-east-1", endpoint=endpoint, local=True)


def _described(aws: AwsSession, name: str, region: str) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = aws.client("cloudformation").describe_stacks(StackName=name)
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        raise NoStackError(
            f"there is no stack {name} in {region}: name yours with --stack, or use --local"
        ) from None
    return dict(found["Stacks"][0])


def _pairs(rows: list[Mapping[str, str]], kind: str) -> dict[str, str]:
    return {row[f"{kind}Key"]: row.get(f"{kind}Value", "") for row in rows}


def _environment(
    outputs: Mapping[str, str], parameters: Mapping[str, str], region: str, endpoint: str | None
) -> dict[str, str]:
    """What the functions have as environment variables."""
    missing = sorted(set(_FROM_OUTPUTS.values()) - outputs.keys())
    if missing:
        raise NoStackError(f"this is no stack of dropreel: it has no output {missing[0]}")
    named = {
        name: outputs.get(output, "") for name, output in {**_FROM_OUTPUTS, **_OF_PAGES}.items()
    }
    given = {variable(name): value for name, value in parameters.items()}
    embedded = {"AWS_ENDPOINT_URL": endpoint} if endpoint else {}
    return {**given, **named, "AWS_REGION": region, **embedded}


def variable(parameter: str) -> str:
    """The environment variable of a parameter of the stack: DailyCapUsd is DAILY_CAP_USD."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", parameter).upper()
