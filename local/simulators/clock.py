"""Time as the simulators see it: the real clock, or one that a test moves by hand."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since 1970."""
        ...

    def wait(self, condition: threading.Condition, until: float | None) -> None:
        """Sleep on a held condition until it is notified or `until` has come."""
        ...


class RealClock:
    def now(self) -> float:
        return time.time()

    def wait(self, condition: threading.Condition, until: float | None) -> None:
        condition.wait(None if until is None else max(0.0, until - self.now()))


class ManualClock:
    """Stands still until `advance` is called, which wakes everyone who waits."""

    def __init__(self) -> None:
        self._now = 1_800_000_000.0
        self._waiting: set[threading.Condition] = set()

    def now(self) -> float:
        return self._now

    def wait(self, condition: threading.Condition, until: float | None) -> None:
        if until is None or until > self._now:
            self._waiting.add(condition)
            condition.wait()

    def advance(self, seconds: float) -> None:
        self._now += seconds
        for condition in tuple(self._waiting):
            with condition:
                condition.notify_all()
