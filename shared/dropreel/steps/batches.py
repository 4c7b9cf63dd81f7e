"""One mail for a batch, when all of its rows have come to an end.

Nobody counts: a message in the ingest queue comes back until every job that the ledger names is
over, and the sweep sends it again if it was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dropreel.drops.inbox import Inbox
from dropreel.drops.pairing import file_of
from dropreel.jobs.group import group_mail_id
from dropreel.jobs.job import ENDS, Job, State, from_iso, utc_iso
from dropreel.jobs.naming import folder_of
from dropreel.ledger.batches import Batches, OpenBatch
from dropreel.ledger.jobs import Ledger
from dropreel.mail.digest_text import batch_digest
from dropreel.mail.message import DigestEntry, Links
from dropreel.mail.once import LEASE_S, SendOnce, Turn
from dropreel.mail.publisher import Mailer
from dropreel.mail.results import clip_delivered, clip_not_delivered
from dropreel.observability import MetricUnit, logger, metrics
from dropreel.pages.links import PageLinks
from dropreel.steps.ingest import IngestQueue
from dropreel.steps.outcomes import BatchEvent

SOON_S, LATER_S = 60, 600  # between two looks, in the first hour and after it
LONGEST = timedelta(days=3)  # no job waits for its order for so long
_SLACK = timedelta(minutes=5)
_HANDLED_AFTER = timedelta(hours=2)
_FORGOTTEN = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class BatchMails:
    """Looks at open batches and tells of those that are over."""

    inbox: Inbox
    batches: Batches
    ledger: Ledger
    send_once: SendOnce
    results: Mailer
    queue: IngestQueue
    links: Links
    pages: PageLinks
    grace: timedelta
    now: Callable[[], datetime]

    def open(self, batch: OpenBatch) -> None:
        self.batches.open(batch, self.now())
        self.queue.send(BatchEvent(batch.name).message(), SOON_S)

    def note(self, name: str, image_key: str, jobs: Sequence[Job], *, dry: bool = False) -> None:
        """An image of the batch was decided on. Without jobs it was rejected, or a `dry` run."""
        if name:
            job_ids = [job.job_id for job in jobs]
            self.batches.note(name, file_of(image_key), job_ids, self.now(), dry=dry)

    def tells(self, name: str) -> bool:
        """Whether the mail about this batch is still to come."""
        return self.batches.tells(name)

    def check(self, event: BatchEvent) -> None:
        """Send the mail if all is over; else come back."""
        batch = self.batches.read(event.batch)
        if batch is None or batch.is_told:
            return
        if self._is_over(batch):
            self._tell(batch)
            return
        self.batches.touch(batch.name, self.now())
        young = self.now() < from_iso(batch.dropped_at) + timedelta(hours=1)
        self.queue.send(event.message(), SOON_S if young else LATER_S)

    def _is_over(self, batch: OpenBatch) -> bool:
        age = self.now() - from_iso(batch.dropped_at)
        if age > LONGEST:
            return True
        undecided = set(batch.images) - set(batch.decided)
        if undecided and (age < self.grace + _SLACK or self._may_start(batch, undecided, age)):
            return False
        jobs = (self.ledger.get(job_id) for ids in batch.decided.values() for job_id in ids)
        return all(job and self._is_settled(job, batch) for job in jobs)

    def _may_start(self, batch: OpenBatch, undecided: Set[str], age: timedelta) -> bool:
        """Whether one of these images lies there, and may just not have been looked at yet."""
        here = map(file_of, self.inbox.below(folder_of(batch.key)))
        return age < _HANDLED_AFTER and not undecided.isdisjoint(here)

    def _is_settled(self, job: Job, batch: OpenBatch) -> bool:
        """Whether nothing more of this job is left to the mail about the batch.

        Not before machines were told: its mail would reach mailboxes once the batch is closed.
        """
        if job.batch != batch.name:
            return True
        return job.state in ENDS and self.send_once.was_sent(job.mail_id)

    def _tell(self, batch: OpenBatch) -> None:
        self.batches.close(batch.name, self.now())
        mail_id = f"batch-{batch.name}"
        turn = self.send_once.begin(mail_id, self.now().timestamp())
        if turn is Turn.BUSY:
            self.queue.send(BatchEvent(batch.name).message(), LEASE_S)
            return
        if turn is Turn.OURS:
            self._send(self.batches.read(batch.name) or batch)
            self.send_once.end(mail_id, utc_iso(self.now()))
        self.batches.settle(batch.name)

    def _send(self, batch: OpenBatch) -> None:
        jobs = [self._own_jobs(batch, ids) for ids in batch.decided.values()]
        own = [job for each in jobs for job in each]
        started = sum(bool(ids) for ids in batch.decided.values())
        waiting = [image for image in batch.images if image not in batch.decided]
        page = self.pages.folder(folder_of(batch.key)) or ""
        mail = batch_digest(
            batch.key,
            [entry for job in own if (entry := self._entry(job))],
            waiting=[folder_of(batch.key) + image for image in waiting],
            made_before=started - sum(map(bool, jobs)),
            dry_runs=len(batch.dry_runs),
            rejected=batch.wrong + len(batch.decided) - started - len(batch.dry_runs),
            links=replace(self.links, page=page, page_days=self.pages.days),
        )
        self.results.send(mail)
        metrics.add_metric("DigestSent", MetricUnit.Count, 1)
        logger.info("mail about a batch sent", extra={"results": len(own)})

    def _own_jobs(self, batch: OpenBatch, job_ids: Sequence[str]) -> list[Job]:
        jobs = (self.ledger.get(job_id) for job_id in job_ids)
        return [job for job in jobs if job and job.batch == batch.name]

    def _entry(self, job: Job) -> DigestEntry | None:
        """How the job ended, as a digest lists it; nothing where mailboxes were told before."""
        mails = [job.mail_id, *([group_mail_id(job.group)] if job.group else [])]
        if not any(self.batches.was_left(mail_id, job.batch) for mail_id in mails):
            return None
        if job.state is State.DELIVERED and job.clip:
            return clip_delivered(job, job.clip, self.links).entry
        return clip_not_delivered(job, self.links).entry if job.state in ENDS else None


@dataclass(frozen=True, slots=True)
class ForgottenBatches:
    """Batches whose message was lost: the sweep sends it again."""

    batches: Batches
    queue: IngestQueue
    now: Callable[[], datetime]

    def check(self) -> None:
        for name in self.batches.forgotten(self.now() - _FORGOTTEN, most=50):
            self.batches.touch(name, self.now())
            self.queue.send(BatchEvent(name).message(), 0)
