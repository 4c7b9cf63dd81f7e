"""In-process AWS, its clock and a provider, as fixtures of the folders that import them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto import mock_aws

from local.faults.dynamo import Dynamo
from tests.support.aws import Aws, Clock, FakeProvider, resources


@pytest.fixture
def aws(request: pytest.FixtureRequest) -> Iterator[Aws]:
    """moto's table takes twenty times as long as the one in memory, which is compared with it."""
    on_moto = request.node.get_closest_marker("on_moto")
    with mock_aws():
        yield resources(None if on_moto else Dynamo())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()
