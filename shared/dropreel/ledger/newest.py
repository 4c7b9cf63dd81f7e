"""The newest drop of an image: the files that were decided on last, and the job of each take.

Invariants: (1) decisions on an image follow one another as its files did, because whoever decides
has looked into the inbox after it read the decision before, and writes only if that one still
stands; (2) of two jobs with the same image's key and take, only the one that was noted last is
ordered, because `generate` asks here before it orders, and orders on condition of it; (3) takes
that were asked for together give way together, unless the newer drop names a `take` of its own.

Item: NEWEST#<hash of bucket and key>. `image` and `sidecar` are the files as they were dropped,
`said` what they and the defaults said when they were decided on: an event that comes again decides
on the same, whatever has become of the defaults. `job_<take>` is the newest job of a take; several,
with blanks between them, if one drop asked for clips with several settings, or if the take gave way
to others. `together` are the takes that the newest drop without a `take` of its own asked for.
Until `settling_until` (unix seconds) another drop is settling, and nothing of this image is
ordered.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.conditions import Attr, ConditionBase

from dropreel.errors import ConditionFailedError
from dropreel.jobs.job import Job, Source
from dropreel.ledger.table import Item, Table, Update

if TYPE_CHECKING:  # most functions need nothing of drops
    from dropreel.drops.settling import Pair, Versions


@dataclass(frozen=True, slots=True)
class NewestDrop:
    """The item as read, empty if nothing was decided on this image before."""

    key: str
    item: Item

    @property
    def versions(self) -> Versions:
        return self.item.get("image", ""), self.item.get("sidecar", "")

    def said_of(self, pair: Pair) -> str:
        """What `pair` said when it was decided on before (`Merged.text`); empty if it was not."""
        return str(self.item.get("said", "")) if self.versions == pair.versions else ""

    @property
    def together(self) -> frozenset[str]:
        return frozenset(self.item.get("together", ()))

    @property
    def settling_until(self) -> float:
        return float(self.item.get("settling_until", 0))

    def jobs_of(self, job: Job) -> list[str]:
        """The newest jobs of the same take; empty if none was noted."""
        return str(self.item.get(_take(job), "")).split()

    def replaces(self, job: Job) -> bool:
        newest = self.jobs_of(job)
        return bool(newest) and job.job_id not in newest

    def has(self, pair: Pair, jobs: Sequence[Job]) -> bool:
        noted = self.versions == pair.versions
        return noted and all(job.job_id in self.jobs_of(job) for job in jobs)


class NewestDrops:
    """All reads and writes of these items, but for the condition of an order."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def read(self, bucket: str, image_key: str) -> NewestDrop:
        key = _key(bucket, image_key)
        return NewestDrop(key, self._table.get(key) or {})

    def of(self, source: Source) -> NewestDrop:
        return self.read(source.bucket, source.key)

    def note(
        self, before: NewestDrop, pair: Pair, jobs: Sequence[Job], *, rejected: bool = False
    ) -> bool:
        """Note that `pair` became `jobs`, or none. False if another pair came before this one.

        What was `rejected` may be put right by other files: what it said is not kept.
        """
        if before.has(pair, jobs):
            return True
        image, sidecar = pair.versions
        said = "" if rejected else pair.said.text
        takes = _by_take(before, jobs, adds="take" in pair.said.values)
        sets = {"image": image, "sidecar": sidecar, "said": said, **takes}
        update = Update(
            before.key, sets=sets, removes=["settling_until"], condition=_still(before.versions)
        )
        try:
            self._table.update(update)
        except ConditionFailedError as error:
            return NewestDrop(before.key, error.item).has(pair, jobs)  # by another event of it
        return True

    def let_settle(self, before: NewestDrop, until: float) -> None:
        """Let no earlier job of this image be ordered until then, or until the next decision."""
        if before.item:
            sets = {"settling_until": until}
            update = Update(before.key, sets=sets, condition=_still(before.versions))
            with suppress(ConditionFailedError):
                self._table.update(update)


def still_newest(job: Job) -> Update:
    """Part of a transaction: no newer drop has taken the place of `job`."""
    take = _take(job)
    condition = Attr(take).not_exists() | Attr(take).contains(job.job_id)
    # Counted, so that this order and a newer decision cannot both be written unseen.
    return Update(_key(job.source.bucket, job.source.key), adds={"orders": 1}, condition=condition)


def _still(versions: Versions) -> ConditionBase:
    image, sidecar = versions
    if not image:
        return Attr("image").not_exists()
    return Attr("image").eq(image) & Attr("sidecar").eq(sidecar)


def _by_take(before: NewestDrop, jobs: Sequence[Job], *, adds: bool) -> dict[str, Any]:
    """The newest jobs of each take. A drop that `adds` to the clips before leaves them alone."""
    takes = {_take(job): _ids(one for one in jobs if _take(one) == _take(job)) for job in jobs}
    if adds or not jobs:
        return takes
    gone = before.together - takes.keys()
    return {**takes, **dict.fromkeys(gone, _ids(jobs)), "together": sorted(takes)}


def _ids(jobs: Iterable[Job]) -> str:
    return " ".join(job.job_id for job in jobs)


def _take(job: Job) -> str:
    return f"job_{job.settings.take}"


def _key(bucket: str, image_key: str) -> str:
    names = json.dumps([bucket, image_key])
    return f"NEWEST#{hashlib.sha256(names.encode()).hexdigest()[:32]}"
