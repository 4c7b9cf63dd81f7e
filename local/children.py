"""Programs that end with whoever started them, however that happens.

A child runs under a small keeper in a process group of its own. The keeper holds the reading end
of a pipe; when its parent ends, even by SIGKILL, the pipe closes and the keeper ends the group.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_GRACE_S = 3.0


class Child:
    """A running program; `stop` ends it and everything it started."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as output:
            self._keeper = subprocess.Popen(
                [sys.executable, "-P", __file__, *command],
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
        if self._keeper.stdin:
            self._keeper.stdin.close()
        self._keeper.wait(timeout=_GRACE_S * 3)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def keep(command: Sequence[str]) -> int:
    """Run `command` until it ends or standard input does, then end its whole group."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    threading.Thread(target=_end_with_parent, args=(child,), daemon=True).start()
    status = child.wait()
    _end_group()
    return status


def _end_with_parent(child: subprocess.Popen[bytes]) -> None:
    sys.stdin.buffer.read()
    child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=_GRACE_S)
    _end_group()


def _end_group() -> None:
    os.killpg(os.getpgid(0), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
