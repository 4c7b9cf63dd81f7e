"""The sweep: finds jobs that the workflow has left behind, and lets it go on with them.

It sends no mail about a job itself: the workflow does. A job that was ordered before is resumed,
which never orders; one whose execution was never started gets its first one.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from math import inf
from typing import TYPE_CHECKING, Any, Self

from dropreel.clips.bucket import ClipsBucket
from dropreel.drops.inbox import Inbox
from dropreel.jobs.job import ENDS, Job, Reservation, State, from_iso, workflow_input
from dropreel.ledger.jobs import SETTLED, Ledger
from dropreel.ledger.newest import NewestDrops
from dropreel.ledger.slots import Slots, SlotSettings
from dropreel.mail.alerts import report_spending
from dropreel.mail.group import GroupMails
from dropreel.mail.once import SendOnce
from dropreel.mail.operators import needs_operator
from dropreel.mail.publisher import OperatorsSettings, ResultsSettings
from dropreel.mail.subscribers import RESULTS, Subscribers
from dropreel.money.budget import Caps
from dropreel.money.policy import CapSettings
from dropreel.observability import count, logger
from dropreel.providers.base import Failed, Provider, Ready
from dropreel.providers.catalog import CATALOG
from dropreel.providers.config import ProviderSettings
from dropreel.settings import LedgerSettings
from dropreel.steps.batches import ForgottenBatches
from dropreel.steps.checkup import Checkup
from dropreel.steps.ingest import IngestQueue
from dropreel.steps.lost_order import find_lost_orders
from dropreel.steps.missed_drops import MissedDrops

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from dropreel.container import Container

TimeLeft = Callable[[], float]  # seconds until this run is killed

MOST_JOBS = 2000  # in one sweep: most of them are under way and need one read each
WATCH = timedelta(days=3)  # after this a provider has forgotten the job, or bills it for good
PROVIDER_S = 120  # of answers of one provider, in one sweep
MARGIN_S = 120  # for the slowest single check, before the function's time is over
_GOLDEN_RATIO = 0.6180339887  # its multiples spread evenly between 0 and 1
_GONE = "gone"
_ASKED_ABOUT = frozenset({State.STALLED, State.UNKNOWN})
_RESUMED = ("late", "found", "stuck", "started", "untold")
_LEFT_BEHIND = ("stuck", "started", "untold", "failed")  # no execution cared for these
_UNDER_WAY = frozenset({State.SUBMITTING, State.SUBMITTED, State.RUNNING, State.READY})


class SweepSettings(
    LedgerSettings, ProviderSettings, SlotSettings, ResultsSettings, OperatorsSettings, CapSettings
):
    state_machine_arn: str
    cancel_stalled_orders: bool
    inbox_bucket: str
    ingest_queue_url: str
    results_email_given: bool
    operator_email_given: bool

    @property
    def mailed(self) -> dict[str, str]:
        """The topics that somebody should get mails of, by name."""
        results = {RESULTS: self.results_topic_arn} if self.results_email_given else {}
        operators = {"operators": self.operators_topic_arn} if self.operator_email_given else {}
        return results | operators


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What the `sweep` function does, every now and then."""

    slots: Slots
    clips: ClipsBucket
    provider: Callable[[str], Provider]
    workflow: SFNClient
    machine_arn: str
    deadline: timedelta
    cancel_stalled: bool
    caps: Caps
    now: Callable[[], datetime]
    ledger: Ledger
    send_once: SendOnce
    chores: Sequence[Callable[[], object]] = ()

    @classmethod
    def build(cls, container: Container) -> Self:
        settings = container.settings(SweepSettings)
        subscribers = Subscribers(container.client("sns"), settings.mailed, container.alerts)
        # Not by way of a digest: what is overdue is rare.
        group_mails = GroupMails(
            container.groups,
            container.send_once,
            container.topic,
            container.links,
            container.now,
        )
        queue = IngestQueue(container.client("sqs"), settings.ingest_queue_url)
        batches = ForgottenBatches(container.batches, queue, container.now)
        missed = MissedDrops(
            inbox=Inbox(container.client("s3"), settings.inbox_bucket),
            table=container.table,
            newest=NewestDrops(container.table),
            queue=container.client("sqs"),
            queue_url=settings.ingest_queue_url,
            now=container.now,
        )
        checkup = Checkup(
            table=container.table,
            provider=container.provider,
            alerts=container.alerts,
            now=container.now,
        )
        return cls(
            ledger=container.ledger,
            send_once=container.send_once,
            slots=container.slots,
            clips=container.clips,
            provider=container.provider,
            workflow=container.client("stepfunctions"),
            machine_arn=settings.state_machine_arn,
            deadline=container.deadline,
            cancel_stalled=settings.cancel_stalled_orders,
            caps=settings.caps(),
            chores=[
                container.digests.send_overdue,
                group_mails.send_overdue,
                batches.check,
                subscribers.check,
                missed.check,
                checkup.check,
            ],
            now=container.now,
        )

    def handle(self, time_left: TimeLeft = lambda: inf) -> dict[str, int]:
        """Do the chores, then check every unsettled job. Returns how many got which treatment.

        No provider may use up the time of the others: after PROVIDER_S of its answers its jobs are
        put off to the next sweep, which starts with other jobs.
        """
        done: Counter[str] = Counter()
        for provider in CATALOG:
            done.update(self._heal_slots(provider))
        self._do_chores()
        spent: dict[str, float] = defaultdict(float)
        for job_id in self._rotated(self.ledger.unsettled(MOST_JOBS)):
            done[self._check(job_id, spent, time_left)] += 1
        del done[_GONE]
        self._report(done)
        return dict(done)

    def _rotated(self, job_ids: list[str]) -> list[str]:
        """From another place each half hour, spread evenly whatever their number."""
        turns = self.now().timestamp() // 1800 * _GOLDEN_RATIO
        start = int(turns % 1 * len(job_ids))
        return [*job_ids[start:], *job_ids[:start]]

    def _check(self, job_id: str, spent: dict[str, float], time_left: TimeLeft) -> str:
        """One odd job must not keep the others from being looked at."""
        if time_left() < MARGIN_S:
            return "put off"
        begun, provider = self.now(), ""
        try:
            job = self.ledger.get(job_id)
            if job is None:
                return _GONE
            provider = job.provider
            return self._treat(job, may_ask=spent[provider] < PROVIDER_S)
        except Exception:
            logger.exception("not swept", job_id=job_id)
            return "failed"
        finally:
            spent[provider] += (self.now() - begun).total_seconds()

    def _report_spending(self) -> None:
        today = Reservation.at(self.now(), Decimal(0))
        report_spending(self.ledger.spending(today, self.caps))

    def _do_chores(self) -> None:
        """What else has to be looked at now and then."""
        for chore in (self._report_spending, *self.chores):
            try:
                chore()
            except Exception:
                logger.exception("a chore was not done")

    def _treat(self, job: Job, *, may_ask: bool) -> str:
        if job.state in ENDS and not self._all_mailed(job):
            if self._is_running(job):
                return "under way"
            return self._resume(job, {"left_behind": True}, "untold")
        if job.state in SETTLED:
            self.ledger.settle(job)
            return "settled"
        if job.state in _ASKED_ABOUT:
            if self._too_old(job):
                self.ledger.give_up_watching(job)
                return "given up"
            if not may_ask:
                return "put off"
            return self._stalled(job) if job.state is State.STALLED else self._unknown(job)
        due = job.deadline_at if job.state in _UNDER_WAY else job.created_at
        if self.now() < from_iso(due) + self.deadline or self._is_running(job):
            return "under way"
        return self._stuck(job)

    def _heal_slots(self, provider: str) -> dict[str, int]:
        def needs_slot(job_id: str) -> bool:
            job = self.ledger.get(job_id)
            if job is None or job.provider != provider:
                return False
            if job.state in (State.CLAIMED, State.UNKNOWN):
                return self._is_running(job)
            return job.state in (State.SUBMITTING, State.SUBMITTED, State.RUNNING)

        try:
            freed = self.slots.heal(provider, needs_slot)
        except Exception:
            logger.exception("slots not healed", provider=provider)
            return {"failed": 1}
        return {"slots freed": freed} if freed else {}

    def _all_mailed(self, job: Job) -> bool:
        """Whether everybody was mailed about this end who should be."""
        if not self.send_once.was_sent(job.mail_id):
            return False
        return not needs_operator(job) or self.send_once.was_sent(job.operators_mail_id)

    def _stalled(self, job: Job) -> str:
        order = job.provider_job_id, job.order_addresses
        status = self.provider(job.provider).status(*order)
        if isinstance(status, Ready | Failed):
            return self._resume(job, {}, "late")
        if self.cancel_stalled:
            self.provider(job.provider).cancel(*order)
            return "asked to cancel"
        return "still stalled"

    def _unknown(self, job: Job) -> str:
        """Only an order that is found settles anything: a list without it proves nothing."""
        found = find_lost_orders(job, self.provider(job.provider), self.clips)
        if found and len(found) == 1:
            return self._resume(job, {"provider_job_id": found[0], "listed": True}, "found")
        return "still unknown"

    def _stuck(self, job: Job) -> str:
        """Nothing runs for this job although it has not ended: let the workflow go on with it.

        What was never ordered gets its execution, or once another one, which may order.
        """
        if job.state is State.CLAIMED:
            given = workflow_input(job)
            if any(self._start(name, given) for name in _names_to_order(job)):
                return "started"
        return self._resume(job, {"left_behind": True}, "stuck")

    def _resume(self, job: Job, resume: dict[str, Any], why: str) -> str:
        given = {**workflow_input(job), "resume": resume}
        # The same within an hour, so that two sweeps start one execution.
        name = f"{job.execution_name[:60]}-{why}-{self.now().strftime('%Y%m%d%H')}"
        return why if self._start(name, given) else "under way"

    def _start(self, name: str, given: dict[str, Any]) -> bool:
        try:
            self.workflow.start_execution(
                stateMachineArn=self.machine_arn, name=name, input=json.dumps(given)
            )
        except self.workflow.exceptions.ExecutionAlreadyExists:
            return False
        return True

    def _is_running(self, job: Job) -> bool:
        names = _names_to_order(job)
        arns = [job.execution] if job.execution else [self._arn(name) for name in names]
        return any(self._runs(arn) for arn in arns)

    def _runs(self, arn: str) -> bool:
        try:
            described = self.workflow.describe_execution(executionArn=arn)
        except self.workflow.exceptions.ExecutionDoesNotExist:
            return False
        return described["status"] == "RUNNING"

    def _arn(self, name: str) -> str:
        return f"{self.machine_arn.replace(':stateMachine:', ':execution:')}:{name}"

    def _too_old(self, job: Job) -> bool:
        return self.now() > from_iso(job.asked_at) + WATCH

    def _report(self, done: Counter[str]) -> None:
        swept = sum(done.values())
        logger.info("sweep done", extra={"swept": swept, "treated": dict(done)})
        count("JobsSwept", swept)
        count("JobsResumed", sum(done[why] for why in _RESUMED))
        count("JobsStuck", sum(done[why] for why in _LEFT_BEHIND))


def _names_to_order(job: Job) -> tuple[str, str]:
    """Of the executions that may order this run of the job, one after the other."""
    return job.execution_name, f"{job.execution_name[:74]}-again"
