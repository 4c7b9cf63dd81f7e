"""Digests: above so many results per window, machines get each of them, mailboxes one mail.

Invariant: no result above the limit is lost, because it is in the index `unsettled` under "mails"
from before it is published until a digest has listed it; the sweep sends what a digest missed.
None is listed twice, because one sender at a time works on a window, and each result says which
digest lists it before that is sent. Items, under MAILS#<window>: a counter (`mails`, and `asked`
once a digest is requested), and one per result above the limit, under its mail id.

Mail subscriptions of the template take only messages with the attribute `mail` = yes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Annotated

from boto3.dynamodb.conditions import Attr
from pydantic import Field

from dropreel.errors import ConditionFailedError
from dropreel.jobs.job import utc_iso
from dropreel.ledger.batches import Batches
from dropreel.ledger.jobs import UNSETTLED_INDEX
from dropreel.ledger.lifetimes import MAIL_DAYS, expires_at
from dropreel.ledger.table import Item, Table, Update
from dropreel.mail.digest_text import digest
from dropreel.mail.message import DigestEntry, Links, Mail
from dropreel.mail.once import SendOnce, Turn
from dropreel.mail.publisher import Publisher, ResultsSettings
from dropreel.mail.windows import Window
from dropreel.observability import MetricUnit, logger, metrics

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_UNTOLD = "mails"
_MARGIN = timedelta(seconds=15)  # for results that were counted just before the window's end
_OVERDUE = timedelta(minutes=5)
_MOST_UNTOLD = 5000  # in one sweep
_CHUNK = 50  # DynamoDB writes at most 100 items at once


class DigestSettings(ResultsSettings):
    """Above so many mails per minutes one digest is sent, by a message that waits in the queue."""

    ingest_queue_url: str
    digest_above: Annotated[int, Field(ge=0)]  # 0: never
    digest_minutes: Annotated[int, Field(ge=1, le=14)]  # a message waits 15 minutes at most


@dataclass(frozen=True, slots=True)
class ResultMailer:
    """Sends results: to mailboxes one by one up to `above` per window (0: always)."""

    publisher: Publisher
    table: Table
    batches: Batches
    queue: SQSClient
    queue_url: str
    above: int
    minutes: int
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def send(self, mail: Mail) -> None:
        """Publish `mail`, to mailboxes unless its batch tells them later. May be repeated.

        Above the limit it is first noted for a digest.
        """
        entry = mail.entry
        if entry and self._is_left_to_batch(entry, mail.batch):
            self.publisher.send(mail, to_mailboxes=False)
            return
        if entry is None or not self.above:
            self.publisher.send(mail)
            return
        window, is_new = self._window_of(entry)
        if is_new:
            kept = {"expires_at": self._expires_at}
            counted = self.table.update(Update(_key(window), sets=kept, adds={"mails": 1}))
            if counted["mails"] > self.above:
                self._note(window, entry)
        # First the ledger, then SNS: a result that dies in between is at least in a digest.
        in_digest = self.table.get(_key(window, entry.mail_id)) is not None
        if in_digest and "asked" not in (self.table.get(_key(window)) or {}):
            self._ask(window)
        self.publisher.send(mail, to_mailboxes=not in_digest)

    def _is_left_to_batch(self, entry: DigestEntry, batch: str) -> bool:
        """Asked again once it is noted: whoever closes the batch after that sees the note."""
        if not self.batches.tells(batch):
            return False
        self.batches.leave(entry.mail_id, batch, self.now())
        return self.batches.tells(batch)

    def _window_of(self, entry: DigestEntry) -> tuple[Window, bool]:
        """The window in which this mail was sent first, and whether that is now.

        A mail that is tried again, however late, is neither counted nor listed in another one.
        """
        now = Window.at(self.now(), self.minutes)
        first = Update(
            f"NOTICE#{entry.mail_id}",
            sets={"window": now.name, "expires_at": self._expires_at},
            condition=Attr("window").not_exists(),
        )
        try:
            self.table.update(first)
        except ConditionFailedError as error:
            return Window.named(error.item["window"]), False
        return now, True

    def _note(self, window: Window, entry: DigestEntry) -> None:
        facts = {name: value for name, value in asdict(entry).items() if value is not None}
        untold = {UNSETTLED_INDEX: _UNTOLD, "created_at": utc_iso(self.now())}
        kept = {"expires_at": self._expires_at}
        self.table.update(Update(_key(window, entry.mail_id), sets={**facts, **untold, **kept}))

    @property
    def _expires_at(self) -> int:
        return expires_at(self.now(), MAIL_DAYS)

    def _ask(self, window: Window) -> None:
        """Request the digest at the window's end. Two may do so: it is sent once."""
        wait = (window.end + _MARGIN - self.now()).total_seconds()
        self.queue.send_message(
            QueueUrl=self.queue_url,
            MessageBody=json.dumps({"digest": window.name}),
            DelaySeconds=max(0, min(900, int(wait))),
        )
        self.table.update(Update(_key(window), sets={"asked": True}))


@dataclass(frozen=True, slots=True)
class Digests:
    """Sends the results that mailboxes did not get one by one."""

    table: Table
    send_once: SendOnce
    publisher: Publisher
    links: Links
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    page: Callable[[str], str | None] = lambda _: None  # with all clips of an image

    def send(self, window: Window) -> None:
        """Send one mail about all results of `window` that no digest has listed, once."""
        if self.send_once.begin(f"digests-{window.name}", self.now().timestamp()) is not Turn.OURS:
            return  # somebody else is sending; the sweep sees what is left
        items = [item for item in self.table.query(_key(window)) if _is_untold(item)]
        listed = [item for item in items if self._was_listed(item)]
        self._settle(window, [_entry(item) for item in listed])
        lines = [_entry(item) for item in items if item not in listed]
        if lines:
            self._send(window, lines)

    def _was_listed(self, item: Item) -> bool:
        """The sender of its digest died after the mail, and before it could note each line."""
        return bool(item.get("digest")) and self.send_once.was_sent(item["digest"])

    def _send(self, window: Window, lines: Sequence[DigestEntry]) -> None:
        """First every line says which mail lists it, so that no line is told in two mails."""
        mail_id = f"digest-{window.name}-{_fingerprint(lines)}"
        self._note_all(window, lines, {"digest": mail_id})
        self.publisher.send(digest(window, lines, self.links, self.page))
        self.send_once.end(mail_id, utc_iso(self.now()))
        metrics.add_metric("DigestSent", MetricUnit.Count, 1)
        logger.info("digest sent", extra={"results": len(lines)})
        self._settle(window, lines)

    def send_overdue(self) -> None:
        """Send what earlier digests missed, because they were lost or came too early."""
        found = self.table.query_index(UNSETTLED_INDEX, UNSETTLED_INDEX, _UNTOLD)
        names = {item["pk"].partition("#")[2] for item in islice(found, _MOST_UNTOLD)}
        for window in map(Window.named, sorted(names)):
            if self.now() > window.end + _OVERDUE:
                self.send(window)

    def _settle(self, window: Window, lines: Sequence[DigestEntry]) -> None:
        self._note_all(window, lines, {"told_at": utc_iso(self.now())}, [UNSETTLED_INDEX])

    def _note_all(
        self,
        window: Window,
        lines: Sequence[DigestEntry],
        sets: Mapping[str, str],
        removes: Sequence[str] = (),
    ) -> None:
        for first in range(0, len(lines), _CHUNK):
            chunk = lines[first : first + _CHUNK]
            self.table.write_all(
                [Update(_key(window, one.mail_id), sets=sets, removes=removes) for one in chunk]
            )


def _key(window: Window, mail_id: str = "") -> str:
    return f"MAILS#{window.name} {mail_id}".strip()


def _is_untold(item: Item) -> bool:
    return item.get(UNSETTLED_INDEX) == _UNTOLD


def _entry(item: Item) -> DigestEntry:
    known = {field.name: item[field.name] for field in fields(DigestEntry) if field.name in item}
    return DigestEntry(**{**known, "mail_id": item["sk"]})


def _fingerprint(lines: Sequence[DigestEntry]) -> str:
    """Late results make another digest; the same results are sent once."""
    names = "\n".join(sorted(entry.mail_id for entry in lines))
    return hashlib.sha256(names.encode()).hexdigest()[:24]
