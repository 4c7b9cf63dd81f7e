"""What must hold after every play, whatever went wrong in it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from dropreel.jobs.failure import FailureKind
from dropreel.jobs.job import ENDS, State
from dropreel.ledger.jobs import SETTLED, TRANSITIONS, UNSETTLED_INDEX
from dropreel.providers.catalog import CATALOG
from local.faults.ends import End, may_mail_twice
from local.faults.faults import END, HARMLESS, Cell, Kind
from local.faults.functions import ESTIMATE_USD
from local.faults.pacing import keeps_to_the_pace, spares_who_is_down, waits_out_rate_limits
from local.faults.scenarios import SCENARIOS
from local.faults.services import OPERATORS

# What these providers say that a clip has cost; the others say nothing.
TRUE_PRICE_USD = {"eachlabs": Decimal("0.5"), "oxen": Decimal("0.5")}

# Two sweeps, and a clip that is made meanwhile; the workflow would wait for days.
LONGEST_IN_LINE_S = 2 * 3600

# A mail that says that the clip may still come; another one follows when it does.
PASSING = frozenset({State.STALLED.value, State.UNKNOWN.value})
_MADE = frozenset({"queued", "running", "succeeded"})
_WITHOUT_CLIP = frozenset({State.REFUSED, State.FAILED, State.CANCELLED})
_QUERY = re.compile(r"https?://[^\s\"]*\?")


def violations(ends: Sequence[End], cell: Cell, undelivered: Sequence[str]) -> tuple[str, ...]:
    """What does not hold, in words; empty if all is well."""
    jobs = SCENARIOS[cell.scenario].jobs
    if len(ends) != jobs:
        # An outage and what comes on top of it may last longer than a queue brings a message back;
        # an alarm tells of its dead-letter queue.
        excused = undelivered and cell.count({Kind.OUTAGE}) and len(cell.faults) > 1
        return () if excused else (f"{len(ends)} jobs are in the ledger, not {jobs}",)
    found = (text for end in ends for check in CHECKS for text in check(end))
    return tuple(dict.fromkeys(found))


def never_paid_twice(end: End) -> Iterator[str]:
    """One clip is made at most; a failed order may be followed by another where that is free."""
    made = [job for job in end.ordered if job.state in _MADE]
    if len(made) > 1:
        yield f"{len(made)} clips were made"
    most = end.scenario.orders(end.cell.provider) * len(end.runs)
    if len(end.ordered) > most:
        yield f"{len(end.ordered)} orders were accepted, {most} may be"
    for name in end.resumed_and_ordered:
        yield f"{name} was to poll again and has ordered"


def ends_once(end: End) -> Iterator[str]:
    for (run, before), (next_run, after) in zip(end.states, end.states[1:], strict=False):
        if State(after) not in TRANSITIONS[State(before)]:
            yield f"the ledger went from {before} to {after}"
        if next_run != run and (before not in _WITHOUT_CLIP or after != State.CLAIMED):
            yield f"run {next_run} began as {after} after {before}"
        if next_run != run and _owed(end, run, before):
            yield f"run {next_run} began although the one before may be billed"
    if len(end.runs) > 1 + end.cell.count({Kind.REDROP}):
        yield "the job was started again although nothing new was dropped"
    if end.state not in ENDS:
        yield f"left as {end.state}"
    for (run, state), count in Counter(end.states).items():
        if state in SETTLED and count > 1:
            yield f"run {run} ended as {state} {count} times"
    if end.running:
        yield f"still running: {', '.join(end.running)}"


def says_the_truth(end: End) -> Iterator[str]:
    """What is made never counts as unpaid or failed, nor as lost where there is a list."""
    made = [job for job in end.ordered if job.state in _MADE]
    if made and end.state in _WITHOUT_CLIP and not end.cancelled:
        yield f"ended as {end.state}, but the provider has a clip ({made[0].state})"
    if made and end.state == State.UNKNOWN and CATALOG[end.provider].lists_orders:
        yield "unknown, but the provider's list shows the order"


def is_watched_no_more(end: End) -> Iterator[str]:
    if UNSETTLED_INDEX in end.job:
        yield f"the sweep would watch this {end.state} job for ever"


def mails_each_end_once(end: End) -> Iterator[str]:
    """One mail per end; passing ones before the last, and the last one always."""
    mailed = Counter(end.results)
    if not mailed[end.state]:
        yield f"nobody was mailed that the job is {end.state}"
    for outcome, count in mailed.items():
        runs = [states for states in end.runs.values() if outcome in states]
        if not all(states[-1] == outcome or outcome in PASSING for states in runs) or not runs:
            yield f"people were mailed {outcome}, which was not the end"
        if count > len(runs) + end.may_be_mailed_again:
            yield f"people were mailed {outcome} {count} times"
        told = end.mailboxes_told(outcome)
        # What passes while its batch is open is not told: the batch tells the last end.
        least = 0 if end.job["batch"] and outcome in PASSING - {end.state} else 1
        if not least <= told <= len(runs) + end.may_be_mailed_again:
            yield f"mailboxes were told {told} times that the job is {outcome}"
    for outcome in PASSING & set(end.results) - {end.scenario.passing}:
        if all(fault.kind in HARMLESS for fault in end.cell.faults):
            yield f"people were mailed {outcome} although nothing was lost"
    if end.results and end.results[-1] != end.state:
        yield f"the last mail said {end.results[-1]}, but the job is {end.state}"


def mails_drops_in_vain_once(end: End) -> Iterator[str]:
    """Once each time the same files are dropped after an end that cannot be followed by a run."""
    takes = (end, *end.siblings)
    in_vain = end.is_first_of_image and all(
        one.dropped_again in {*SETTLED, *PASSING} and len(one.runs) == 1 for one in takes
    )
    # A drop may be handled only when the job has come to stand still.
    may_be = in_vain or (end.dropped_again and any(one.stood_still for one in takes))
    drops = end.cell.count(frozenset({Kind.REDROP}))
    if end.rejections > (drops if may_be else 0):
        when = end.dropped_again or "never"
        yield f"people were mailed {end.rejections} times of a drop in vain (again: {when})"
    if in_vain and not end.rejections and any(fault.label == END for fault in end.cell.faults):
        yield "nobody was mailed that the new drop starts nothing"


def mails_each_group_once(end: End) -> Iterator[str]:
    """One mail for all its takes, and one for each drop that waits for the next day."""
    if end.job["group"] and not 1 <= end.group_mails <= 1 + end.may_be_mailed_again:
        yield f"{end.group_mails} mails about one group"
    waits, may_wait = bool(end.job["waits_until"]), end.scenario.over_day_cap == "wait"
    if not waits <= end.waiting_mails <= may_wait * len(end.runs) + end.may_be_mailed_again:
        yield f"people were mailed {end.waiting_mails} times that their clips wait"


def orders_all_or_none(end: End) -> Iterator[str]:
    """Of a group that does not fit into the caps nothing is ordered."""
    over = end.job["failure"].get("kind") == FailureKind.OVER_CAP
    same = [one for one in end.siblings if one.job["group"] == end.job["group"] != ""]
    if over and any(one.ordered for one in same):
        yield "part of a group was ordered, and the rest is over a cap"


def alerts_operators_once(end: End) -> Iterator[str]:
    """Once for each end that only an operator can settle."""
    notes = Counter(
        mail.outcome
        for mail in end.mails
        if mail.topic == OPERATORS and mail.document.get("job_id")
    )
    for outcome in PASSING & set(end.results):
        if not notes[outcome]:
            yield f"operators were not mailed about the {outcome} job"
    for outcome, count in notes.items():
        if count > 1 + may_mail_twice(end.cell):
            yield f"operators were mailed {outcome} {count} times"


def stores_what_it_delivers(end: End) -> Iterator[str]:
    delivered = end.state == State.DELIVERED
    if bool(end.clips) is not delivered or len(end.clips) > 1:
        yield f"{len(end.clips)} clips are stored of a job that is {end.state}"
    if not all(map(_is_whole, end.clips)):
        yield "part of a clip is stored"
    if delivered and end.job["provider_job_id"] not in {order.id for order in end.ordered}:
        yield "the clip of another order is delivered"


def _is_whole(clip: bytes) -> bool:
    """The boxes of an MP4 file add up to its size."""
    at = 0
    while 0 <= at < len(clip):
        size = int.from_bytes(clip[at : at + 4], "big")
        at = at + size if size >= 8 else -1
    return at == len(clip) > 0


def keeps_the_books(end: End) -> Iterator[str]:
    """What is committed is what this job has cost, or may cost; months agree with their days."""
    wanted = sum(map(owed_usd, (end, *end.others)), Decimal(0))
    if end.committed_usd != wanted:
        states = " and a ".join(one.state for one in (end, *end.others))
        yield f"${end.committed_usd} are committed, but a {states} job owes ${wanted}"
    yield from _books_of_periods(end)


def _books_of_periods(end: End) -> Iterator[str]:
    """Each day says what its orders cost, whenever that was known; each month what its days do."""
    wanted: Counter[str] = Counter()
    for one in (end, *end.others):
        for day, amount in _owed_by_day(one):
            wanted[day] += amount  # type: ignore[assignment]
            wanted[day[:7]] += amount  # type: ignore[assignment]
    for period in sorted({*wanted, *end.budget}):
        if end.budget.get(period, Decimal(0)) != Decimal(wanted[period]):
            yield f"{period} says ${end.budget.get(period)}, its orders say ${wanted[period]}"


def keeps_to_the_cap(end: End) -> Iterator[str]:
    """Estimates that were reserved when they fitted may come true as less, never as more."""
    cap = Decimal(end.scenario.day_cap_usd)
    for period, amount in end.most_usd.items():
        if len(period) == len("2026-11-20") and amount > cap:
            yield f"{period} is over its cap: ${amount} of ${cap}"


def owed_usd(end: End) -> Decimal:
    """What all runs of the job have cost, or may have."""
    return sum((amount for _, amount in _owed_by_day(end)), Decimal(0))


def _owed_by_day(end: End) -> Iterator[tuple[str, Decimal]]:
    """What each run owes, with the day of its last order."""
    for run, states in end.runs.items():
        ordered = [one["asked_at"] for one in end.job["attempts"] if one["run"] == run]
        owed = _owed(end, run, states[-1])
        if ordered or owed:
            yield (_day_of(end, run) or ordered[-1][:10] if ordered else "never ordered"), owed


def _day_of(end: End, run: int) -> str:
    """The day on which a group set the money of its newest run aside."""
    of_group = end.job["group"] and run == end.job["run"]
    return str(end.job["reservation"]["day"]) if of_group else ""


def _owed(end: End, run: int, state: str) -> Decimal:
    match State(state):
        case State.DELIVERED:
            return TRUE_PRICE_USD.get(end.provider, ESTIMATE_USD)
        case State.UNKNOWN | State.STALLED:
            return ESTIMATE_USD
        case State.CANCELLED:
            return _owed_when_cancelled(end, run)
        case State.FAILED:
            return Decimal(0) if end.provider in end.scenario.unbilled else ESTIMATE_USD
        case _:
            return Decimal(0)


def _owed_when_cancelled(end: End, run: int) -> Decimal:
    """Nothing before the order, or where it failed for nothing; else what the provider has told,
    or may charge."""
    ours = {one["provider_job_id"] for one in end.job["attempts"] if one["run"] == run}
    orders = [order for order in end.ordered if order.id in ours]
    free = end.provider in end.scenario.unbilled and all(one.state == "failed" for one in orders)
    if not orders or free:
        return Decimal(0)
    told = end.job.get("cost_usd") is not None
    return TRUE_PRICE_USD.get(end.provider, ESTIMATE_USD) if told else ESTIMATE_USD


def keeps_a_record(end: End) -> Iterator[str]:
    if end.record is None:
        yield "there is no record"
        return
    if end.record["state"] != end.state:
        yield f"the record says {end.record['state']}, the ledger {end.state}"
    if _QUERY.search(json.dumps(end.record)):
        yield "the record holds an address with a query"


def loses_nothing(end: End) -> Iterator[str]:
    if end.undelivered and not end.cell.count({Kind.OUTAGE}):
        yield f"in a dead letter queue: {', '.join(end.undelivered)}"
    if end.keys_seen_on_cdn:
        yield "a key was sent to the host of the clips"


def leaves_the_line(end: End) -> Iterator[str]:
    if end.line.held:
        yield f"slots are still held: {', '.join(end.line.held)}"
    if end.line.waiting:
        yield f"still in line: {', '.join(end.line.waiting)}"
    if end.line.longest_s > LONGEST_IN_LINE_S:
        yield f"somebody stood in line for {end.line.longest_s / 3600:.1f} hours"


def keeps_to_the_slots(end: End) -> Iterator[str]:
    """Unless nobody could know that the provider was still at work on another job, or an outage
    has lasted as long as the lease of a slot."""
    states = {state for one in (end, *end.others) for _, state in one.states}
    most = end.scenario.slots or end.scenario.jobs
    outlived = end.cell.count({Kind.OUTAGE})
    if end.line.most_at_once > most and not outlived and not states & PASSING:
        yield f"a provider had {end.line.most_at_once} jobs at once, {most} may be"


def obeys_the_operator(end: End) -> Iterator[str]:
    """No order begins after its job was cancelled, nor in a pause."""
    yield from end.forbidden


CHECKS: tuple[Callable[[End], Iterator[str]], ...] = (
    never_paid_twice,
    ends_once,
    says_the_truth,
    is_watched_no_more,
    mails_each_end_once,
    mails_each_group_once,
    orders_all_or_none,
    mails_drops_in_vain_once,
    alerts_operators_once,
    stores_what_it_delivers,
    keeps_the_books,
    keeps_a_record,
    loses_nothing,
    leaves_the_line,
    keeps_to_the_cap,
    keeps_to_the_slots,
    keeps_to_the_pace,
    spares_who_is_down,
    waits_out_rate_limits,
    obeys_the_operator,
)
