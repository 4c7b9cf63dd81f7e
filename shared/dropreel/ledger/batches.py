"""The batches in the ledger: their rows that go on, and what became of each; told in one mail.

Invariant: mailboxes are told of each result once, in the batch's mail or in one of its own. For a
result is left to the batch only while that is open, which is noted with the mail of the result;
the batch is closed when machines were told of all results, and its mail lists what was left to it.

Items, under BATCH#<name>: the batch with the names of its images, and one for each image that was
decided on since, with its jobs (none: rejected, or `dry`). `unsettled` = batches until its mail was
sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from boto3.dynamodb.conditions import Attr

from dropreel.jobs.job import utc_iso
from dropreel.ledger.jobs import UNSETTLED_INDEX
from dropreel.ledger.lifetimes import MAIL_DAYS, expires_at
from dropreel.ledger.table import Item, Table, Update

_OPEN = "batches"


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """One version of a batch file. `images` are names in its folder; `wrong` rows do not go on.

    `decided` holds the ids of each image's jobs; `dry_runs` are those images of which nothing was
    to be ordered.
    """

    name: str
    key: str
    dropped_at: str
    images: tuple[str, ...]
    wrong: int = 0
    decided: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dry_runs: frozenset[str] = frozenset()
    is_told: bool = False


class Batches:
    """All reads and writes of these items."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def open(self, batch: OpenBatch, now: datetime) -> None:
        """Leave the results of its jobs to one mail from now on. May be repeated."""
        item = {
            "key": batch.key,
            "dropped_at": batch.dropped_at,
            "created_at": batch.dropped_at,
            "images": batch.images,
            "wrong": batch.wrong,
            "checked_at": utc_iso(now),
            "expires_at": expires_at(now, MAIL_DAYS),
            UNSETTLED_INDEX: _OPEN,
        }
        self._table.put(_key(batch.name), item, Attr("pk").not_exists())

    def note(
        self, name: str, image: str, job_ids: Sequence[str], now: datetime, *, dry: bool = False
    ) -> None:
        """Note what an image of the batch has become: these jobs, or none."""
        jobs = {f"{_JOB}{job_id}": True for job_id in job_ids}  # besides those of earlier decisions
        sets = {**jobs, "dry": dry, "expires_at": expires_at(now, MAIL_DAYS)}
        self._table.update(Update(f"{_key(name)} {image}", sets=sets))

    def read(self, name: str) -> OpenBatch | None:
        items = {item["sk"]: item for item in self._table.query(_key(name))}
        batch = items.pop(_HEAD, None)
        if batch is None:
            return None
        return OpenBatch(
            name=name,
            key=batch["key"],
            dropped_at=batch["dropped_at"],
            images=batch["images"],
            wrong=batch["wrong"],
            decided={image: _jobs(item) for image, item in items.items()},
            dry_runs=frozenset(
                image for image, item in items.items() if item.get("dry") and not _jobs(item)
            ),
            is_told=UNSETTLED_INDEX not in batch,
        )

    def tells(self, name: str) -> bool:
        """Whether a result of this batch is left to its mail."""
        item = self._table.get(_key(name)) if name else None
        return item is not None and "closed_at" not in item

    def leave(self, mail_id: str, name: str, now: datetime) -> None:
        """Note that mailboxes get this result in the mail about the batch, and nowhere else."""
        sets = {"batch": name, "expires_at": expires_at(now, MAIL_DAYS)}
        self._table.update(Update(f"NOTICE#{mail_id}", sets=sets))

    def was_left(self, mail_id: str, name: str) -> bool:
        return (self._table.get(f"NOTICE#{mail_id}") or {}).get("batch") == name

    def touch(self, name: str, now: datetime) -> None:
        self._table.update(Update(_key(name), sets={"checked_at": utc_iso(now)}))

    def close(self, name: str, now: datetime) -> None:
        """Results from now on have mails of their own."""
        self._table.update(Update(_key(name), sets={"closed_at": utc_iso(now)}))

    def settle(self, name: str) -> None:
        """Its mail was sent."""
        self._table.update(Update(_key(name), removes=[UNSETTLED_INDEX]))

    def forgotten(self, since: datetime, most: int) -> Iterator[str]:
        """Names of up to `most` open batches that nobody has looked at since then."""
        found = self._table.query_index(UNSETTLED_INDEX, UNSETTLED_INDEX, _OPEN)
        for indexed in islice(found, most):
            item = self._table.get(indexed["pk"]) or {}
            if UNSETTLED_INDEX in item and item["checked_at"] < utc_iso(since):
                yield str(indexed["pk"]).partition("#")[2]


_HEAD, _JOB = "BATCH", "job_"


def _jobs(item: Item) -> tuple[str, ...]:
    return tuple(name.removeprefix(_JOB) for name in item if name.startswith(_JOB))


def _key(name: str) -> str:
    return f"BATCH#{name}"
