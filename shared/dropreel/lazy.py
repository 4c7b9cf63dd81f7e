"""Clients that are made when they are first used, for what most calls of a function do not need."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

T = TypeVar("T")


class _Lazy:
    def __init__(self, make: Callable[[], Any]) -> None:
        self._made = cache(make)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._made(), name)


def lazy(make: Callable[[], T]) -> T:
    """Stands for what `make` returns; it is called, once, when something of it is wanted."""
    return cast("T", _Lazy(make))
