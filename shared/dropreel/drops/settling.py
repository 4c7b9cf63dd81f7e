"""Whether a pair may start now, or has to settle because one of its files may be replaced soon.

People replace an image and its sidecar one after the other. Between the two uploads a new file
lies beside an old one: a pair that nobody means. So a pair starts at once only if its two files
belong together; every other pair starts when nothing has changed for a while.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from dropreel.drops.inbox import Drop
from dropreel.jobs.job import utc_iso

# Image and sidecar, each as it was dropped at one time; empty where there is none.
Versions = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Pair:
    """An image with its sidecar, or with a prompt of its own in its metadata."""

    image: Drop
    sidecar: Drop | None

    @property
    def changed_at(self) -> datetime:
        return max(file.dropped_at for file in (self.image, self.sidecar) if file)

    @property
    def dropped_at(self) -> str:
        return utc_iso(self.changed_at)

    @property
    def versions(self) -> Versions:
        return _version(self.image), _version(self.sidecar) if self.sidecar else ""


@dataclass(frozen=True, slots=True)
class Settling:
    """How long pairs settle, and how long a file may have waited for its partner (seconds)."""

    settle_s: int
    grace_s: int

    def wait_s(self, pair: Pair, decided: Versions, now: datetime) -> int:
        """Seconds that `pair` has still to settle, 0 if it may start.

        `decided` is the pair that was decided on last, under the same image's key.
        """
        if pair.versions == decided or self._belongs_together(pair, decided):
            return 0
        rest = pair.changed_at + timedelta(seconds=self.settle_s) - now
        return min(max(0, math.ceil(rest.total_seconds())), self.settle_s)

    def _belongs_together(self, pair: Pair, decided: Versions) -> bool:
        """Neither file is of an earlier pair, as far as can be known, nor could a sidecar come."""
        if pair.sidecar is None or set(pair.versions) & set(decided):
            return False
        waited = (pair.sidecar.dropped_at - pair.image.dropped_at).total_seconds()
        return -self.settle_s <= waited <= max(self.grace_s, self.settle_s)


def _version(file: Drop) -> str:
    return f"{file.key} {file.etag} {utc_iso(file.dropped_at)}"
