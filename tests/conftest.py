"""For all tests: made-up credentials, and no way out but loopback."""

from __future__ import annotations

import ipaddress
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

import hypothesis
import pytest
from botocore.client import BaseClient
from hypothesis import is_hypothesis_test
from moto.core.botocore_stubber import BotocoreStubber

from tests.support import fuzz

ROOT = Path(__file__).resolve().parent.parent
EVENTS = ROOT / "events"
# Coverage is that of the tests which look at one thing each, and it slows down everything.
COUNTED = ("unit", "integration", "golden")

hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

_connect = socket.socket.connect


def _connect_on_loopback(self: socket.socket, address: Any) -> None:
    host = address[0] if isinstance(address, tuple) else "localhost"
    if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
        raise AssertionError(f"a test tried to reach {host}")
    _connect(self, address)


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(ROOT / "tests").parts[0]


def _is_counted(item: pytest.Item) -> bool:
    """Not what is called hundreds of times with other values."""
    many = item.get_closest_marker("uncounted") or is_hypothesis_test(getattr(item, "obj", None))
    return _folder(item) in COUNTED and not many


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Set-up and tear-down are not counted either; with pytest-cov's own mark they would be."""
    if _is_counted(item):
        return (yield)
    with _untraced():
        return (yield)


@contextmanager
def _untraced() -> Iterator[None]:
    """`Coverage.stop` is not enough: beside others, pytest-cov runs two that take turns."""
    tracer, of_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)
        threading.settrace(of_threads)


_call_api = BaseClient._make_api_call  # type: ignore[attr-defined]


def _call_api_untraced(self: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
    """Coverage need not follow a call through boto3 and moto: that takes as long as the call."""
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        return _call_api(self, operation, parameters)
    finally:
        sys.settrace(tracer)


_one_at_a_time = RLock()
_process_request = BotocoreStubber.process_request


def _process_one_request(self: BotocoreStubber, request: Any) -> Any:
    """Each request at AWS happens at one moment; moto would mix those of several threads."""
    with _one_at_a_time:
        return _process_request(self, request)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if fuzz.tried:
        total = sum(fuzz.tried.values())
        terminalreporter.write_line(f"{total} generated inputs in {len(fuzz.tried)} tests")


@pytest.fixture(scope="session", autouse=True)
def _calls_to_aws() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", _call_api_untraced)
        patch.setattr(BotocoreStubber, "process_request", _process_one_request)
        yield


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
