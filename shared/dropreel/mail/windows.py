"""Windows of time in which mails are counted: they lie side by side and have names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self


@dataclass(frozen=True, slots=True)
class Window:
    """Some minutes from `start` on (UTC)."""

    start: datetime
    minutes: int

    @classmethod
    def at(cls, moment: datetime, minutes: int) -> Self:
        """The window of `minutes` in which `moment` lies."""
        length = 60 * minutes
        start = moment.timestamp() // length * length
        return cls(datetime.fromtimestamp(start, UTC), minutes)

    @classmethod
    def named(cls, name: str) -> Self:
        start, _, minutes = name.partition("+")
        return cls(datetime.fromisoformat(start), int(minutes))

    @property
    def name(self) -> str:
        return f"{self.start:%Y-%m-%dT%H:%MZ}+{self.minutes}"

    @property
    def end(self) -> datetime:
        return self.start + timedelta(minutes=self.minutes)
