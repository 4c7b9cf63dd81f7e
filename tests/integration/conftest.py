"""A ledger, a job at its end, and the deployed functions."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from typing import Any, cast

import boto3
import httpx
import pytest
from botocore.loaders import Loader

from dropreel.container import Container, Session, using
from dropreel.ledger.groups import Groups
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.table import Table
from dropreel.observability import logger, metrics
from dropreel.providers.catalog import CATALOG
from dropreel.steps.submit import Submit
from local.faults.dynamo import Dynamo
from tests.support.aws import Aws, Clock, FakeProvider
from tests.support.fixtures import aws, clock, provider
from tests.support.functions import KEYS, Functions, Wire, environment
from tests.support.mp4 import mp4
from tests.support.stage import Stage
from tests.support.submitting import make_submit

__all__ = ["aws", "clock", "provider"]


@pytest.fixture
def dynamo() -> Dynamo:
    """For a ledger alone, without the rest of AWS."""
    return Dynamo()


@pytest.fixture
def table(dynamo: Any) -> Table:
    return Table(dynamo, "ledger", sleep=lambda _: None)


@pytest.fixture
def groups(table: Table) -> Groups:
    return Groups(table)


@pytest.fixture
def ledger(table: Table) -> Ledger:
    return Ledger(table)


@pytest.fixture(scope="session")
def clip() -> bytes:
    """A real clip as ordered by default: 5 s of 960x540 at 24 frames per second."""
    return mp4(5.0, 960, 540)


@pytest.fixture
def stage(aws: Aws, provider: FakeProvider, clock: Clock, clip: bytes) -> Iterator[Stage]:
    metrics.clear_metrics()
    yield Stage(aws, provider, clock, clip)
    metrics.clear_metrics()


@pytest.fixture
def submit(aws: Aws, clock: Clock) -> Submit:
    return make_submit(aws, clock)


@pytest.fixture(scope="session")
def service_models() -> Loader:
    return Loader()


@pytest.fixture
def service_models_read_once(monkeypatch: pytest.MonkeyPatch, service_models: Loader) -> None:
    """Every function opens a session of its own, which reads all descriptions of AWS anew."""
    monkeypatch.setattr("botocore.session.create_loader", lambda _: service_models)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def functions(
    service_models_read_once: None, aws: Aws, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Functions]:
    """The deployed functions with keys, environment and log, and `wire` for the internet."""
    secrets = boto3.client("secretsmanager")
    secret = secrets.create_secret(Name="keys", SecretString=json.dumps(KEYS))
    for name, value in environment(aws, secret["ARN"]).items():
        monkeypatch.setenv(name, value)
    for name in CATALOG:  # which no sweep is to look at: `wire` has answers for jobs
        aws.table.put(f"CHECKUP#{name}", {"due_at": 9_999_999_999})
    log = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)
    # Both read these when they are first imported, which in tests is before any fixture.
    monkeypatch.setattr(metrics.provider, "namespace", "dropreel")
    monkeypatch.setattr(metrics.provider, "service", "dropreel")
    metrics.clear_metrics()
    session = cast("Session", boto3.session.Session())
    with using(Container(os.environ, session, transport=httpx.MockTransport(wire))):
        yield Functions(aws, wire, log)
    metrics.clear_metrics()
