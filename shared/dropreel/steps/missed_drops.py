"""Drops whose event never came: once a day the inbox is compared with the ledger.

A file that nobody has decided on is sent to the ingest queue as S3 would have sent it, so there is
one way in. Invariant: this starts nothing a second time, because an event only says where to look,
and one of a known drop never starts a job again (`Ledger.claim`). It is bounded: a few pages of the
inbox in each sweep, new files only, and each version of a file is sent once.

Items: INBOX#<bucket>, how far the comparison is: `after` the last key that was compared, the next
one not before `due_at` (unix seconds), files from `since` on. `known_drops` holds what was sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dropreel.drops.inbox import Drop, Inbox
from dropreel.drops.pairing import (
    PROMPT_ENDING,
    images_of,
    is_image,
    is_left_over,
    is_reference,
    is_sidecar,
    sidecars_of,
)
from dropreel.drops.settling import files_of, version
from dropreel.jobs.job import utc_iso
from dropreel.jobs.naming import split_ending
from dropreel.ledger.known_drops import is_known, note_known
from dropreel.ledger.newest import NewestDrops
from dropreel.ledger.table import Item, Table, Update
from dropreel.observability import MetricUnit, logger, metrics

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

PAGES = 5  # of 1,000 keys, in one sweep: 240,000 files a day
MOST_SENT = 50  # in one sweep
OLDEST = timedelta(days=7)
YOUNGEST = timedelta(hours=1)  # before that, its event and its partner may be under way
FIRST = timedelta(hours=2)  # S3 may send its first events some minutes after the deployment
EVERY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedDrops:
    """Finds drops that no event has told of."""

    inbox: Inbox
    table: Table
    newest: NewestDrops
    queue: SQSClient
    queue_url: str
    now: Callable[[], datetime]

    def check(self) -> None:
        """Compare the next part of the inbox, if it is due."""
        item = self.table.get(self._key)
        if item is None:
            since, due_at = self.now() - YOUNGEST, (self.now() + FIRST).timestamp()
            first = {"since": utc_iso(since), "after": "", "due_at": int(due_at)}
            self.table.update(Update(self._key, sets=first))
        elif self.now().timestamp() >= item["due_at"]:
            self._compare(item)

    def _compare(self, item: Item) -> None:
        after, sent = item["after"], 0
        for _ in range(PAGES):
            page = self.inbox.page(after)
            keys = [drop.key for drop in page]
            for drop in page:
                sent += self._send_if_missed(drop, keys, item["since"])
                after = drop.key
                if sent >= MOST_SENT:
                    break
            if not page or sent >= MOST_SENT:
                break
        sets = {"after": after}
        if not page:
            sets = {"after": "", "due_at": int((self.now() + EVERY).timestamp())}
        self.table.update(Update(self._key, sets=sets))

    def _send_if_missed(self, drop: Drop, keys: Sequence[str], since: str) -> bool:
        age = self.now() - drop.dropped_at
        is_new = YOUNGEST <= age <= OLDEST and utc_iso(drop.dropped_at) >= since
        if not is_new or self.was_seen(drop, keys):
            return False
        logger.warning("no event has told of this drop: handling it now", image_key=drop.key)
        detail = {"bucket": {"name": self.inbox.bucket}, "object": {"key": drop.key}}
        message = {"detail-type": "Object Created", "detail": detail}
        self.queue.send_message(
            QueueUrl=self.queue_url, MessageBody=json.dumps(message), DelaySeconds=0
        )
        note_known(self.table, version(drop), self.now())
        metrics.add_metric("DropMissed", MetricUnit.Count, 1)
        return True

    def was_seen(self, drop: Drop, keys: Sequence[str]) -> bool:
        """Whether it was decided on, alone or with its partner, or is no file of a drop."""
        if is_left_over(drop.key) or is_reference(drop.key):
            return True
        if is_image(drop.key):
            decided = self.newest.read(self.inbox.bucket, drop.key).versions
            return decided[0] == version(drop) or self._is_known(drop)
        if not is_sidecar(drop.key):
            return True
        return self._is_known(drop) or self._was_sidecar_seen(drop, keys)

    def _was_sidecar_seen(self, sidecar: Drop, keys: Sequence[str]) -> bool:
        images = images_of(sidecar.key, keys)
        if not images:  # they may be on another page
            images = images_of(sidecar.key, self.inbox.partners(sidecar.key))
        if not images:
            return split_ending(sidecar.key)[1] == PROMPT_ENDING  # of which nobody is mailed
        return all(
            version(sidecar) in files_of(self.newest.read(self.inbox.bucket, image).versions)
            or sidecar.key not in sidecars_of(image, self.inbox.partners(image))
            for image in images
        )

    def _is_known(self, drop: Drop) -> bool:
        return is_known(self.table, version(drop))

    @property
    def _key(self) -> str:
        return f"INBOX#{self.inbox.bucket}"
