"""The end of every job: store the clip if there is one, write the record, send the mails once.

Everything in here may be repeated: the clip has one key, the ledger knows what is done, and a
mail that was sent is not sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field

from dropreel.clips.bucket import ClipsBucket
from dropreel.clips.download import without_query
from dropreel.clips.mp4 import remark_on
from dropreel.clips.transfer import ClipTooSlowError, TimeLeft, Transfer
from dropreel.errors import ClipInvalidError, DownloadError, MailBusyError, UnsafeUrlError
from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import ENDS, ClipInfo, Job, State, from_iso, utc_iso
from dropreel.ledger.jobs import Ledger
from dropreel.mail.digest import DigestSettings
from dropreel.mail.group import GroupMails
from dropreel.mail.message import Links
from dropreel.mail.once import SendOnce, Turn
from dropreel.mail.operators import job_alert
from dropreel.mail.publisher import Mailer, OperatorsSettings
from dropreel.mail.results import clip_delivered, clip_not_delivered
from dropreel.observability import MetricUnit, logger, metrics
from dropreel.pages.links import LinkSettings, PageLinks
from dropreel.providers.base import Pending, Provider, Ready
from dropreel.settings import LedgerSettings, Listed
from dropreel.steps.cancel import NEVER_ORDERED, end_made
from dropreel.steps.lost_order import answer_lost
from dropreel.steps.outcomes import (
    Delivered,
    FinalizeEvent,
    FinalizeOutcome,
    NotDelivered,
    Superseded,
    Wait,
)

if TYPE_CHECKING:
    from dropreel.container import Container

MAX_FETCHES = 5  # in one execution; the sweep resumes a stalled job every half hour
NO_VIDEO_AFTER = timedelta(hours=6)
_FETCH_WAIT_S = 30

# What an accident means for a job in this state: what may have been paid is never called unpaid.
_AFTER_ACCIDENT = {
    State.CLAIMED: State.REFUSED,
    State.SUBMITTING: State.UNKNOWN,
    State.SUBMITTED: State.STALLED,
    State.RUNNING: State.STALLED,
    State.READY: State.STALLED,
}


class FinalizeSettings(LedgerSettings, DigestSettings, OperatorsSettings, LinkSettings):
    max_clip_megabytes: Annotated[int, Field(ge=1)]
    trusted_result_origins: Annotated[frozenset[str], Listed] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalize:
    """What the `finalize` function does with one job."""

    clips: ClipsBucket
    provider: Callable[[str], Provider]
    transfer: Transfer
    results: Mailer
    operators: Mailer
    pages: PageLinks
    region: str
    now: Callable[[], datetime]
    ledger: Ledger
    send_once: SendOnce
    group_mails: GroupMails

    @classmethod
    def build(cls, container: Container) -> Self:
        settings = container.settings(FinalizeSettings)
        transfer = Transfer(
            clips=container.clips,
            http=container.http,
            trusted_origins=settings.trusted_result_origins,
            max_bytes=settings.max_clip_megabytes * 1024 * 1024,
        )
        group_mails = GroupMails(
            container.groups,
            container.send_once,
            container.results,
            container.links,
            container.now,
            page=container.page_links.image,
            page_days=container.page_links.days,
        )
        return cls(
            ledger=container.ledger,
            send_once=container.send_once,
            group_mails=group_mails,
            clips=container.clips,
            provider=container.provider,
            transfer=transfer,
            results=container.results,
            operators=container.operators,
            pages=container.page_links,
            region=settings.aws_region,
            now=container.now,
        )

    def handle(self, event: FinalizeEvent, time_left: TimeLeft = lambda: inf) -> FinalizeOutcome:
        job = self.ledger.require(event.job_id)
        if event.superseded_by(job):
            logger.info("this job has gone on elsewhere: nothing to do")
            return Superseded()
        if job.state is State.READY and not event.late:  # whatever went wrong on the way
            job = self._deliver(job, event.fetches, time_left)
            if job.state is State.READY:
                return Wait(_FETCH_WAIT_S * 2**event.fetches)
        elif job.state not in ENDS:
            job = self._after_accident(job, event.accident)
        self._send_mails(job, event)
        return _told(job)

    # --- the clip -------------------------------------------------------------------------------

    def _deliver(self, job: Job, fetches: int, time_left: TimeLeft) -> Job:
        """Fetch, check and store the clip; on trouble, leave the job ready for another try.

        The clip is paid for: nothing in here frees money, and only what is no video ends the job.
        """
        if job.cancel_requested:
            return end_made(self.ledger, job, None, self.now())
        status = self.provider(job.provider).status(job.provider_job_id, job.order_addresses)
        if not isinstance(status, Ready):
            reason = status.word if isinstance(status, Pending) else status.failure.message
            return self._try_again(job, fetches, JobFailure.of(FailureKind.DOWNLOAD, reason))
        try:
            clip = self.transfer.fetch(job, status, time_left)
        except ClipInvalidError as error:
            return self._no_video(job, fetches, status, str(error))
        except ClipTooSlowError as error:
            return self._stalled(job, JobFailure.of(FailureKind.DOWNLOAD, str(error)))
        except (DownloadError, UnsafeUrlError) as error:
            unsafe = isinstance(error, UnsafeUrlError)
            kind = FailureKind.UNSAFE_RESULT if unsafe else FailureKind.DOWNLOAD
            return self._try_again(job, fetches, JobFailure.of(kind, str(error)))
        return self._delivered(job, clip, status)

    def _delivered(self, job: Job, clip: ClipInfo, ready: Ready) -> Job:
        metrics.add_metric("ClipDelivered", MetricUnit.Count, 1)
        seconds = (self.now() - from_iso(job.dropped_at)).total_seconds()
        metrics.add_metric("SecondsToClip", MetricUnit.Seconds, max(0, seconds))
        cost = ready.cost_usd if ready.cost_usd is not None else job.cost_usd
        asked = job.settings
        facts = {
            "clip": clip,
            "remark": remark_on(clip, asked.duration, asked.aspect_ratio),
            "delivered_at": utc_iso(self.now()),
            "cost_usd": cost,
        }
        if job.reservation and cost is not None:
            facts["reservation"] = job.reservation.of(cost)
        return self._end(job, State.DELIVERED, None, facts)

    def _no_video(self, job: Job, fetches: int, ready: Ready, reason: str) -> Job:
        """Give up on a file that is no video only after hours, and keep it even then."""
        since = from_iso(job.ready_at) if job.ready_at else self.now()
        if self.now() < since + NO_VIDEO_AFTER:
            return self._try_again(job, fetches, JobFailure.of(FailureKind.DOWNLOAD, reason))
        try:
            place = self.transfer.quarantine(job, ready)
        except (DownloadError, UnsafeUrlError):
            return self._try_again(job, fetches, JobFailure.of(FailureKind.DOWNLOAD, reason))
        message = f"{reason}; the file is kept for 30 days: {place}"
        return self._end(job, State.FAILED, JobFailure.of(FailureKind.NOT_A_CLIP, message))

    def _try_again(self, job: Job, fetches: int, failure: JobFailure) -> Job:
        logger.warning("the clip could not be fetched this time", kind=failure.kind.value)
        return job if fetches + 1 < MAX_FETCHES else self._stalled(job, failure)

    def _stalled(self, job: Job, failure: JobFailure) -> Job:
        return self._end(job, State.STALLED, failure)

    def _after_accident(self, job: Job, accident: str) -> Job:
        end = _AFTER_ACCIDENT[job.state]
        message = accident or "the workflow ended too early"
        logger.error("accident in the workflow", accident=message, was=job.state.value)
        if job.state is State.CLAIMED and job.cancel_requested:
            return self._end(job, State.CANCELLED, NEVER_ORDERED, job.released())
        if end is State.UNKNOWN:
            return self._end(job, end, answer_lost(message))
        free = job.released() if end is State.REFUSED else {}
        return self._end(job, end, JobFailure.of(FailureKind.ACCIDENT, message), free)

    def _end(
        self,
        job: Job,
        end: State,
        failure: JobFailure | None,
        facts: Mapping[str, Any] | None = None,
    ) -> Job:
        facts = facts or {}
        attempts = job.attempted(
            outcome=end.value,
            ended_at=utc_iso(self.now()),
            cost_usd=facts.get("cost_usd"),
            reason=failure.message if failure else "",
        )
        return self.ledger.move(job, end, failure=failure, attempts=attempts, **facts)

    # --- record and mails -----------------------------------------------------------------------

    def _send_mails(self, job: Job, event: FinalizeEvent) -> None:
        links = Links(self.region, self.clips.bucket, event.execution_id)
        self._once(job.mail_id, lambda: self._mail_result(job, event, links))
        alert = job_alert(job, links)
        if alert:
            # A mail id of its own: trouble with one topic must not repeat the other's mail.
            self._once(job.operators_mail_id, lambda: self.operators.send(alert))
        self.ledger.settle(job)

    def _once(self, mail_id: str, send: Callable[[], None]) -> None:
        turn = self.send_once.begin(mail_id, self.now().timestamp())
        if turn is Turn.BUSY:
            raise MailBusyError(f"another run is sending the mail {mail_id}")
        if turn is Turn.OURS:
            send()
            self.send_once.end(mail_id, utc_iso(self.now()))

    def _mail_result(self, job: Job, event: FinalizeEvent, links: Links) -> None:
        self.clips.put_record(job.record_key, self._record(job, event))
        if job.state is not State.DELIVERED:
            metrics.add_metric("ClipNotDelivered", MetricUnit.Count, 1)
        logger.info("job ended as %s", job.state)
        if not job.group or self.group_mails.leave_out(job):
            self._mail_alone(job, links)

    def _mail_alone(self, job: Job, links: Links) -> None:
        if job.state is State.DELIVERED and job.clip:
            self.results.send(clip_delivered(job, job.clip, self._with_page(links, job)))
        else:
            self.results.send(clip_not_delivered(job, links))

    def _with_page(self, links: Links, job: Job) -> Links:
        return replace(links, page=self.pages.job(job.job_id) or "", page_days=self.pages.days)

    def _record(self, job: Job, event: FinalizeEvent) -> dict[str, Any]:
        """What is kept beside the clip: how it came to be, without any address that opens it."""
        facts = asdict(job)
        references = [without_query(url) for url in job.settings.reference_image_urls]
        facts["settings"]["reference_image_urls"] = references
        return {
            **{name: facts[name] for name in ("job_id", "state", "run", "source", "settings")},
            "clip": f"s3://{self.clips.bucket}/{job.clip_key}" if job.clip else None,
            "video": facts["clip"],
            "provider": job.provider,
            "provider_job_id": job.provider_job_id,
            "attempts": facts["attempts"],
            "labels": job.labels,
            "advice": job.advice,
            "origins": job.origins,
            "references": job.references,
            "unconfirmed": job.unconfirmed,
            "remark": job.remark,
            "estimate_usd": facts["estimate_usd"],
            "cost_usd": facts["cost_usd"],
            "failure": job.failure.facts() if job.failure else None,
            "dropped_at": job.dropped_at,
            "created_at": job.created_at,
            "asked_at": job.asked_at,
            "delivered_at": job.delivered_at,
            "recorded_at": utc_iso(self.now()),
            "polls": event.polls,
            "execution": event.execution_id,
        }


def _told(job: Job) -> Delivered | NotDelivered:
    """How the execution ends: what an operator reads in the console."""
    if job.state is State.DELIVERED:
        return Delivered(job.state, job.clip_key)
    failure = job.failure or JobFailure(FailureKind.UNEXPECTED)
    kind = failure.kind.value
    return NotDelivered(job.state, f"{job.state.value}.{kind}", failure.message or kind)
