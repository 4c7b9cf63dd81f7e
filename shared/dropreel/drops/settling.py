"""Whether a pair may start now, or has to settle because one of its files may be replaced soon.

People replace an image and its sidecar one after the other. Between the two uploads a new file
lies beside an old one: a pair that nobody means. So a pair starts at once only if its two files
belong together; every other pair starts if it still lies there a while after it was seen first.
That is not counted from the upload: S3 dates a large image by the beginning of its upload.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    def dropped_at(self) -> str:
        return utc_iso(max(file.dropped_at for file in (self.image, self.sidecar) if file))

    @property
    def versions(self) -> Versions:
        return version(self.image), version(self.sidecar) if self.sidecar else ""


@dataclass(frozen=True, slots=True)
class Settling:
    """How long pairs settle, and how long a file may have waited for its partner (seconds)."""

    settle_s: int
    grace_s: int

    def must_settle(self, pair: Pair, decided: Versions) -> bool:
        """Whether one of the files is of an earlier pair, as far as can be known, or may be.

        `decided` is the pair that was decided on last, under the same image's key.
        """
        if not self.settle_s or pair.versions == decided:
            return False
        if pair.sidecar is None or set(pair.versions) & set(decided):
            return True
        waited = (pair.sidecar.dropped_at - pair.image.dropped_at).total_seconds()
        return not -self.settle_s <= waited <= max(self.grace_s, self.settle_s)


def version(file: Drop) -> str:
    """Names these bytes of this upload."""
    return f"{file.key} {file.etag} {utc_iso(file.dropped_at)}"
