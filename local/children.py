"""Programs that end with whoever started them, however that happens.

A child runs in a process group of its own, under a small keeper. The keeper holds the reading end
of a pipe; when its parent ends, even by SIGKILL, the pipe closes, the keeper ends the group and
removes the folder in which the child worked. A parent that stops its child in order does that
itself, for it may take a while.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_GRACE_S = 3.0
_REMOVALS = 100
_STOP = b"stop"  # said before the pipe closes, by a parent that will tidy up itself


class Child:
    """A running program; `stop` ends it and everything it started, and removes `folder`.

    When the program ends by itself, what it left in `folder` stays to be looked at until `stop`.
    """

    def __init__(
        self, command: Sequence[str], *, env: Mapping[str, str], log: Path, folder: Path
    ) -> None:
        self._folder = folder
        with log.open("ab") as output:
            self._keeper = subprocess.Popen(
                [sys.executable, "-P", __file__, str(folder), *command],
                env=dict(env),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self._keeper.poll() is None

    def stop(self) -> None:
        pipe = self._keeper.stdin
        if pipe and not pipe.closed:
            with contextlib.suppress(BrokenPipeError):  # the program has ended, and the keeper
                pipe.write(_STOP)
                pipe.close()
        self._keeper.wait(timeout=_GRACE_S * 3)
        _remove(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def keep(folder: Path, command: Sequence[str]) -> int:
    """Run `command` until it ends or standard input does; then end its whole group."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    orphaned = threading.Event()
    threading.Thread(target=_end_with_parent, args=(child, orphaned), daemon=True).start()
    status = child.wait()
    _end_group(child.pid)
    if orphaned.is_set():
        _remove(folder)
    return status


def _end_with_parent(child: subprocess.Popen[bytes], orphaned: threading.Event) -> None:
    if sys.stdin.buffer.read() != _STOP:
        orphaned.set()
    child.terminate()
    try:
        child.wait(timeout=_GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()


def _end_group(leader: int) -> None:
    """Kill what is left of the group, and return when it has ended."""
    for _ in range(_REMOVALS):
        try:
            os.killpg(leader, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return  # nobody is left, or only those that have ended already
        time.sleep(0.01)


def _remove(folder: Path) -> None:
    """Remove `folder`, again while processes that are being killed still write into it."""
    for _ in range(_REMOVALS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            break
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(keep(Path(sys.argv[1]), sys.argv[2:]))
