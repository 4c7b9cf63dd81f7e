"""Counting from many threads at once; `counter[key] += 1` alone loses some."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Tally(Generic[Key]):
    def __init__(self) -> None:
        self._counts: Counter[Key] = Counter()
        self._lock = threading.Lock()

    def add(self, key: Key) -> int:
        """Count one more and return the new figure."""
        with self._lock:
            self._counts[key] += 1
            return self._counts[key]

    def __getitem__(self, key: Key) -> int:
        return self._counts[key]

    def items(self) -> list[tuple[Key, int]]:
        with self._lock:
            return list(self._counts.items())

    def forget(self, *keys: Key) -> None:
        """Start these again from nothing; all of them if none is named."""
        with self._lock:
            for key in keys or tuple(self._counts):
                del self._counts[key]
