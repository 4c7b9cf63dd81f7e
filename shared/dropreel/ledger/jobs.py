"""The jobs in the ledger: their states, and what they hold of the budget.

Invariant: of all who read a job in one state, at most one takes it out of that state. So only one
enters `submitting`, and only that one orders. For every write is conditional on the state, the
run and everything an order depends on as they were read (`_as_read`), and a step that is not in
`TRANSITIONS` raises LedgerConflictError. A step that changes a reservation changes the budget in
the same transaction.

Item: JOB#<job id>, one job with its attempts. `unsettled` is there until the job is over and
people know it, or the sweep has watched it long enough; the index of that name lists those jobs.
`month` is when it was created: the index `newest` lists the jobs of a month for the dashboard.
`folder_id` and `listed_as` put it into the index `folders`, from which pages list the jobs of an
image or a folder. They are made of hashes, because names may be longer than keys of an index.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any
from uuid import uuid4

from boto3.dynamodb.conditions import Attr, ConditionBase

from dropreel.errors import ConditionFailedError, ContentionError, LedgerConflictError
from dropreel.jobs.failure import JobFailure
from dropreel.jobs.job import (
    Attempt,
    ClipInfo,
    ClipSettings,
    Job,
    JobSummary,
    Reservation,
    Source,
    State,
)
from dropreel.jobs.naming import folder_id, folder_of, image_id
from dropreel.ledger.budget import adjusting, cap_reached, reserving, spending
from dropreel.ledger.newest import still_newest
from dropreel.ledger.pause import not_paused
from dropreel.ledger.table import Item, Put, Table, Update, Write
from dropreel.money.budget import Caps, Spending

TRANSITIONS: Mapping[State, frozenset[State]] = {
    # To claimed itself when the job moves to another provider.
    State.CLAIMED: frozenset({State.CLAIMED, State.SUBMITTING, State.REFUSED, State.CANCELLED}),
    # Back to claimed only on an answer that proves that nothing was made.
    State.SUBMITTING: frozenset({State.CLAIMED, State.SUBMITTED, State.REFUSED, State.UNKNOWN}),
    # Back to claimed only after a failure that is not billed and may pass.
    State.SUBMITTED: frozenset(
        {State.RUNNING, State.READY, State.CLAIMED, State.FAILED, State.STALLED, State.CANCELLED}
    ),
    State.RUNNING: frozenset(
        {State.READY, State.CLAIMED, State.FAILED, State.STALLED, State.CANCELLED}
    ),
    # To cancelled when an operator wants no clip any more: it is made, and not stored.
    State.READY: frozenset({State.DELIVERED, State.FAILED, State.STALLED, State.CANCELLED}),
    State.REFUSED: frozenset({State.CLAIMED}),
    State.FAILED: frozenset({State.CLAIMED}),
    State.CANCELLED: frozenset({State.CLAIMED}),
    # A late answer, a search at the provider, or an operator settles what happened.
    State.UNKNOWN: frozenset({State.SUBMITTED, State.REFUSED}),
    # The sweep polls again, or an operator settles it.
    State.STALLED: frozenset({State.SUBMITTED, State.REFUSED}),
    State.DELIVERED: frozenset(),
}

# In these nothing is left to happen by itself.
SETTLED = frozenset({State.REFUSED, State.DELIVERED, State.FAILED, State.CANCELLED})

UNSETTLED_INDEX = "unsettled"
NEWEST_INDEX = "newest"
FOLDERS_INDEX = "folders"
# What the index `newest` holds besides its keys.
SUMMARY_FIELDS = (
    *("job_id", "state", "source", "provider", "run", "execution"),
    *("failure", "estimate_usd", "cost_usd"),
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A job as it is when `put` was written."""

    job: Job
    put: Put


class Ledger:
    """All reads and writes of jobs."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, job_id: str) -> Job | None:
        item = self._table.get(_key(job_id))
        return _job(item) if item else None

    def require(self, job_id: str) -> Job:
        job = self.get(job_id)
        if job is None:
            raise LedgerConflictError(f"job {job_id} is not in the ledger")
        return job

    def claim(self, job: Job) -> Job:
        """Write a new job, or start the same one again after an end without a clip.

        Returns the job as the ledger now holds it: ours if we were first, else the other one.
        Only a drop that is newer than all before it starts a job again, and only while it has
        nothing to wait for: an old event never does, however late it comes. Until the order is
        made, the newest drop's `max_cost_usd` and `priority` count.
        """
        claim = self.claiming(job)
        if claim and self._table.put(claim.put.key, claim.put.item, claim.put.condition):
            return claim.job
        return self.require(job.job_id)

    def claiming(self, job: Job) -> Claim | None:
        """The write that claims `job`, which may be part of a transaction; None if it may not be
        claimed."""
        existing = self.get(job.job_id)
        if existing is None:
            return Claim(job, Put(_key(job.job_id), _item(job), Attr("pk").not_exists()))
        return self._drop_again(existing, job)

    def _drop_again(self, existing: Job, job: Job) -> Claim | None:
        newest = max(existing.dropped_at, existing.newest_drop_at)
        if job.dropped_at >= newest:  # S3 counts in seconds
            self._change_terms(existing, job)
        if job.dropped_at <= newest:
            return None
        if not existing.may_start_again:
            self._note_drop(job)
            return None
        again = replace(job, run=existing.run + 1, attempts=existing.attempts)
        return Claim(again, Put(_key(job.job_id), _item(again), _as_read(existing)))

    def _change_terms(self, existing: Job, job: Job) -> None:
        """What changes nothing in the clip may still change while the job waits to be ordered."""
        terms = {
            "max_cost_usd": job.max_cost_usd,
            "priority": job.priority,
            "labels": job.labels,
        }
        same = all(getattr(existing, name) == value for name, value in terms.items())
        if existing.state is State.CLAIMED and not same:
            update = Update(_key(job.job_id), sets=terms, condition=_as_read(existing))
            with suppress(LedgerConflictError):  # ordered meanwhile
                self._update(existing, update)

    def _note_drop(self, job: Job) -> None:
        older = Attr("pk").exists() & Attr("newest_drop_at").lt(job.dropped_at)
        sets = {"newest_drop_at": job.dropped_at}
        with suppress(ConditionFailedError):  # a still newer one was
            self._table.update(Update(_key(job.job_id), sets=sets, condition=older))

    def move(self, job: Job, to: State, **facts: Any) -> Job:
        """Take `job` from the state it was read in to `to`, and note `facts` (fields of Job).

        A `reservation` among the facts brings the budget to its amount. Raises
        LedgerConflictError if the step is not allowed or somebody else moved the job.
        """
        old, new = job.reservation, facts.get("reservation", job.reservation)
        changes = adjusting(old, new) if old and new else []
        return self._move(job, to, facts, changes)

    def move_reserving(
        self, job: Job, to: State, reservation: Reservation, caps: Caps, **facts: Any
    ) -> Job:
        """Take the step and set money aside for it, or neither; raises CapReachedError.

        A job of a group has its money already; only what `reservation` exceeds it by is added.
        Raises ContentionError if the order must not be made now: a newer drop of the same image has
        just come, an operator has cancelled the job, or has paused all orders. The new `order_ref`
        tells whether the step was this call's own where the answer to the write was lost.
        """
        money_held = job.reservation if job.group else None
        if job.group and not money_held:
            raise LedgerConflictError(f"job {job.job_id} of a group has no money set aside")
        if not job.group and job.reservation and job.reservation.amount_usd:
            raise LedgerConflictError(f"job {job.job_id} has money set aside already")
        order_ref = uuid4().hex
        facts = {**facts, "reservation": reservation, "order_ref": order_ref}
        money = reserving(reservation, caps, money_held)
        try:
            return self._move(job, to, facts, [*money, still_newest(job), not_paused()])
        except ConditionFailedError as error:
            if error.index > len(money):
                message = f"a newer drop replaces job {job.job_id}, or orders are paused"
                raise ContentionError(message) from None
            raise cap_reached(error.index - 1, error, reservation, caps) from None
        except Exception:
            held = self.require(job.job_id)
            if held.state is job.state and held.cancel_requested:
                raise ContentionError(f"job {job.job_id} is being cancelled") from None
            if held.state is not to or held.order_ref != order_ref:
                raise
            return held

    def note(self, job: Job, **facts: Any) -> Job:
        """Note `facts` (fields of Job) and leave the job where it is.

        Raises LedgerConflictError if somebody has moved it.
        """
        update = Update(_key(job.job_id), sets=_stored(facts), condition=_as_read(job))
        return _job(self._update(job, update))

    def take_charge(self, job: Job, execution: str) -> Job:
        """Note that `execution` answers for the job from now on, whatever its state."""
        return job if job.execution == execution else self.note(job, execution=execution)

    def spending(self, reservation: Reservation, caps: Caps) -> list[Spending]:
        """How the day and the month of `reservation` stand now."""
        return spending(self._table, reservation, caps)

    def unsettled(self, most: int) -> list[str]:
        """Ids of up to `most` jobs that are not settled, oldest first."""
        items = self._table.query_index(UNSETTLED_INDEX, UNSETTLED_INDEX, "yes")
        return [item["pk"].removeprefix("JOB#") for item in islice(items, most)]

    def newest(self, month: str) -> Iterator[JobSummary]:
        """The jobs created in `month` (`2026-11`), newest first."""
        items = self._table.query_index(NEWEST_INDEX, "month", month, newest_first=True)
        return (_summary(item) for item in items)

    def of_image(self, folder: str, image: str) -> Iterator[Job]:
        """The jobs of one image, newest first; both are ids of `jobs.naming`.

        As the index knows them, so only to look at: every step reads the job itself.
        """
        items = self._table.query_index(
            FOLDERS_INDEX, "folder_id", folder, newest_first=True, begins=("listed_as", f"{image}#")
        )
        return (_job(item) for item in items)

    def of_folder(self, folder: str) -> Iterator[Job]:
        """The jobs of all images in one folder, image by image; only to look at, too."""
        items = self._table.query_index(FOLDERS_INDEX, "folder_id", folder)
        return (_job(item) for item in items)

    def settle(self, job: Job) -> None:
        """People know how the job ended: if nothing can follow by itself, watch it no longer."""
        if job.state in SETTLED:
            with suppress(LedgerConflictError):  # dropped again meanwhile
                self.give_up_watching(job)

    def give_up_watching(self, job: Job) -> None:
        removes = [UNSETTLED_INDEX]  # a sparse index: without the attribute the job is not in it
        update = Update(_key(job.job_id), removes=removes, condition=_as_read(job))
        self._update(job, update)

    def _move(self, job: Job, to: State, facts: Mapping[str, Any], changes: Sequence[Write]) -> Job:
        if to not in TRANSITIONS[job.state]:
            raise LedgerConflictError(f"job {job.job_id} cannot go from {job.state} to {to}")
        update = Update(
            _key(job.job_id),
            sets={"state": to, UNSETTLED_INDEX: "yes", **_stored(facts)},
            condition=_as_read(job) & _wanted() if to is State.SUBMITTING else _as_read(job),
        )
        if not changes:
            return _job(self._update(job, update))
        try:
            self._table.write_all([update, *changes])
        except ConditionFailedError as error:
            if error.index == 0:  # the job itself; the others are what its order depends on
                raise _moved_on(job) from None
            raise
        return replace(job, state=to, **facts)

    def _update(self, job: Job, update: Update) -> Item:
        try:
            return self._table.update(update)
        except ConditionFailedError:
            raise _moved_on(job) from None


def funding(job: Job, reservation: Reservation) -> Update:
    """The part of a transaction that sets money aside for a job before its order."""
    return Update(_key(job.job_id), sets={"reservation": reservation}, condition=_as_read(job))


def _as_read(job: Job) -> ConditionBase:
    """Nobody has moved the job since it was read, nor changed its money or what its order would
    be."""
    condition: ConditionBase = Attr("state").eq(job.state)
    money = Attr("reservation").eq(job.reservation)
    condition &= money if job.reservation else Attr("reservation").not_exists() | money
    for name in ("run", "asked_at", "provider", "provider_job_id", "max_cost_usd"):
        condition &= Attr(name).eq(getattr(job, name))
    order = Attr("order_ref").eq(job.order_ref)
    # Items of older versions have none.
    return condition & (order if job.order_ref else Attr("order_ref").not_exists() | order)


def _wanted() -> ConditionBase:
    """Nobody has cancelled the job. Items of older versions say nothing of it."""
    return Attr("cancel_requested").not_exists() | Attr("cancel_requested").eq("")


def _moved_on(job: Job) -> LedgerConflictError:
    return LedgerConflictError(f"job {job.job_id} is no longer {job.state} (run {job.run})")


def _key(job_id: str) -> str:
    return f"JOB#{job_id}"


def _item(job: Job) -> Item:
    fields = {name: getattr(job, name) for name in Job.__slots__}
    key = job.source.key
    return {
        **_stored(fields),
        UNSETTLED_INDEX: "yes",
        "month": job.created_at[:7],
        "folder_id": folder_id(folder_of(key)),
        "listed_as": f"{image_id(key)}#{job.created_at}#{job.job_id}",
    }


def _stored(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of Job as the table holds them; no failure is an empty one."""
    if "failure" not in facts:
        return dict(facts)
    failure: JobFailure | None = facts["failure"]
    return {**facts, "failure": failure.facts() if failure else {}}


def _summary(item: Item) -> JobSummary:
    fields = {name: item[name] for name in JobSummary.__slots__ if name in item}
    state, image_key = State(fields["state"]), item["source"]["key"]
    failure = JobFailure.stored(fields["failure"])
    return JobSummary(**{**fields, "state": state, "image_key": image_key, "failure": failure})


def _job(item: Item) -> Job:
    fields = {name: item[name] for name in Job.__slots__ if name in item}
    fields["state"] = State(fields["state"])
    fields["failure"] = JobFailure.stored(fields.get("failure"))
    fields["source"] = Source(**fields["source"])
    fields["settings"] = ClipSettings(**fields["settings"])
    fields["attempts"] = tuple(Attempt(**attempt) for attempt in fields["attempts"])
    for name, kind in (("clip", ClipInfo), ("reservation", Reservation)):
        if fields.get(name):
            fields[name] = kind(**fields[name])
    return Job(**fields)
