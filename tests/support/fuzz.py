"""Tests with generated, hostile input: many examples, each within bounded time and memory.

`make test` tries a sample; `make fuzz` sets FUZZ, which multiplies the number of examples. What was
found is kept beside each test as `@example`.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import hypothesis
import pytest

TIMES = int(os.environ.get("FUZZ", "1"))
MOST_SECONDS = 20.0  # of the processor, for one input: what takes as long never ends
MOST_GROWTH = 64 * 1024**2  # bytes of memory that one input may add
_IN_BYTES = 1 if sys.platform == "darwin" else 1024

tried: dict[str, int] = {}  # inputs by test

Test = TypeVar("Test", bound=Callable[..., Any])


def fuzzed(examples: int) -> Callable[[Test], Test]:
    """Above `@given`: as many examples, or FUZZ times as many, each within the bounds."""

    def decorate(test: Any) -> Any:
        test.hypothesis.inner_test = _bounded(test.hypothesis.inner_test)
        many = hypothesis.settings(max_examples=examples * TIMES, deadline=None)
        return pytest.mark.fuzz(many(test))

    return decorate


def _bounded(test: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(test)
    def run(*given: Any, **named: Any) -> None:
        began, memory = time.process_time(), _memory()
        try:
            test(*given, **named)
        finally:
            tried[test.__qualname__] = tried.get(test.__qualname__, 0) + 1
        spent, growth = time.process_time() - began, _memory() - memory
        assert spent < MOST_SECONDS, f"one input took {spent:.1f} s"
        assert growth < MOST_GROWTH, f"one input took {growth // 1024**2} MB"

    return run


def _memory() -> int:
    """The most bytes that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _IN_BYTES
