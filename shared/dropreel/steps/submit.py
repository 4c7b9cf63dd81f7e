"""From a drop to a started job: find the partner, check both, claim the job, start the workflow.

An event only says where to look; what lies in the inbox *now* decides. So events may come late,
twice, in any order or at once, and all of them lead to the same job. A pair that may be about to
be replaced is looked at again when it has settled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, Json

from dropreel.clips.bucket import ClipsBucket
from dropreel.dashboard.thumbnails import ThumbnailRequests
from dropreel.drops.image import inspect_image
from dropreel.drops.inbox import Drop, Inbox
from dropreel.drops.pairing import images_of, is_image, is_sidecar, sidecar_of
from dropreel.drops.selection import choose
from dropreel.drops.settling import Pair, Settling
from dropreel.drops.sidecar import Sidecar, parse_sidecar
from dropreel.errors import Problem, RejectedError
from dropreel.jobs.job import ClipSettings, Job, Source, State, utc_iso, workflow_input
from dropreel.jobs.naming import job_id, output_folder, rejection_id
from dropreel.ledger.jobs import SETTLED, Ledger
from dropreel.ledger.newest import NewestDrop, NewestDrops
from dropreel.ledger.slots import change_priority
from dropreel.ledger.table import Table
from dropreel.mail.digest import Digests, DigestSettings
from dropreel.mail.message import Links
from dropreel.mail.once import SendOnce, Turn
from dropreel.mail.publisher import Mailer
from dropreel.mail.results import drop_rejected
from dropreel.mail.windows import Window
from dropreel.money.pricing import PriceList, PriceOverrides
from dropreel.observability import MetricUnit, logger, metrics
from dropreel.providers.catalog import ProviderName
from dropreel.settings import LedgerSettings, Listed
from dropreel.steps.outcomes import DigestEvent, DropEvent

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

    from dropreel.container import Container

NO_SIDECAR = Problem(
    "sidecar",
    "none beside this image",
    'a text file with the image\'s name and the ending .json, such as {"prompt": "slow push-in"}',
    "Drop it into the same folder as the image.",
)
NO_IMAGE = Problem(
    "image",
    "none beside this sidecar",
    "a JPEG, PNG or WebP image with the sidecar's name",
    "Drop it into the same folder as the sidecar.",
)

_NO_SETTINGS = {"max_cost_usd", "priority"}  # they change nothing in the clip
_WAS = {
    State.DELIVERED: "made",
    State.FAILED: "ordered and may have been paid",
    State.CANCELLED: "ordered and may have been paid",
}


class SubmitSettings(LedgerSettings, DigestSettings):
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
    results: Mailer
    digests: Digests
    queue: SQSClient
    workflow: SFNClient
    thumbnails: ThumbnailRequests
    now: Callable[[], datetime]
    table: Table
    ledger: Ledger
    newest: NewestDrops
    settling: Settling
    send_once: SendOnce
    prices: PriceList
    links: Links

    @classmethod
    def build(cls, container: Container) -> Self:
        settings = container.settings(SubmitSettings)
        return cls(
            settings=settings,
            inbox=Inbox(container.client("s3"), settings.inbox_bucket),
            clips=container.clips,
            table=container.table,
            ledger=container.ledger,
            newest=NewestDrops(container.table),
            settling=Settling(settings.settle_seconds, settings.sidecar_grace_seconds),
            send_once=container.send_once,
            prices=PriceList(settings.price_overrides),
            links=container.links,
            results=container.results,
            digests=container.digests,
            queue=container.client("sqs"),
            workflow=container.client("stepfunctions"),
            thumbnails=ThumbnailRequests(container.client("lambda"), settings.thumbnail_function),
            now=container.now,
        )

    def handle(self, message: Mapping[str, Any]) -> None:
        """Handle one message of the ingest queue: a drop, or a window whose digest is due."""
        if "digest" in message:
            self.digests.send(Window.named(DigestEvent.of(message).digest))
            return
        drop = DropEvent.of(message)
        logger.append_keys(image_key=drop.key)
        if is_image(drop.key):
            self._image(drop)
        elif is_sidecar(drop.key):
            self._sidecar(drop)
        else:
            logger.info("not an image and not a sidecar: left alone")

    def _image(self, event: DropEvent) -> None:
        newest = self.newest.read(self.inbox.bucket, event.key)  # before the inbox
        image = self.inbox.head(event.key)
        if image is None:
            logger.info("the image is gone: nothing to do")
            return
        sidecar_key = sidecar_of(event.key, self.inbox.partners(event.key))
        sidecar = self.inbox.head(sidecar_key) if sidecar_key else None
        if sidecar is None and not image.prompt:
            self._alone(event, image, NO_SIDECAR)
        else:
            self._look_at(event, Pair(image, sidecar), newest)

    def _sidecar(self, event: DropEvent) -> None:
        sidecar = self.inbox.head(event.key)
        if sidecar is None:
            logger.info("the sidecar is gone: nothing to do")
            return
        image_keys = images_of(event.key, self.inbox.partners(event.key))
        for image_key in image_keys:
            logger.append_keys(image_key=image_key)
            self._image(DropEvent(image_key))
        if not image_keys:
            self._alone(event, sidecar, NO_IMAGE)

    def _alone(self, event: DropEvent, drop: Drop, problem: Problem) -> None:
        """Wait once for the partner of `drop`; if it is still alone after that, reject it."""
        dropped_at = utc_iso(drop.dropped_at)
        if not event.since:
            again = DropEvent(event.key, since=dropped_at)
            self._recheck(again.recheck(), self.settings.sidecar_grace_seconds)
            logger.info("alone so far: waiting for the other file")
        elif event.since == dropped_at:
            self._reject(event.key, dropped_at, [problem])

    def _recheck(self, message: Mapping[str, Any], seconds: int) -> None:
        self.queue.send_message(
            QueueUrl=self.settings.ingest_queue_url,
            MessageBody=json.dumps(message),
            DelaySeconds=seconds,
        )

    def _look_at(self, event: DropEvent, pair: Pair, newest: NewestDrop) -> None:
        """Start the pair if it has settled; else look again later, at what lies there then."""
        settled = tuple(event.settled) == pair.versions
        if settled or not self.settling.must_settle(pair, newest.versions):
            self._start_pair(pair, newest)
            return
        wait = self.settling.settle_s
        # Twice the time, as the message that ends the wait may be late.
        self.newest.let_settle(newest, self.now().timestamp() + 2 * wait)
        self._recheck(DropEvent(pair.image.key, settled=pair.versions).recheck(), wait)
        logger.info("one of the files may be replaced: waiting")

    def _start_pair(self, pair: Pair, newest: NewestDrop) -> None:
        try:
            job = self._job(pair)
        except RejectedError as error:
            if self._is_newest(pair, newest, None):
                self._reject(pair.image.key, pair.dropped_at, error.problems)
            return
        logger.append_keys(job_id=job.job_id)
        if self._is_newest(pair, newest, job):
            self._start(pair.image, job)

    def _is_newest(self, pair: Pair, newest: NewestDrop, job: Job | None) -> bool:
        """Note the decision on this pair, or look again: other files of it came meanwhile."""
        noted = self.newest.note(newest, pair, job)
        if not noted:
            self._recheck(DropEvent(pair.image.key).recheck(), 1)
        return noted

    def _job(self, pair: Pair) -> Job:
        """Check both files, reporting what is wrong with either of them at once."""
        problems: list[Problem] = []
        try:
            sidecar = self._parsed(pair)
        except RejectedError as error:
            problems += error.problems
        try:
            info = inspect_image(self.inbox.reader(pair.image))
        except RejectedError as error:
            problems += error.problems
        if problems:
            raise RejectedError(problems)
        choice = choose(sidecar, info.width, info.height, self.settings.providers)
        # Defaults are left out, so that new fields leave the ids of old drops alone.
        asked = sidecar.model_dump(mode="json", exclude=_NO_SETTINGS, exclude_defaults=True)
        sha256 = self.inbox.sha256(pair.image)
        name = self._job_id(pair.image, sha256, asked)
        return Job(
            job_id=name,
            state=State.CLAIMED,
            source=Source(
                bucket=self.inbox.bucket,
                key=pair.image.key,
                etag=pair.image.etag,
                media_type=info.media_type,
                width=info.width,
                height=info.height,
                pinned_key=f"sources/{name}{info.extension}",
                sha256=sha256,
            ),
            settings=_clip_settings(sidecar, choice.aspect_ratio),
            provider=choice.provider,
            unconfirmed=choice.unconfirmed,
            dropped_at=pair.dropped_at,
            created_at=utc_iso(self.now()),
            estimate_usd=self.prices.estimate(
                choice.provider, sidecar.resolution, sidecar.duration
            ),
            max_cost_usd=sidecar.max_cost_usd,
            priority=sidecar.priority,
        )

    def _job_id(self, image: Drop, sha256: str, asked: dict[str, Any]) -> str:
        """The job of this image and these settings: the one of an older version, if there is."""
        older = job_id(self.inbox.bucket, image.key, image.etag, asked)
        if self.ledger.get(older):
            return older
        return job_id(self.inbox.bucket, image.key, sha256, asked)

    def _parsed(self, pair: Pair) -> Sidecar:
        own = {"prompt": pair.image.prompt} if pair.image.prompt else {}
        data = self.inbox.read_sidecar(pair.sidecar) if pair.sidecar else None
        return parse_sidecar(data, own)

    def _start(self, image: Drop, job: Job) -> None:
        """Pin, claim, start: each step may be repeated, and only the claim's owner starts."""
        self.clips.pin(self.inbox.bucket, image, job.source.pinned_key, job.source.media_type)
        held = self._claim(job)
        if held.state is not State.CLAIMED:
            self._already(held, job)
            return
        try:
            self.workflow.start_execution(
                stateMachineArn=self.settings.state_machine_arn,
                name=held.execution_name,
                input=json.dumps(workflow_input(held)),
            )
        except self.workflow.exceptions.ExecutionAlreadyExists:
            logger.info("this job is already under way: nothing to do")
            return
        if held.created_at == job.created_at:
            metrics.add_metric("JobStarted", MetricUnit.Count, 1)
            self.thumbnails.send(held.job_id, held.source.pinned_key)
        logger.info("job started with %s", held.provider)

    def _claim(self, job: Job) -> Job:
        before = self.ledger.get(job.job_id)
        if before and before.state is State.CLAIMED:
            change_priority(self.table, before, job.priority)
        return self.ledger.claim(job)

    def _already(self, held: Job, job: Job) -> None:
        """Tell those who dropped the files again after an end why nothing comes of it."""
        logger.info("this job is already %s: nothing to do", held.state)
        if held.state not in SETTLED or held.may_start_again:
            return
        ended_at = max((attempt.ended_at for attempt in held.attempts), default="")
        if job.dropped_at > ended_at:  # an event of an earlier drop may come late
            self._reject(job.source.key, job.dropped_at, [made_before(held)])

    def _reject(self, key: str, dropped_at: str, problems: Any) -> None:
        """Record and mail once what is wrong with the file at `key`, uploaded at `dropped_at`."""
        texts = [str(problem) for problem in problems]
        mail_id = rejection_id(self.inbox.bucket, key, dropped_at, texts)
        record_key = f"{output_folder(key)}/{mail_id}.json"
        turn = self.send_once.begin(mail_id, self.now().timestamp())
        if turn is not Turn.OURS:
            logger.info("this rejection was mailed before")
            return
        mail = drop_rejected(key, problems, record_key, self.links)
        record = {**mail.document, "dropped_at": dropped_at, "rejected_at": utc_iso(self.now())}
        self.clips.put_record(record_key, record)
        self.results.send(mail)
        self.send_once.end(mail_id, utc_iso(self.now()))
        metrics.add_metric("DropRejected", MetricUnit.Count, 1)
        logger.warning("drop rejected", fields=[problem.field for problem in problems])


def made_before(held: Job) -> Problem:
    """What is wrong with a drop of the files of a job that has ended, and is not to run again."""
    take = held.settings.take
    return Problem(
        "take",
        f"{take}, but this clip was already {_WAS[held.state]}",
        "a new number: dropreel then orders (and pays for) another clip of this image",
        f'Put "take": {take + 1} into the sidecar, or change the prompt.',
    )


def _clip_settings(sidecar: Sidecar, aspect_ratio: str) -> ClipSettings:
    fields = sidecar.model_dump(exclude={"provider", "aspect_ratio", *_NO_SETTINGS})
    return ClipSettings(aspect_ratio=aspect_ratio, **fields)
