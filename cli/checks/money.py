"""Prices, caps, and jobs whose end is open."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal

from cli.checks.visit import Visit, green, red, yellow
from dropreel.jobs.failure import FailureKind
from dropreel.jobs.job import Job, Reservation, State, from_iso
from dropreel.ledger.pause import Pauses
from dropreel.mail.alerts import WARN_AT
from dropreel.money.policy import CapSettings
from dropreel.money.pricing import PriceList
from dropreel.providers.checkup import Finding

PRICES_DAYS = 90
MOST_JOBS = 500
_OF_PERIODS = {"DailyCapUsd": "day", "MonthlyCapUsd": "month"}  # in the order of `spending`
_MORE = "<US dollars>"
LONGEST_IN_LINE = timedelta(days=2)  # TimeoutSeconds of "Wait for a slot"


def prices(visit: Visit) -> Finding:
    as_of = PriceList().as_of
    days = (visit.now().date() - date.fromisoformat(as_of)).days
    words = f"the prices are those of {as_of}"
    if days <= PRICES_DAYS:
        return green(words)
    todo = "Compare them with the providers' pages, and enter what differs in PriceOverrides."
    return yellow(f"{words}, {days} days old", todo)


def caps(visit: Visit) -> Finding:
    if visit.stack.environment.get("ALLOW_PAID_CALLS") == "false":
        todo = _change("AllowPaidCalls", "true", FailureKind.PAID_CALLS_OFF)
        return red("paid calls are off: nothing is ordered", todo)
    allowed = visit.container.settings(CapSettings).caps()
    if allowed.off:
        todo = _change(allowed.off, _MORE, FailureKind.PAID_CALLS_OFF)
        return red(f"{allowed.off} is 0: nothing is ordered", todo)
    now = Reservation.at(visit.now(), Decimal(0))
    spent = visit.container.ledger.spending(now, allowed)
    words = ", ".join(f"${one.committed:.2f} of ${one.cap:.2f} for {one.period}" for one in spent)
    share, parameter = max((one.share, name) for one, name in zip(spent, _OF_PERIODS, strict=True))
    change = _change(parameter, _MORE, FailureKind.OVER_CAP)
    todo = f"Wait for the next {_OF_PERIODS[parameter]}, or raise the cap: {change}"
    if share >= 1:
        return red(f"a cap is reached: {words}", todo)
    return yellow(words, todo) if share >= WARN_AT else green(words)


def _change(parameter: str, value: str, refused: FailureKind) -> str:
    """What lets orders go on, and starts again what was refused for this reason."""
    return (
        f"`make set PARAM={parameter} VALUE={value}`, then `dropreel retry --refused {refused}` "
        "starts the refused jobs again."
    )


def pause(visit: Visit) -> Finding:
    found = Pauses(visit.container.table).read()
    if not found:
        return green("orders are not paused")
    why = f", because {found.reason}" if found.reason else ""
    words = f"all orders are paused by {found.by}{why}: jobs wait in line, unpaid"
    return yellow(words, "End the pause: dropreel unpause")


def open_jobs(visit: Visit) -> Finding:
    """Payments that nobody knows of, clips that are late, jobs that nobody works on."""
    ledger = visit.container.ledger
    jobs = [job for one in ledger.unsettled(MOST_JOBS) if (job := ledger.get(one))]
    found = Counter(kind for job in jobs if (kind := _kind(job, visit)))
    each = ", ".join(f"{count} {kind}" for kind, count in found.items())
    words = f"jobs that have not ended: {len(jobs)}, of these {each}"
    if found["with an unknown payment"] or found["stuck"]:
        todo = "See them with `dropreel jobs`; docs/operations.md says how each is settled."
        return red(words, todo)
    if found:
        return yellow(words, "The sweep checks them. `dropreel resume JOB` looks now.")
    return green(f"jobs that have not ended: {len(jobs)}, all of them on their way")


def _kind(job: Job, visit: Visit) -> str:
    if job.state is State.UNKNOWN:
        return "with an unknown payment"
    if job.state is State.STALLED:
        return "stalled"
    return "stuck" if visit.now() > _longest(job, visit) else ""


def _longest(job: Job, visit: Visit) -> datetime:
    """How long it may take to its next state: unpaid jobs wait, also for the end of a pause."""
    unpaid = timedelta(hours=int(visit.stack.environment.get("UNPAID_WAIT_HOURS") or 24))
    if job.state is not State.CLAIMED:
        due = job.deadline_at or job.asked_at or job.created_at
        return from_iso(due) + visit.container.deadline + unpaid
    begun = from_iso(max(job.created_at, job.asked_at, job.waits_until))
    pauses = Pauses(visit.container.table).read()
    paused_s = pauses.held_up_s(begun.timestamp(), visit.now().timestamp())
    return begun + LONGEST_IN_LINE + unpaid + timedelta(seconds=paused_s)
