"""Fixtures of the tests of downloads."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.clip_host import Answer, Host, Serve


@pytest.fixture
def serve() -> Iterator[Serve]:
    hosts: list[Host] = []

    def start(*answers: Answer) -> Host:
        hosts.append(Host(*answers).__enter__())
        return hosts[-1]

    yield start
    for host in hosts:
        host.__exit__()


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=5, trust_env=False) as client:
        yield client
