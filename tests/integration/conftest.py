"""Fixtures of the unit tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto import mock_aws

from dropreel.observability import metrics
from tests.support.aws import Aws, Clock, FakeProvider, resources
from tests.support.mp4 import mp4
from tests.support.stage import Stage


@pytest.fixture
def aws() -> Iterator[Aws]:
    with mock_aws():
        yield resources()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


@pytest.fixture(scope="session")
def clip() -> bytes:
    """A real clip as ordered by default: 5 s of 960x540 at 24 frames per second."""
    return mp4(5.0, 960, 540)


@pytest.fixture
def stage(aws: Aws, provider: FakeProvider, clock: Clock, clip: bytes) -> Iterator[Stage]:
    metrics.clear_metrics()
    yield Stage(aws, provider, clock, clip)
    metrics.clear_metrics()
