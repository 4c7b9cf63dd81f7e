"""The groups in the ledger: claimed whole, ordered all or none, told in one mail.

Invariants: (1) a group and its jobs are claimed in one transaction; (2) no job of a group is
ordered before its decision, which is written once: "funded", in one transaction with the money of
all its jobs, or "refused"; (3) its mail names each job in the state that `told` holds, which is
written once, and what a job comes to afterwards has a mail of its own.

The money lies in the jobs (`Job.reservation`) from the decision until they end, in the periods of
the decision. Item: GROUP#<group id>. `unsettled` = groups until its mail was sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

from boto3.dynamodb.conditions import Attr

from dropreel.errors import ConditionFailedError, ContentionError, LedgerConflictError
from dropreel.jobs.failure import JobFailure
from dropreel.jobs.group import Decision, Group, Take
from dropreel.jobs.job import Job, Reservation, State
from dropreel.ledger.budget import cap_reached, reserving
from dropreel.ledger.jobs import UNSETTLED_INDEX, Claim, Ledger, funding
from dropreel.ledger.table import Item, Put, Table, Update
from dropreel.money.budget import Caps

_UNTOLD = "groups"
_TRIES = 5


class Groups:
    """All reads and writes of groups."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._ledger = Ledger(table)

    def get(self, group_id: str) -> Group | None:
        item = self._table.get(_key(group_id))
        return _group(item) if item else None

    def claim(self, jobs: Sequence[Job]) -> list[Job]:
        """Claim all of `jobs` that are not claimed yet as one group, in one transaction.

        `jobs` name the group. Returns all as the ledger now holds them: those of other drops, too.
        """
        for _ in range(_TRIES):
            claims = [self._ledger.claiming(job) for job in jobs]
            if not any(claims) or self._put(jobs, claims):
                return [self._ledger.require(job.job_id) for job in jobs]
        raise ContentionError(f"others claim jobs of group {jobs[0].group}")

    def _put(self, jobs: Sequence[Job], claims: Sequence[Claim | None]) -> bool:
        """False if one of them was claimed by somebody else meanwhile."""
        takes = tuple(
            Take(job.job_id, claim.job.run if claim else 0)
            for job, claim in zip(jobs, claims, strict=True)
        )
        group = Group(jobs[0].group, jobs[0].source.key, jobs[0].created_at, takes)
        given = ("group_id", "image_key", "created_at", "takes")
        item = {name: getattr(group, name) for name in given} | {UNSETTLED_INDEX: _UNTOLD}
        first = Put(_key(group.group_id), item, Attr("pk").not_exists())
        try:
            self._table.write_all([first, *(claim.put for claim in claims if claim)])
        except ConditionFailedError:
            return False
        return True

    def jobs(self, group: Group) -> list[Job]:
        """Its jobs as they are now, in its order."""
        return [self._ledger.require(take.job_id) for take in group.takes]

    def to_order(self, group: Group) -> list[Job]:
        """Its jobs that are still to be ordered."""
        jobs = zip(group.takes, self.jobs(group), strict=True)
        return [job for take, job in jobs if take.claims(job) and job.state is State.CLAIMED]

    def fund(
        self, group: Group, jobs: Sequence[Job], money: Sequence[Reservation], caps: Caps
    ) -> None:
        """Set the `money` of all `jobs` aside at once. Raises CapReachedError.

        Raises ContentionError if somebody else has just decided, or moved one of them.
        """
        whole = money[0].of(sum((one.amount_usd for one in money), Decimal(0)))
        budget = reserving(whole, caps)
        each = [funding(job, one) for job, one in zip(jobs, money, strict=True)]
        try:
            self._table.write_all([_deciding(group, Decision.FUNDED), *budget, *each])
        except ConditionFailedError as error:
            if 0 < error.index <= len(budget):
                raise cap_reached(error.index - 1, error, whole, caps, len(jobs)) from None
            raise ContentionError(f"group {group.group_id} was decided meanwhile") from None

    def refuse(self, group: Group, failure: JobFailure) -> None:
        """Order none of its jobs. Raises ContentionError if somebody else has just decided."""
        try:
            self._table.update(_deciding(group, Decision.REFUSED, failure=failure.facts()))
        except ConditionFailedError:
            raise ContentionError(f"group {group.group_id} was decided meanwhile") from None

    def tell(self, group: Group, states: Mapping[str, str]) -> Group:
        """Decide in which state its mail names each job. Returns what was decided, maybe before."""
        update = Update(
            _key(group.group_id), sets={"told": states}, condition=Attr("told").not_exists()
        )
        try:
            return _group(self._table.update(update))
        except ConditionFailedError as error:
            return _group(error.item)

    def settle(self, group: Group) -> None:
        """Its mail was sent."""
        self._table.update(Update(_key(group.group_id), removes=[UNSETTLED_INDEX]))

    def untold(self, most: int) -> Iterator[Group]:
        """Up to `most` groups whose mail was not sent yet, oldest first."""
        found = self._table.query_index(UNSETTLED_INDEX, UNSETTLED_INDEX, _UNTOLD)
        for item in islice(found, most):
            group = self.get(item["pk"].partition("#")[2])
            if group:
                yield group

    def require(self, group_id: str) -> Group:
        group = self.get(group_id)
        if group is None:
            raise LedgerConflictError(f"group {group_id} is not in the ledger")
        return group


def _deciding(group: Group, decision: Decision, **facts: Any) -> Update:
    return Update(
        _key(group.group_id),
        sets={"decision": decision, **facts},
        condition=Attr("decision").not_exists(),
    )


def _group(item: Item) -> Group:
    fields = {name: item[name] for name in Group.__slots__ if name in item}
    takes = tuple(Take(**take) for take in fields["takes"])
    failure = JobFailure.stored(fields.get("failure"))
    return Group(**{**fields, "takes": takes, "failure": failure})


def _key(group_id: str) -> str:
    return f"GROUP#{group_id}"
