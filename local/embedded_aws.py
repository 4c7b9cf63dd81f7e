"""The embedded AWS: MiniStack in an environment of its own, on loopback, with IAM enforced."""

from __future__ import annotations

import os
import re
import socket
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import boto3
import httpx
from botocore.config import Config

from local.children import Child

ROOT = Path(__file__).resolve().parent.parent
MINISTACK = ROOT / ".venv-aws" / "bin" / "python"
REGION = "us-east-1"
_START_S = 30
_PLENTY = 8 * 1024**3


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _roomy_memory() -> str | None:
    """A folder in memory if there is plenty: each Lambda worker gets archives of its own."""
    folder = "/dev/shm"  # noqa: S108
    try:
        found = os.statvfs(folder)
        (available,) = re.findall(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
    except (OSError, ValueError):
        return None
    forbidden = found.f_flag & (os.ST_NOEXEC | os.ST_RDONLY) or not os.access(folder, os.W_OK)
    room = min(found.f_bavail * found.f_frsize, int(available) * 1024)
    return None if forbidden or room < _PLENTY else folder


class Endpoint:
    """An embedded AWS at `endpoint`, whoever started it. All threads share its clients."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._session = boto3.session.Session()
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()

    def client(self, service: str) -> Any:
        with self._making:
            if service not in self._clients:
                self._clients[service] = self._make(service)
            return self._clients[service]

    def _make(self, service: str) -> Any:
        return self._session.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - the emulator's well-known root key
            config=Config(
                signature_version="s3v4" if service == "s3" else None,
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 2},
                max_pool_connections=100,
            ),
        )


class EmbeddedAws(Endpoint):
    """A running MiniStack. `wait_scale` shortens the waits (not the work) of Step Functions.

    `switches` are MiniStack's own environment variables, `scratch` is a folder that goes with it.
    `calls` is the file for all calls that were checked against policies, see `recorded_aws`.
    """

    def __init__(
        self,
        *,
        wait_scale: float = 1.0,
        log: Path | None = None,
        calls: Path | None = None,
        switches: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.port = free_port()
        super().__init__(f"http://127.0.0.1:{self.port}")
        self.scratch = Path(tempfile.mkdtemp(prefix="dropreel-aws-", dir=_roomy_memory()))
        self.log = log or self.scratch / "ministack.log"
        script = "recorded_aws.py" if calls else "ministack_once.py"
        recording = {"RECORDED_CALLS": str(calls)} if calls else {}
        self._child = Child(
            [str(MINISTACK), str(ROOT / "local" / script)],
            env={**self._environment(wait_scale), **recording, **switches},
            log=self.log,
            folder=self.scratch,
        )

    def _environment(self, wait_scale: float) -> dict[str, str]:
        """As little as possible: the Lambda workers inherit all of it."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.scratch),
            "TMPDIR": str(self.scratch),
            "LANG": "C.UTF-8",
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": "INFO",
            "SFN_WAIT_SCALE": str(wait_scale),
        }

    def wait_until_ready(self) -> Self:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self._child.running:
            try:
                if httpx.get(f"{self.endpoint}/_ministack/health", timeout=2).is_success:
                    return self
            except httpx.TransportError:
                time.sleep(0.1)
        raise RuntimeError(f"the embedded AWS did not start:\n{self.log.read_text()[-3000:]}")

    def stop(self) -> None:
        self._child.stop()

    def __enter__(self) -> Self:
        try:
            return self.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
