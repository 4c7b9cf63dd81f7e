"""The command on in-process AWS."""

from __future__ import annotations

import pytest

from cli import app
from tests.integration.conftest import aws, clock, provider
from tests.support.aws import Aws, Clock, FakeProvider
from tests.support.desk import Terminal

__all__ = ["aws", "clock", "provider"]


@pytest.fixture(autouse=True)
def loud(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests want logs and metrics, which the command turns off for good."""
    monkeypatch.setattr(app, "mute", lambda: None)


@pytest.fixture
def terminal(
    aws: Aws, clock: Clock, provider: FakeProvider, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    return Terminal(aws, clock, provider, capsys)
