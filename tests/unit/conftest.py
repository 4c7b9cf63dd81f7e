"""Fixtures of the unit tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto import mock_aws

from tests.unit.support import Aws, Clock, FakeProvider, resources


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
