"""One fence of the code, as the tables of them hold it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fence:
    """`at`: the functions that it stands in, as `<room>/<file>:<function>`."""

    name: str
    at: tuple[str, ...]
    prevents: str
    missed_by: tuple[str, ...]
