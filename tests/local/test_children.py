"""Programs of the local tools end with whoever started them, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.children import Child
from tests.conftest import ROOT

# Writes its own and a grandchild's number into its folder, then lives on, deaf to SIGTERM if asked.
BUSY = """
import os, signal, subprocess, sys, time
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
other = subprocess.Popen(["sleep", "60"])
with open(sys.argv[1] + "/draft", "w") as file:
    file.write(f"{os.getpid()} {other.pid}")
os.rename(sys.argv[1] + "/draft", sys.argv[1] + "/pids")
while True:
    open(sys.argv[1] + "/busy", "w").close()
    time.sleep(0.01)
"""
PARENT = """
import sys
from pathlib import Path
from local.children import Child
folder = Path(sys.argv[1])
Child(sys.argv[2:], env={}, log=folder / "log", folder=folder)
sys.stdin.read()
"""


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture(params=["polite", "deaf"])
def busy(request: pytest.FixtureRequest, scratch: Path) -> list[str]:
    return [sys.executable, "-c", BUSY, str(scratch), request.param]


@pytest.fixture
def parent(scratch: Path, busy: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has started `busy`, and waits."""
    with subprocess.Popen(  # noqa: S603 - this project's own code
        [sys.executable, "-c", PARENT, str(scratch), *busy],
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        yield process
        process.kill()


def until(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not true() and time.monotonic() < deadline:
        time.sleep(0.02)
    return true()


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended but has not been reaped does not."""
    shown = subprocess.run(  # noqa: S603 - reads the list of processes
        ["ps", "-o", "stat=", "-p", str(pid)],  # noqa: S607
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return shown.stdout.strip()[:1] not in ("", "Z")


def pids(scratch: Path) -> list[int]:
    assert until((scratch / "pids").exists), "the program did not start"
    return [int(word) for word in (scratch / "pids").read_text(encoding="utf-8").split()]


def test_killing_the_parent_ends_all_processes_and_removes_the_folder(
    parent: subprocess.Popen[bytes], scratch: Path
) -> None:
    started = pids(scratch)
    assert all(map(alive, started))
    parent.send_signal(signal.SIGKILL)
    assert until(lambda: not scratch.exists())
    assert until(lambda: not any(map(alive, started)))


def test_stopping_ends_all_processes_and_removes_the_folder(scratch: Path, busy: list[str]) -> None:
    with Child(busy, env={}, log=scratch / "log", folder=scratch) as child:
        started = pids(scratch)
    child.stop()  # once more changes nothing
    assert not child.running
    assert not scratch.exists()
    assert not any(map(alive, started))


def test_what_a_program_that_ended_left_can_be_read_until_it_is_stopped(scratch: Path) -> None:
    command = [sys.executable, "-c", "print('why it ended')"]
    with Child(command, env={}, log=scratch / "log", folder=scratch) as child:
        assert until(lambda: not child.running)
        assert "why it ended" in (scratch / "log").read_text(encoding="utf-8")
    assert not scratch.exists()
