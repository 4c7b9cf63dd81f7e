"""Whether a pair may start now, or has to settle because one of its files may be replaced soon.

People replace an image and its sidecar one after the other. Between the two uploads a new file
lies beside an old one: a pair that nobody means. So a pair starts at once only if its files
belong together; every other pair starts if it still lies there a while after it was seen first.
That is not counted from the upload: S3 dates a large image by the beginning of its upload.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dropreel.drops.fields import Merged
from dropreel.drops.inbox import Drop
from dropreel.jobs.job import utc_iso

# Image and sidecars, each as it was dropped at one time; empty where there is none.
Versions = tuple[str, str]
_NEXT = "\n"  # between the versions of several sidecars


@dataclass(frozen=True, slots=True)
class Pair:
    """An image with its sidecars (a row of a batch is one), the nearest first.

    `said` is what these, the image's metadata and the defaults of its folders say together.
    `batch` names the batch that one of the sidecars is a row of.
    """

    image: Drop
    sidecars: tuple[Drop, ...] = ()
    said: Merged = field(default=Merged(), compare=False)
    batch: str = ""

    @property
    def dropped_at(self) -> str:
        return utc_iso(max(file.dropped_at for file in (self.image, *self.sidecars)))

    @property
    def versions(self) -> Versions:
        return version(self.image), _NEXT.join(map(version, self.sidecars))


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
        if not pair.sidecars or files_of(pair.versions) & files_of(decided):
            return True
        return not all(self._came_with(pair.image, sidecar) for sidecar in pair.sidecars)

    def _came_with(self, image: Drop, sidecar: Drop) -> bool:
        waited = (sidecar.dropped_at - image.dropped_at).total_seconds()
        return -self.settle_s <= waited <= max(self.grace_s, self.settle_s)


def version(file: Drop) -> str:
    """Names these bytes of this upload; of a row its fields, in whatever upload of the batch.

    So a row that has not changed is no new drop when its batch is dropped again.
    """
    upload = "" if file.is_row else f" {utc_iso(file.dropped_at)}"
    return f"{file.key} {file.etag}{upload}"


def files_of(versions: Versions) -> set[str]:
    """Image and sidecars, one by one."""
    image, sidecars = versions
    return {image, *sidecars.split(_NEXT)} - {""}
