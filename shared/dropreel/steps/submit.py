"""From a drop to a started job: find the partner, check both, claim the job, start the workflow.

An event only says where to look; what lies in the inbox *now* decides. So events may come late,
twice, in any order or at once, and all of them lead to the same job.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from dropreel.clips.bucket import ClipsBucket
from dropreel.dashboard.thumbnails import ThumbnailRequests
from dropreel.drops.image import inspect_image
from dropreel.drops.inbox import Drop, Inbox
from dropreel.drops.pairing import images_of, is_image, is_sidecar, sidecar_of
from dropreel.drops.selection import choose
from dropreel.drops.sidecar import Sidecar, parse_sidecar
from dropreel.errors import Problem, RejectedError
from dropreel.jobs.job import ClipSettings, Job, Source, State, utc_iso, workflow_input
from dropreel.jobs.naming import job_id, output_folder
from dropreel.lazy import lazy
from dropreel.ledger.jobs import SETTLED, Ledger
from dropreel.ledger.table import Table
from dropreel.mail.digest import result_mailer
from dropreel.mail.message import Links
from dropreel.mail.once import SendOnce, Turn
from dropreel.mail.publisher import Mailer, Publisher
from dropreel.mail.results import drop_rejected
from dropreel.money.pricing import PriceList
from dropreel.observability import MetricUnit, logger, metrics
from dropreel.settings import SubmitSettings

if TYPE_CHECKING:
    from boto3.session import Session
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

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
_FATE = {
    State.DELIVERED: "made",
    State.FAILED: "ordered, and may have been paid,",
    State.CANCELLED: "ordered, and may have been paid,",
}


@dataclass(frozen=True, slots=True)
class DropEvent:
    """Where to look. `since` is set on the second look, after the grace time."""

    key: str
    since: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """An image with its sidecar, or with a prompt of its own in its metadata."""

    image: Drop
    sidecar: Drop | None

    @property
    def dropped_at(self) -> str:
        times = [file.dropped_at for file in (self.image, self.sidecar) if file]
        return utc_iso(max(times))


class Submit:
    """What the `submit` function does with one message of the ingest queue."""

    def __init__(
        self,
        settings: SubmitSettings,
        *,
        inbox: Inbox,
        clips: ClipsBucket,
        table: Table,
        publisher: Mailer,
        queue: SQSClient,
        workflow: SFNClient,
        thumbnails: ThumbnailRequests | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._inbox = inbox
        self._clips = clips
        self._ledger = Ledger(table)
        self._send_once = SendOnce(table)
        self._prices = PriceList(settings.price_overrides)
        self._publisher = publisher
        self._queue = queue
        self._workflow = workflow
        self._thumbnails = thumbnails
        self._now = now
        self._place = Links(settings.aws_region, settings.clips_bucket)

    @classmethod
    def build(cls, settings: SubmitSettings, session: Session) -> Self:
        s3, queue = session.client("s3"), lazy(lambda: session.client("sqs"))
        table = Table(session.client("dynamodb"), settings.ledger_table)
        results = Publisher(lazy(lambda: session.client("sns")), settings.results_topic_arn)
        return cls(
            settings,
            inbox=Inbox(s3, settings.inbox_bucket),
            clips=ClipsBucket(s3, settings.clips_bucket),
            table=table,
            # Only for drops that are rejected, and for those that have to wait.
            publisher=result_mailer(settings, results, table, queue),
            queue=queue,
            workflow=session.client("stepfunctions"),
            # Made when the job has started, so that none starts later for it.
            thumbnails=ThumbnailRequests(
                lazy(lambda: session.client("lambda")), settings.thumbnail_function
            ),
        )

    def handle(self, message: Mapping[str, Any]) -> None:
        """Handle an S3 "Object Created" event of EventBridge, or our own delayed second look."""
        look = _where(message)
        logger.append_keys(image_key=look.key)
        if is_image(look.key):
            self._look_at_image(look)
        elif is_sidecar(look.key):
            self._look_at_sidecar(look)
        else:
            logger.info("not an image and not a sidecar: left alone")

    def _look_at_image(self, look: DropEvent) -> None:
        image = self._inbox.find(look.key)
        if image is None:
            logger.info("the image is gone: nothing to do")
            return
        sidecar_key = sidecar_of(look.key, self._inbox.partners(look.key))
        sidecar = self._inbox.find(sidecar_key) if sidecar_key else None
        if sidecar is None and not image.prompt:
            self._alone(look, image, NO_SIDECAR)
        else:
            self._start_pair(Pair(image, sidecar))

    def _look_at_sidecar(self, look: DropEvent) -> None:
        sidecar = self._inbox.find(look.key)
        if sidecar is None:
            logger.info("the sidecar is gone: nothing to do")
            return
        image_keys = images_of(look.key, self._inbox.partners(look.key))
        for image_key in image_keys:
            logger.append_keys(image_key=image_key)
            self._look_at_image(DropEvent(image_key))
        if not image_keys:
            self._alone(look, sidecar, NO_IMAGE)

    def _alone(self, look: DropEvent, file: Drop, problem: Problem) -> None:
        """Wait once for the partner of `file`; when it still is alone after that, say so."""
        dropped_at = utc_iso(file.dropped_at)
        if not look.since:
            self._queue.send_message(
                QueueUrl=self._settings.ingest_queue_url,
                MessageBody=json.dumps({"look_again": {"key": look.key, "since": dropped_at}}),
                DelaySeconds=self._settings.sidecar_grace_seconds,
            )
            logger.info("alone so far: waiting for the other file")
        elif look.since == dropped_at:
            self._reject(look.key, dropped_at, [problem])

    def _start_pair(self, pair: Pair) -> None:
        try:
            job = self._job(pair)
        except RejectedError as error:
            self._reject(pair.image.key, pair.dropped_at, error.problems)
            return
        logger.append_keys(job_id=job.job_id)
        self._start(pair.image, job)

    def _job(self, pair: Pair) -> Job:
        """Check both files, reporting what is wrong with either of them at once."""
        problems: list[Problem] = []
        try:
            sidecar = self._sidecar(pair)
        except RejectedError as error:
            problems += error.problems
        try:
            info = inspect_image(self._inbox.reader(pair.image))
        except RejectedError as error:
            problems += error.problems
        if problems:
            raise RejectedError(problems)
        choice = choose(sidecar, info.width, info.height, self._settings.providers)
        # Defaults are left out, so that new fields leave the ids of old drops alone.
        asked = sidecar.model_dump(mode="json", exclude=_NO_SETTINGS, exclude_defaults=True)
        name = job_id(self._inbox.bucket, pair.image.key, pair.image.etag, asked)
        return Job(
            job_id=name,
            state=State.CLAIMED,
            source=Source(
                bucket=self._inbox.bucket,
                key=pair.image.key,
                etag=pair.image.etag,
                media_type=info.media_type,
                width=info.width,
                height=info.height,
                pinned_key=f"sources/{name}{info.extension}",
            ),
            settings=_clip_settings(sidecar, choice.aspect_ratio),
            provider=choice.provider,
            unconfirmed=choice.unconfirmed,
            dropped_at=pair.dropped_at,
            created_at=utc_iso(self._now()),
            estimate_usd=self._prices.estimate(
                choice.provider, sidecar.resolution, sidecar.duration
            ),
            max_cost_usd=sidecar.max_cost_usd,
            priority=sidecar.priority,
        )

    def _sidecar(self, pair: Pair) -> Sidecar:
        own = {"prompt": pair.image.prompt} if pair.image.prompt else {}
        data = self._inbox.read_sidecar(pair.sidecar) if pair.sidecar else None
        return parse_sidecar(data, own)

    def _start(self, image: Drop, job: Job) -> None:
        """Pin, claim, start: each step may be repeated, and only the claim's owner starts."""
        self._clips.pin(self._inbox.bucket, image, job.source.pinned_key, job.source.media_type)
        held = self._ledger.claim(job)
        if held.state is not State.CLAIMED:
            self._already(held, job)
            return
        try:
            self._workflow.start_execution(
                stateMachineArn=self._settings.state_machine_arn,
                name=held.execution_name,
                input=json.dumps(workflow_input(held)),
            )
        except self._workflow.exceptions.ExecutionAlreadyExists:
            logger.info("this job is already under way: nothing to do")
            return
        if held.created_at == job.created_at:
            metrics.add_metric("JobStarted", MetricUnit.Count, 1)
            if self._thumbnails:
                self._thumbnails.ask(held.job_id, held.source.pinned_key)
        logger.info("job started with %s", held.provider)

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
        facts = json.dumps([self._inbox.bucket, key, dropped_at, texts])
        mail_id = f"rejected-{hashlib.sha256(facts.encode()).hexdigest()[:24]}"
        record_key = f"{output_folder(key)}/{mail_id}.json"
        turn = self._send_once.begin(mail_id, self._now().timestamp())
        if turn is not Turn.OURS:
            logger.info("this rejection is told already")
            return
        mail = drop_rejected(key, problems, record_key, self._place)
        record = {**mail.document, "dropped_at": dropped_at, "rejected_at": utc_iso(self._now())}
        self._clips.put_record(record_key, record)
        self._publisher.send(mail)
        self._send_once.end(mail_id, utc_iso(self._now()))
        metrics.add_metric("DropRejected", MetricUnit.Count, 1)
        logger.warning("drop rejected", fields=[problem.field for problem in problems])


def made_before(held: Job) -> Problem:
    """What is wrong with a drop of the files of a job that has ended, and is not to run again."""
    take = held.settings.take
    return Problem(
        "take",
        f"{take}, with which this clip of the image was {_FATE[held.state]} before",
        "another number, to order (and pay) another clip of the same image and settings",
        f'Put "take": {take + 1} into the sidecar, or change the prompt.',
    )


def _where(message: Mapping[str, Any]) -> DropEvent:
    if "look_again" in message:
        return DropEvent(**message["look_again"])
    return DropEvent(message["detail"]["object"]["key"])


def _clip_settings(sidecar: Sidecar, aspect_ratio: str) -> ClipSettings:
    fields = sidecar.model_dump(exclude={"provider", "aspect_ratio", *_NO_SETTINGS})
    return ClipSettings(aspect_ratio=aspect_ratio, **fields)
