"""The command on in-process AWS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from cli import app
from tests.support.aws import Aws, Clock, FakeProvider
from tests.support.desk import Terminal
from tests.support.fixtures import aws, clock, provider

__all__ = ["aws", "clock", "provider"]


@pytest.fixture(autouse=True)
def loud(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests want logs and metrics, which the command turns off for good."""
    monkeypatch.setattr(app, "mute", lambda: None)


@pytest.fixture
def today(clock: Clock) -> None:
    """Lists are of the newest months: jobs are of today."""
    clock.now = datetime.now(UTC)


@pytest.fixture
def long_polls(aws: Aws) -> Iterator[list[int]]:
    """For how many seconds the command would wait for messages; moto does not wait."""
    waits: list[int] = []

    def note(params: dict[str, Any], **_: object) -> None:
        waits.append(params.pop("WaitTimeSeconds", 0))

    event = "provide-client-params.sqs.ReceiveMessage"
    aws.sqs.meta.events.register(event, note)
    yield waits
    aws.sqs.meta.events.unregister(event, note)


@pytest.fixture
def terminal(
    aws: Aws,
    clock: Clock,
    provider: FakeProvider,
    capsys: pytest.CaptureFixture[str],
    long_polls: list[int],
) -> Terminal:
    return Terminal(aws, clock, provider, capsys)
