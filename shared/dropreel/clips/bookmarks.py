"""How far the fetch of a large clip has come, so that another run can go on with it.

Item: FETCH#<job id>. `turn` grows with every write, and a write needs the turn that was read: of
two runs that fetch the same clip, the first to write goes on and the other one steps back. What
belongs to another order of the job counts as nothing.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from dropreel.clips.download import Position
from dropreel.clips.upload import Begun
from dropreel.errors import DropreelError
from dropreel.jobs.job import Job
from dropreel.ledger.table import ConditionFailedError, Item, Table, Update


class BookmarkTakenError(DropreelError):
    """Another run has come further with this clip."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The end of a whole part: where the clip goes on, what lies in S3, how far the check is."""

    place: Position
    begun: Begun
    check: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bookmark:
    """`rounds` counts runs that left a mark, `starts` how often it had to be begun anew."""

    turn: int = 0
    rounds: int = 0
    starts: int = 0
    mark: Mark | None = None


class Bookmarks:
    """Reads and writes the bookmark of a job."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, job: Job) -> Bookmark:
        item = self._table.get(_key(job))
        if item is None:
            return Bookmark()
        if item["order"] != _order(job):
            return Bookmark(turn=item["turn"])
        return Bookmark(item["turn"], item["rounds"], item["starts"], _mark(item))

    def put(self, job: Job, bookmark: Bookmark) -> Bookmark:
        """Write over the bookmark as it was read; raises BookmarkTakenError."""
        text = json.dumps(asdict(bookmark.mark)) if bookmark.mark else ""
        written = replace(bookmark, turn=bookmark.turn + 1)
        counts = {"turn": written.turn, "rounds": written.rounds, "starts": written.starts}
        update = Update(
            _key(job),
            sets={**counts, "order": _order(job), "mark": text},
            condition="#turn = :seen" if bookmark.turn else "attribute_not_exists(#turn)",
            where={"seen": bookmark.turn} if bookmark.turn else {},
        )
        try:
            self._table.update(update)
        except ConditionFailedError:
            raise BookmarkTakenError(f"another run fetches the clip of job {job.job_id}") from None
        return written


def _mark(item: Item) -> Mark | None:
    if not item["mark"]:
        return None
    told = json.loads(item["mark"])
    parts = tuple((etag, crc32) for etag, crc32 in told["begun"]["parts"])
    return Mark(Position(**told["place"]), Begun(told["begun"]["upload_id"], parts), told["check"])


def _key(job: Job) -> str:
    return f"FETCH#{job.job_id}"


def _order(job: Job) -> str:
    return f"{job.run} {job.provider} {job.provider_job_id}"
