"""Files that speak for many images: `defaults.json` and batches.

Neither starts a job itself. They are checked at once, and the images that they may be meant for are
looked at again, each by a message of its own. So any number of images is handled, a crash in the
middle repeats what was done, and every image is decided on in one way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dropreel.drops.folder import (
    Found,
    defaults_of,
    read_batch_file,
    read_defaults,
)
from dropreel.drops.inbox import Inbox
from dropreel.drops.pairing import BATCHES, DEFAULTS, file_of, is_image, meant_name
from dropreel.errors import Problem
from dropreel.jobs.job import utc_iso
from dropreel.jobs.naming import folder_of
from dropreel.ledger.batches import OpenBatch
from dropreel.observability import logger
from dropreel.steps.batches import BatchMails
from dropreel.steps.ingest import IngestQueue
from dropreel.steps.outcomes import DropEvent
from dropreel.steps.rejections import Rejections


@dataclass(frozen=True, slots=True)
class Folders:
    """What `submit` does with a file that speaks for the images of a folder."""

    inbox: Inbox
    queue: IngestQueue
    rejections: Rejections
    batch_mails: BatchMails
    grace: timedelta
    now: Callable[[], datetime]

    def handle(self, event: DropEvent) -> None:
        name, right = file_of(event.key), meant_name(event.key)
        if name == DEFAULTS:
            self._defaults(event.key)
        elif name in BATCHES:
            self._batch(event.key)
        elif right:
            self._misnamed(event.key, right)
        else:
            logger.info("no file that means anything to us: left alone")

    def tells(self, found: Found) -> bool:
        """Whether the mail about a batch has told what is wrong with this image's row."""
        if not (found.batch and found.row and found.row.problems):
            return False
        return found.dropped_at <= found.batch.file.dropped_at + self.grace

    def _defaults(self, key: str) -> None:
        """Say at once what is wrong with them; else look at the images that still wait."""
        found = read_defaults(self.inbox, key)
        file = self.inbox.head(key)
        if found is None or file is None:
            logger.info("the defaults are gone: nothing to do")
        elif found.problems:
            self.rejections.reject(key, utc_iso(file.dropped_at), found.problems)
        else:
            self.queue.look_at(self._waiting_below(folder_of(key)))

    def _waiting_below(self, folder: str) -> list[str]:
        """Images that may wait for a prompt. Those that were decided on are not affected."""
        since = self.now() - self.grace
        below = self.inbox.below(folder).items()
        return [key for key, dropped_at in below if is_image(key) and dropped_at >= since]

    def _batch(self, key: str) -> None:
        found = read_batch_file(self.inbox, key, defaults_of(self.inbox, key))
        if found is None:
            logger.info("the batch is gone: nothing to do")
            return
        dropped_at = utc_iso(found.file.dropped_at)
        wrong = [row for row in found.batch.rows if row.problems]
        problems = [*found.batch.problems, *(one for row in wrong for one in row.numbered)]
        if problems:
            self.rejections.reject(key, dropped_at, problems)
        images = [row.image for row in found.batch.rows if not row.problems]
        if images:
            names = tuple(map(file_of, images))
            self.batch_mails.open(OpenBatch(found.name, key, dropped_at, names, len(wrong)))
        self.queue.look_at(images)

    def _misnamed(self, key: str, right: str) -> None:
        file = self.inbox.head(key)
        if file:
            text = f"Capitals count: this file is read only if it is called {right}."
            problem = Problem("name", file_of(key), right, f"Rename it to {right}.", text=text)
            self.rejections.reject(key, utc_iso(file.dropped_at), [problem])
