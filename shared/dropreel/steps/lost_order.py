"""An order whose answer was lost: the payment is unknown until the order is found or settled.

Invariant: nothing in here orders, and nothing frees money. A lost order's money stays set aside
until the provider's own list shows the order, or an operator says that there is none.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from dropreel.clips.bucket import ClipsBucket, order_of
from dropreel.errors import LedgerConflictError
from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import Job, State, from_iso
from dropreel.ledger.jobs import TRANSITIONS, Ledger
from dropreel.observability import MetricUnit, logger, metrics
from dropreel.providers.base import Accepted, Provider

STALE_S = 90  # a POST with its time-outs, and the function around it, is over long before
MAX_SEARCHES = 4  # the waits between them double: 30 s, 1, 2 and 4 minutes
_CLOCKS_DIFFER = timedelta(seconds=60)  # ours and the provider's


def move_once(ledger: Ledger, job: Job, to: State, **facts: Any) -> Job:
    """Take a step that an order's answer calls for; a repeated try finds its own work done."""
    try:
        return ledger.move(job, to, **facts)
    except LedgerConflictError:
        held = ledger.require(job.job_id)
        if held.state is not to or held.order_ref != job.order_ref:
            raise
        return held


def mark_unknown(ledger: Ledger, job: Job, failure: JobFailure) -> Job:
    """Nobody knows whether the order was taken. May be repeated."""
    attempts = job.attempted(outcome=State.UNKNOWN.value, reason=failure.message)
    moved = move_once(ledger, job, State.UNKNOWN, failure=failure, attempts=attempts)
    metrics.add_metric("PaymentUnknown", MetricUnit.Count, 1)
    return moved


def answer_lost(message: str) -> JobFailure:
    return JobFailure.of(FailureKind.LOST_ANSWER, message)


def find_lost_orders(job: Job, provider: Provider, clips: ClipsBucket) -> list[str] | None:
    """Orders at the provider that can only be the lost one; None where it cannot be told."""
    sent = from_iso(job.asked_at)
    request = order_of(job, clips.address)
    until = sent + timedelta(seconds=STALE_S) + _CLOCKS_DIFFER
    found = provider.find_orders(request, sent - _CLOCKS_DIFFER, until)
    known = {attempt.provider_job_id for attempt in job.attempts}
    return None if found is None else [order for order in found if order not in known]


def follow_found_order(
    ledger: Ledger, job: Job, provider_job_id: str, deadline_at: str, **more: Any
) -> Job:
    """The lost order is found: the job goes on with it."""
    order = Accepted(provider_job_id)
    facts = {"deadline_at": deadline_at, **_taken(job, order), **more}
    moved = ledger.move(job, State.SUBMITTED, **facts)
    metrics.add_metric("PaymentRecovered", MetricUnit.Count, 1)
    logger.info("the lost order was found")
    return moved


def note_order(ledger: Ledger, job: Job, order: Accepted) -> None:
    """The provider has taken the order of `job`, even if somebody has given it up meanwhile.

    What has gone on to another order meanwhile keeps that one: this one is paid for nothing, and
    an operator has to know.
    """
    try:
        ledger.move(job, State.SUBMITTED, **_taken(job, order))
    except LedgerConflictError:
        held = ledger.require(job.job_id)
        if held.provider_job_id == order.provider_job_id:
            return
        if held.order_ref == job.order_ref and State.SUBMITTED in TRANSITIONS[held.state]:
            ledger.move(held, State.SUBMITTED, **_taken(held, order))
            return
        metrics.add_metric("PaymentUnknown", MetricUnit.Count, 1)
        logger.critical("an order that nobody waits for", provider_job_id=order.provider_job_id)


def _taken(job: Job, order: Accepted) -> dict[str, Any]:
    named = {"addresses": {order.provider_job_id: order.addresses}} if order.addresses else {}
    return {
        "provider_job_id": order.provider_job_id,
        "failure": None,
        "attempts": job.attempted(
            provider_job_id=order.provider_job_id, outcome=State.SUBMITTED.value
        ),
        **named,
    }
