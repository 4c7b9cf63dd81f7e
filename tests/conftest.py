"""For all tests: made-up credentials, and no way out but loopback."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
EVENTS = ROOT / "events"

_connect = socket.socket.connect


def _connect_on_loopback(self: socket.socket, address: Any) -> None:
    host = address[0] if isinstance(address, tuple) else "localhost"
    if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
        raise AssertionError(f"a test tried to reach {host}")
    _connect(self, address)


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", _connect_on_loopback)


@pytest.fixture(autouse=True)
def _made_up_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "dropreel")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "dropreel")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture
def events() -> Path:
    """Sample events, images and sidecars."""
    return EVENTS
