"""An operator starts a job again that ended unpaid: the same files, without another upload.

Invariant: only what a new drop of the same files could start again is started (`may_start_again`),
as the next run, in the way in which a new drop is claimed. So it is ordered at most once more,
within the caps.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, Json

from dropreel.clips.bucket import ClipsBucket
from dropreel.drops.image import inspect_image
from dropreel.drops.inbox import Inbox
from dropreel.drops.references import Reference
from dropreel.drops.selection import unconfirmed
from dropreel.errors import OperatorError
from dropreel.jobs.job import Job, State, utc_iso, workflow_input
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.newest import NewestDrops
from dropreel.mail.once import SendOnce
from dropreel.money.pricing import PriceList, PriceOverrides
from dropreel.observability import logger
from dropreel.providers.catalog import ProviderName
from dropreel.settings import LedgerSettings, Listed

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from dropreel.container import Container


class RetrySettings(LedgerSettings):
    inbox_bucket: str
    state_machine_arn: str
    providers: Annotated[tuple[ProviderName, ...], Listed, Field(min_length=1)]
    price_overrides: Json[PriceOverrides] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """What an operator's `retry` does with one job."""

    settings: RetrySettings
    ledger: Ledger
    newest: NewestDrops
    send_once: SendOnce
    inbox: Inbox
    clips: ClipsBucket
    workflow: SFNClient
    prices: PriceList
    now: Callable[[], datetime]

    @classmethod
    def build(cls, container: Container) -> Self:
        settings = container.settings(RetrySettings)
        return cls(
            settings=settings,
            ledger=container.ledger,
            newest=NewestDrops(container.table),
            send_once=container.send_once,
            inbox=Inbox(container.client("s3"), settings.inbox_bucket),
            clips=container.clips,
            workflow=container.client("stepfunctions"),
            prices=PriceList(settings.price_overrides),
            now=container.now,
        )

    def plan(self, job_id: str) -> Job:
        """The run that `handle` would start, with today's estimate. Raises OperatorError."""
        ended = self.ledger.require(job_id)
        obstacle = self._obstacle(ended)
        if obstacle:
            raise OperatorError(f"job {job_id} cannot be started again: {obstacle}")
        return self._next_run(ended)

    def handle(self, job_id: str) -> Job:
        """Start the next run. Raises OperatorError where that cannot be."""
        again = self.plan(job_id)
        self._pin_anew(again)
        if self.ledger.claim(again) != again:
            raise OperatorError(f"job {job_id} has just been started by somebody else")
        try:
            self.workflow.start_execution(
                stateMachineArn=self.settings.state_machine_arn,
                name=again.execution_name,
                input=json.dumps(workflow_input(again)),
            )
        except self.workflow.exceptions.ExecutionAlreadyExists:
            logger.info("its execution was started already")
        return again

    def _obstacle(self, ended: Job) -> str:
        """Why the job cannot be started again, and what to do instead; empty if it can."""
        if ended.state in (State.FAILED, State.CANCELLED) and not ended.may_start_again:
            return f'it may have been paid. Set "take": {ended.settings.take + 1} in its sidecar.'
        if not ended.may_start_again:
            return f"it is {ended.state}."
        if not self.send_once.was_sent(ended.mail_id):
            return "its mail is still to be sent. Try again in a minute."
        newest = self.newest.of(ended.source)
        if newest.replaces(ended):
            return f"newer files of its image are job {', '.join(newest.jobs_of(ended))}."
        if _first_provider(ended) not in self.settings.providers:
            return f"{_first_provider(ended)} is not in use any more."
        return ""

    def _next_run(self, ended: Job) -> Job:
        now, asked, provider = utc_iso(self.now()), ended.settings, _first_provider(ended)
        return Job(
            job_id=ended.job_id,
            state=State.CLAIMED,
            source=ended.source,
            settings=asked,
            provider=provider,
            dropped_at=now,
            created_at=now,
            priority=ended.priority,
            run=ended.run + 1,
            attempts=ended.attempts,
            estimate_usd=self.prices.estimate(provider, asked.resolution, asked.duration),
            max_cost_usd=ended.max_cost_usd,
            unconfirmed=unconfirmed(provider, asked, asked.aspect_ratio),
            labels=ended.labels,
            origins=ended.origins,
            batch=ended.batch,
            references=ended.references,
            advice=ended.advice,
            group_take=ended.group_take,
        )

    def _pin_anew(self, job: Job) -> None:
        """Copies of images expire after some days; the images may still lie in the inbox."""
        if not self.clips.has(job.source.pinned_key):
            image = self.inbox.head(job.source.key)
            if image is None or image.etag != job.source.etag:
                raise _gone("image", job, job.source.key)
            self.clips.pin(self.inbox.bucket, image, job.source.pinned_key, job.source.media_type)
        for pinned_key, place in job.references.items():
            if not self.clips.has(pinned_key):
                self._pin_reference(job, pinned_key, place.removeprefix("/"))

    def _pin_reference(self, job: Job, pinned_key: str, key: str) -> None:
        drop = self.inbox.head(key)
        if drop is not None:
            info = inspect_image(self.inbox.reader(drop))
            if Reference(drop, info, self.inbox.sha256(drop)).pinned_key == pinned_key:
                self.clips.pin(self.inbox.bucket, drop, pinned_key, info.media_type)
                return
        raise _gone("reference image", job, key)


def _gone(what: str, job: Job, key: str) -> OperatorError:
    return OperatorError(f"the {what} of job {job.job_id} is gone: drop {key} again")


def _first_provider(job: Job) -> str:
    """Who was to make the clip before the job moved to another provider."""
    return job.first_provider or job.provider
