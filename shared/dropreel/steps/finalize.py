"""The end of every job: store the clip if there is one, write the record, tell people once.

Everything in here may be repeated: the clip has one key, the ledger knows what is done, and a
mail that is out is not sent again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import inf
from typing import Any, Self

import httpx

from dropreel.clips.bucket import ClipsBucket
from dropreel.clips.download import without_query
from dropreel.clips.transfer import FetchEndedError, Paused, TimeLeft, Transfer
from dropreel.errors import ClipInvalidError, DownloadError, DropreelError, UnsafeUrlError
from dropreel.jobs.job import ENDS, Job, State, from_iso, utc_iso
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.table import Table
from dropreel.mail.message import Links
from dropreel.mail.once import SendOnce, Turn
from dropreel.mail.operators import job_alert
from dropreel.mail.publisher import Mailer
from dropreel.mail.results import clip_delivered, clip_not_delivered
from dropreel.observability import MetricUnit, logger, metrics
from dropreel.providers.base import Failed, NoAnswer, Provider, Ready
from dropreel.steps.orders import LOST_ANSWER, failure_facts, released

MAX_FETCHES = 5
_FETCH_WAIT_S = 30

# What an accident means for a job in this state: what may have been paid is never called unpaid.
_AFTER_ACCIDENT = {
    State.CLAIMED: State.REFUSED,
    State.SUBMITTING: State.UNKNOWN,
    State.SUBMITTED: State.STALLED,
    State.RUNNING: State.STALLED,
    State.READY: State.STALLED,
}


class MailBusyError(DropreelError):
    """Somebody else is telling people about this end; try again to be sure that it is done."""


@dataclass(frozen=True, slots=True)
class FinalizeEvent:
    """What the workflow knows when it comes to the end. `run` is 0 where nobody says.

    `late` is set when the execution is over already and EventBridge tells of it.
    """

    job_id: str
    execution_id: str
    run: int = 0
    polls: int = 0
    fetches: int = 0
    accident: str = ""
    late: bool = False

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Self:
        """From the workflow's own call, or from EventBridge's note that an execution has ended."""
        if "detail" not in event:
            return cls(**event)
        detail = event["detail"]
        given = json.loads(detail["input"])
        return cls(
            job_id=given["job_id"],
            execution_id=detail["executionArn"],
            run=given.get("run", 0),
            accident=f"the workflow was {detail['status'].lower().replace('_', ' ')}",
            late=True,
        )

    def superseded_by(self, job: Job) -> bool:
        """Whether the job has gone on without this execution."""
        if self.run and self.run != job.run:
            return True
        return self.late and bool(job.execution) and job.execution != self.execution_id


def operators_mail_id(job: Job) -> str:
    return f"{job.mail_id}-operators"


class Finalize:
    """What the `finalize` function does with one job."""

    def __init__(
        self,
        *,
        table: Table,
        clips: ClipsBucket,
        provider: Callable[[str], Provider],
        http: httpx.Client,
        results: Mailer,
        operators: Mailer,
        region: str,
        trusted_origins: frozenset[str],
        max_clip_bytes: int,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger = Ledger(table)
        self._send_once = SendOnce(table)
        self._clips = clips
        self._provider = provider
        self._fetching = Transfer(
            table=table,
            clips=clips,
            http=http,
            trusted_origins=trusted_origins,
            max_bytes=max_clip_bytes,
        )
        self._results = results
        self._operators = operators
        self._region = region
        self._now = now

    def run(self, ending: FinalizeEvent, time_left: TimeLeft = lambda: inf) -> dict[str, Any]:
        """Returns `delivered`, `ended` (with `error` and `cause`) or `wait` (seconds).

        A `wait` with `fetches` goes on with a fetch and does not count as another one.
        """
        job = self._ledger.require(ending.job_id)
        if ending.superseded_by(job):
            logger.info("this job has gone on elsewhere: nothing to do")
            cause = "this job has gone on in another execution"
            return {"outcome": "superseded", "error": "superseded", "cause": cause}
        if job.state is State.READY and not ending.late:  # whatever went wrong on the way
            came = self._deliver(job, ending.fetches, time_left)
            if isinstance(came, Paused):
                seconds = came.wait_seconds
                return {"outcome": "wait", "wait_seconds": seconds, "fetches": ending.fetches}
            job = came
            if job.state is State.READY:
                return {"outcome": "wait", "wait_seconds": _FETCH_WAIT_S * 2**ending.fetches}
        elif job.state not in ENDS:
            job = self._note_accident(job, ending.accident)
        self._tell(job, ending)
        if job.state is State.DELIVERED:
            return {"outcome": "delivered", "state": job.state.value, "clip": job.clip_key}
        kind = str(job.failure.get("kind", "unexpected"))
        cause = str(job.failure.get("message", "")) or kind
        error = f"{job.state.value}.{kind}"
        return {"outcome": "ended", "state": job.state.value, "error": error, "cause": cause}

    def _deliver(self, job: Job, fetches: int, time_left: TimeLeft) -> Job | Paused:
        """Fetch, check and store the clip; on trouble that may pass, leave the job ready."""
        status = self._provider(job.provider).status(job.provider_job_id)
        if isinstance(status, Failed):
            free = released(job) if status.failure.billed is False else {}
            failure = failure_facts(status.failure)
            return self._end(job, State.FAILED, failure, free)
        if not isinstance(status, Ready):
            reason = status.failure.message if isinstance(status, NoAnswer) else status.word
            return self._try_again(job, fetches, State.STALLED, "download", reason)
        try:
            clip = self._fetching.fetch(job, status, time_left)
        except UnsafeUrlError as error:
            return self._failed(job, State.FAILED, "unsafe_result", str(error))
        except ClipInvalidError as error:
            return self._try_again(job, fetches, State.FAILED, "not_a_clip", str(error))
        except FetchEndedError as error:
            return self._failed(job, State.STALLED, "download", str(error))
        except DownloadError as error:
            return self._try_again(job, fetches, State.STALLED, "download", str(error))
        if isinstance(clip, Paused):
            return clip
        metrics.add_metric("ClipDelivered", MetricUnit.Count, 1)
        seconds = (self._now() - from_iso(job.dropped_at)).total_seconds()
        metrics.add_metric("SecondsToClip", MetricUnit.Seconds, max(0, seconds))
        cost = status.cost_usd if status.cost_usd is not None else job.cost_usd
        facts = {"clip": clip, "delivered_at": utc_iso(self._now()), "cost_usd": cost}
        if job.reservation and cost is not None:
            facts["reservation"] = job.reservation.of(cost)
        return self._end(job, State.DELIVERED, {}, facts)

    def _try_again(self, job: Job, fetches: int, end: State, kind: str, reason: str) -> Job:
        logger.warning("the clip could not be fetched this time", kind=kind)
        if fetches + 1 < MAX_FETCHES:
            return job
        return self._failed(job, end, kind, reason)

    def _failed(self, job: Job, end: State, kind: str, reason: str) -> Job:
        free = released(job) if end is State.REFUSED else {}
        return self._end(job, end, {"kind": kind, "message": reason}, free)

    def _end(self, job: Job, end: State, failure: dict[str, Any], facts: Mapping[str, Any]) -> Job:
        attempts = job.attempted(
            outcome=end.value,
            ended_at=utc_iso(self._now()),
            cost_usd=facts.get("cost_usd"),
            reason=str(failure.get("message", "")),
        )
        return self._ledger.move(job, end, failure=failure, attempts=attempts, **facts)

    def _note_accident(self, job: Job, accident: str) -> Job:
        end = _AFTER_ACCIDENT[job.state]
        kind = LOST_ANSWER if end is State.UNKNOWN else "accident"
        message = accident or "the workflow ended too early"
        logger.error("accident in the workflow", accident=message, was=job.state.value)
        return self._failed(job, end, kind, message)

    def _tell(self, job: Job, ending: FinalizeEvent) -> None:
        links = Links(self._region, self._clips.bucket, ending.execution_id)
        self._once(job.mail_id, ending, lambda: self._tell_droppers(job, ending, links))
        note = job_alert(job, links)
        if note:
            # A notice of its own: trouble with one topic must not repeat the other's mail.
            self._once(operators_mail_id(job), ending, lambda: self._operators.send(note))
        self._ledger.settle(job)

    def _once(self, mail_id: str, ending: FinalizeEvent, tell: Callable[[], None]) -> None:
        turn = self._send_once.begin(mail_id, self._now().timestamp())
        if turn is Turn.BUSY:
            raise MailBusyError(f"job {ending.job_id} is being told by another run")
        if turn is Turn.OURS:
            tell()
            self._send_once.end(mail_id, utc_iso(self._now()))

    def _tell_droppers(self, job: Job, ending: FinalizeEvent, links: Links) -> None:
        self._clips.put_record(job.record_key, self._record(job, ending))
        if job.state is State.DELIVERED and job.clip:
            self._results.send(clip_delivered(job, job.clip, links))
        else:
            metrics.add_metric("ClipNotDelivered", MetricUnit.Count, 1)
            self._results.send(clip_not_delivered(job, links))
        logger.info("job ended as %s", job.state)

    def _record(self, job: Job, ending: FinalizeEvent) -> dict[str, Any]:
        """What is kept beside the clip: how it came to be, without any address that opens it."""
        facts = asdict(job)
        references = [without_query(url) for url in job.settings.reference_image_urls]
        facts["settings"]["reference_image_urls"] = references
        return {
            **{name: facts[name] for name in ("job_id", "state", "run", "source", "settings")},
            "clip": f"s3://{self._clips.bucket}/{job.clip_key}" if job.clip else None,
            "video": facts["clip"],
            "provider": job.provider,
            "provider_job_id": job.provider_job_id,
            "attempts": facts["attempts"],
            "unconfirmed": job.unconfirmed,
            "estimate_usd": facts["estimate_usd"],
            "cost_usd": facts["cost_usd"],
            "failure": job.failure or None,
            "dropped_at": job.dropped_at,
            "created_at": job.created_at,
            "asked_at": job.asked_at,
            "delivered_at": job.delivered_at,
            "recorded_at": utc_iso(self._now()),
            "polls": ending.polls,
            "execution": ending.execution_id,
        }
