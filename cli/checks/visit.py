"""One visit of the doctor: the stack, and what several checks ask of it, read once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from cli.errors import is_denied
from dropreel.container import Container
from dropreel.errors import DropreelError
from dropreel.observability import logger
from dropreel.providers.base import Provider
from dropreel.providers.checkup import Finding, Level


class Stack(Protocol):
    """A deployed stack, as `cli.stack` connects to it."""

    @property
    def name(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def outputs(self) -> Mapping[str, str]: ...
    @property
    def environment(self) -> Mapping[str, str]: ...
    def container(self) -> Container: ...
    def client(self, service: str, /) -> Any: ...


@dataclass
class Visit:
    """`sleep` and `now` are the clock of checks that wait."""

    stack: Stack
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = lambda _: None
    _may_read_keys: bool = False

    def client(self, service: str) -> Any:
        return self.stack.client(service)

    def output(self, name: str) -> str:
        return self.stack.outputs.get(name, "")

    def listed(self, name: str) -> list[str]:
        """A setting that is a comma separated list."""
        return [part for part in self.stack.environment.get(name, "").split(",") if part]

    @cached_property
    def container(self) -> Container:
        return self.stack.container()

    @property
    def used(self) -> list[str]:
        """The providers that jobs may go to."""
        return [*dict.fromkeys([*self.listed("PROVIDERS"), *self.listed("FAILOVER_PROVIDERS")])]

    @cached_property
    def described(self) -> Mapping[str, Any]:
        found = self.client("cloudformation").describe_stacks(StackName=self.stack.name)
        return dict(found["Stacks"][0])

    @cached_property
    def resources(self) -> Mapping[str, tuple[str, str]]:
        """Type and physical ID by logical ID."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources")
        return {
            row["LogicalResourceId"]: (row["ResourceType"], row["PhysicalResourceId"])
            for page in pages.paginate(StackName=self.stack.name)
            for row in page["StackResourceSummaries"]
        }

    def provider(self, name: str) -> Provider:
        """The adapter. Raises ClientError for who may not read the keys, and so has none."""
        arn = self.stack.environment["PROVIDER_KEYS_SECRET"]
        if not self._may_read_keys:
            self.client("secretsmanager").get_secret_value(SecretId=arn)
            self._may_read_keys = True
        return self.container.provider(name)

    def of_type(self, kind: str) -> dict[str, str]:
        """Physical IDs of the resources of a type, by logical ID."""
        return {name: own for name, (type_, own) in self.resources.items() if type_ == kind}


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor. `run` may raise what boto3 and dropreel raise."""

    name: str
    run: Callable[[Visit], Finding]


def examine(visit: Visit, checks: Sequence[Check]) -> Iterator[tuple[Check, Finding]]:
    """Run the checks, one after the other. What one of them raises is its finding."""
    for check in checks:
        try:
            yield check, check.run(visit)
        except ClientError as error:
            yield check, _refused(error)
        except (BotoCoreError, DropreelError) as error:
            yield check, unchecked(str(error))
        except Exception as error:
            logger.exception("this check is broken")
            yield check, unchecked(f"{type(error).__name__}: {error}")


def unchecked(why: str) -> Finding:
    words = f"could not be checked: {' '.join(why.split())}"
    return Finding(Level.YELLOW, words, "Try again in a few minutes.", told=False)


def _refused(error: ClientError) -> Finding:
    told, call = error.response["Error"], error.operation_name
    if not is_denied(error):
        return unchecked(f"{call}: {told.get('Message') or told.get('Code', '')}")
    words = f"could not be checked: these credentials may not call {call}"
    return Finding(Level.YELLOW, words, f"Allow {call} to whoever runs this command.", told=False)


def green(words: str) -> Finding:
    return Finding(Level.GREEN, words)


def yellow(words: str, todo: str) -> Finding:
    return Finding(Level.YELLOW, words, todo)


def red(words: str, todo: str) -> Finding:
    return Finding(Level.RED, words, todo)


def worst(findings: Sequence[Finding]) -> Level:
    order = list(Level)
    return max((finding.level for finding in findings), key=order.index, default=Level.GREEN)
