"""From a drop to a started job: find the partner, check both, claim the job, start the workflow.

An event only says where to look; what lies in the inbox *now* decides. So events may come late,
twice, in any order or at once, and all of them lead to the same job. A pair that may be about to
be replaced is looked at again when it has settled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, Json

from dropreel.clips.bucket import ClipsBucket
from dropreel.dashboard.thumbnails import ThumbnailRequests
from dropreel.drops.fields import Merged
from dropreel.drops.folder import look_around
from dropreel.drops.inbox import Drop, Inbox
from dropreel.drops.pairing import (
    PROMPT_ENDING,
    images_of,
    is_image,
    is_left_over,
    is_reference,
    is_sidecar,
)
from dropreel.drops.references import Reference
from dropreel.drops.settling import Pair, Settling, version
from dropreel.errors import Problem, RejectedError
from dropreel.jobs.job import Job, State, utc_iso, workflow_input
from dropreel.jobs.naming import split_ending
from dropreel.ledger.groups import Groups
from dropreel.ledger.jobs import SETTLED, Ledger
from dropreel.ledger.known_drops import note_known
from dropreel.ledger.newest import NewestDrop, NewestDrops
from dropreel.ledger.self_test import is_self_test, note_self_test
from dropreel.ledger.slots import change_priority
from dropreel.ledger.table import Table
from dropreel.mail.digest import Digests, DigestSettings
from dropreel.mail.dry_run import DryRuns
from dropreel.mail.windows import Window
from dropreel.money.pricing import PriceList, PriceOverrides
from dropreel.observability import MetricUnit, logger, metrics
from dropreel.pages.links import LinkSettings
from dropreel.providers.catalog import ProviderName
from dropreel.settings import LedgerSettings, Listed
from dropreel.steps.batches import BatchMails
from dropreel.steps.folders import Folders
from dropreel.steps.ingest import IngestQueue
from dropreel.steps.new_jobs import NewJobs
from dropreel.steps.outcomes import BatchEvent, DigestEvent, DropEvent
from dropreel.steps.rejections import NO_IMAGE, Rejections

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from dropreel.container import Container

_OVER = {*SETTLED, State.STALLED, State.UNKNOWN}  # a new drop of the same files changes nothing


class SubmitSettings(LedgerSettings, DigestSettings, LinkSettings):
    inbox_bucket: str
    thumbnail_function: str
    state_machine_arn: str
    providers: Annotated[tuple[ProviderName, ...], Listed, Field(min_length=1)]
    sidecar_grace_seconds: Annotated[int, Field(ge=0, le=900)]
    settle_seconds: Annotated[int, Field(ge=0, le=300)]
    price_overrides: Json[PriceOverrides] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """What the `submit` function does with one message of the ingest queue."""

    settings: SubmitSettings
    inbox: Inbox
    clips: ClipsBucket
    digests: Digests
    queue: IngestQueue
    workflow: SFNClient
    thumbnails: ThumbnailRequests
    now: Callable[[], datetime]
    table: Table
    ledger: Ledger
    groups: Groups
    newest: NewestDrops
    settling: Settling
    new_jobs: NewJobs
    rejections: Rejections
    dry_runs: DryRuns
    folders: Folders
    batch_mails: BatchMails

    @classmethod
    def build(cls, container: Container) -> Self:
        settings = container.settings(SubmitSettings)
        inbox = Inbox(container.client("s3"), settings.inbox_bucket)
        new_jobs = NewJobs(
            inbox=inbox,
            ledger=container.ledger,
            prices=PriceList(settings.price_overrides),
            providers=settings.providers,
            now=container.now,
        )
        rejections = Rejections(
            table=container.table,
            inbox=inbox,
            clips=container.clips,
            results=container.results,
            send_once=container.send_once,
            links=container.links,
            pages=container.page_links,
            now=container.now,
        )
        queue = IngestQueue(container.client("sqs"), settings.ingest_queue_url)
        newest = NewestDrops(container.table)
        grace = timedelta(seconds=settings.sidecar_grace_seconds)
        batch_mails = BatchMails(
            inbox=inbox,
            batches=container.batches,
            ledger=container.ledger,
            send_once=container.send_once,
            results=container.results,
            queue=queue,
            links=container.links,
            pages=container.page_links,
            grace=grace,
            now=container.now,
        )
        return cls(
            settings=settings,
            inbox=inbox,
            clips=container.clips,
            table=container.table,
            ledger=container.ledger,
            groups=container.groups,
            newest=newest,
            settling=Settling(settings.settle_seconds, settings.sidecar_grace_seconds),
            new_jobs=new_jobs,
            rejections=rejections,
            dry_runs=DryRuns(container.send_once, container.results, container.now),
            folders=Folders(inbox, queue, rejections, batch_mails, grace, container.now),
            batch_mails=batch_mails,
            digests=replace(container.digests, page=container.page_links.image),
            queue=queue,
            workflow=container.client("stepfunctions"),
            thumbnails=ThumbnailRequests(container.client("lambda"), settings.thumbnail_function),
            now=container.now,
        )

    def handle(self, message: Mapping[str, Any]) -> None:
        """Handle one message of the ingest queue: a drop, or a mail that is due."""
        if "digest" in message:
            self.digests.send(Window.named(DigestEvent.of(message).digest))
            return
        if "batch" in message:
            self.batch_mails.check(BatchEvent.of(message))
            return
        drop = DropEvent.of(message)
        logger.append_keys(image_key=drop.key)
        if is_self_test(drop.key):
            note_self_test(self.table, drop.key, self.now())
        elif is_left_over(drop.key) or is_reference(drop.key):
            logger.info("nothing that a clip is made of: left alone")
        elif is_image(drop.key):
            self._image(drop)
        elif is_sidecar(drop.key):
            self._sidecar(drop)
        else:
            self.folders.handle(drop)

    def _image(self, event: DropEvent) -> None:
        newest = self.newest.read(self.inbox.bucket, event.key)  # before the inbox
        image = self.inbox.head(event.key)
        if image is None:
            logger.info("the image is gone: nothing to do")
            return
        found = look_around(self.inbox, image)
        decided = newest.said_of(found.pair)
        if decided:
            self._look_at(event, replace(found.pair, said=Merged.restored(decided)), newest)
        elif self.folders.tells(found):
            logger.info("its row cannot be used, which the mail about the batch says")
            note_known(self.table, version(image), self.now())
        elif found.missing:
            self._alone(event, image, found.missing)
        else:
            self._look_at(event, found.pair, newest)

    def _sidecar(self, event: DropEvent) -> None:
        sidecar = self.inbox.head(event.key)
        if sidecar is None:
            logger.info("the sidecar is gone: nothing to do")
            return
        image_keys = images_of(event.key, self.inbox.partners(event.key))
        for image_key in image_keys:
            logger.append_keys(image_key=image_key)
            self._image(DropEvent(image_key))
        if image_keys:
            return
        if split_ending(event.key)[1] == PROMPT_ENDING:
            logger.info("a text without an image, perhaps not meant for us: left alone")
        else:
            self._alone(event, sidecar, [NO_IMAGE])

    def _alone(self, event: DropEvent, drop: Drop, missing: Sequence[Problem]) -> None:
        """Wait once for what `drop` needs; if it is still missing after that, reject it."""
        dropped_at = utc_iso(drop.dropped_at)
        if not event.since:
            again = DropEvent(event.key, since=dropped_at)
            self.queue.send(again.recheck(), self.settings.sidecar_grace_seconds)
            logger.info("alone so far: waiting for the other file")
        elif event.since == dropped_at:
            self.rejections.reject_alone(event.key, dropped_at, missing)
            note_known(self.table, version(drop), self.now())

    def _look_at(self, event: DropEvent, pair: Pair, newest: NewestDrop) -> None:
        """Start the pair if it has settled; else look again later, at what lies there then."""
        settled = tuple(event.settled) == pair.versions
        if settled or not self.settling.must_settle(pair, newest.versions):
            self._start_pair(pair, newest)
            return
        wait = self.settling.settle_s
        # Twice the time, as the message that ends the wait may be late.
        self.newest.let_settle(newest, self.now().timestamp() + 2 * wait)
        self.queue.send(DropEvent(pair.image.key, settled=pair.versions).recheck(), wait)
        logger.info("one of the files may be replaced: waiting")

    def _start_pair(self, pair: Pair, newest: NewestDrop) -> None:
        try:
            jobs, references = self.new_jobs.of(pair)
        except RejectedError as error:
            if self._is_newest(pair, newest, [], rejected=True):
                self.batch_mails.note(pair.batch, pair.image.key, [])
                self.rejections.reject(pair.image.key, pair.dropped_at, error.problems)
            return
        if self.new_jobs.is_dry(pair):
            if self._is_newest(pair, newest, []):
                self.batch_mails.note(pair.batch, pair.image.key, [], dry=True)
                self.dry_runs.tell(jobs)
        elif self._is_newest(pair, newest, jobs):
            self.batch_mails.note(pair.batch, pair.image.key, jobs)
            self._start(pair.image, jobs, references)

    def _is_newest(
        self, pair: Pair, newest: NewestDrop, jobs: Sequence[Job], *, rejected: bool = False
    ) -> bool:
        """Note the decision on this pair, or look again: other files of it came meanwhile."""
        noted = self.newest.note(newest, pair, jobs, rejected=rejected)
        if not noted:
            self.queue.send(DropEvent(pair.image.key).recheck(), 1)
        return noted

    def _start(self, image: Drop, jobs: Sequence[Job], references: Sequence[Reference]) -> None:
        """Pin, claim, start: each step may be repeated, and only the claim's owner starts."""
        bucket = self.inbox.bucket
        for job in jobs:
            self.clips.pin(bucket, image, job.source.pinned_key, job.source.media_type)
        for guide in references:
            self.clips.pin(bucket, guide.drop, guide.pinned_key, guide.info.media_type)
        held = self._claim(jobs)
        for one, job in zip(held, jobs, strict=True):
            if one.state is State.CLAIMED:
                self._run(one, is_new=one.created_at == job.created_at)
        if all(one.state is not State.CLAIMED for one in held):
            self._already(held, jobs)

    def _run(self, job: Job, *, is_new: bool) -> None:
        logger.append_keys(job_id=job.job_id)
        try:
            self.workflow.start_execution(
                stateMachineArn=self.settings.state_machine_arn,
                name=job.execution_name,
                input=json.dumps(workflow_input(job)),
            )
        except self.workflow.exceptions.ExecutionAlreadyExists:
            logger.info("this job is already under way")
            if not is_new:  # otherwise another event of the same drop was quicker to start it
                return
        if is_new:
            metrics.add_metric("JobStarted", MetricUnit.Count, 1)
            self.thumbnails.send(job.job_id, job.source.pinned_key)
        logger.info("job started with %s", job.provider)

    def _claim(self, jobs: Sequence[Job]) -> list[Job]:
        for job in jobs:
            before = self.ledger.get(job.job_id)
            if before and before.state is State.CLAIMED:
                change_priority(self.table, before, job.priority)
        return self.groups.claim(jobs) if jobs[0].group else [self.ledger.claim(jobs[0])]

    def _already(self, held: Sequence[Job], jobs: Sequence[Job]) -> None:
        """Tell those who dropped the files again after an end why nothing comes of it."""
        logger.info("nothing to do", extra={"states": [job.state.value for job in held]})
        over = [job for job in held if job.state in _OVER and not job.may_start_again]
        known_since = max(map(_known_since, held))
        if self.batch_mails.tells(jobs[0].batch):
            return
        # An event of an earlier drop may come late.
        if len(over) == len(held) and jobs[0].dropped_at > known_since:
            self.rejections.reject_again(held, jobs[0].source.key, jobs[0].dropped_at)


def _known_since(job: Job) -> str:
    """When the job came to its end; of one whose order is open, the drop that started it."""
    return (job.attempts[-1].ended_at if job.attempts else "") or job.dropped_at
