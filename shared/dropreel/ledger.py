"""The ledger: one DynamoDB table that decides who may do what with a job.

Every write is conditional. `TRANSITIONS` is the whole truth about which step may follow which;
a step that is not in it raises LedgerConflictError and changes nothing.

Items (partition key `pk`, sort key `sk`):
    JOB#<job id>        JOB     one job with its attempts
    NOTICE#<notice id>  NOTICE  one thing that people are told once
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from dropreel.clip import ClipInfo
from dropreel.errors import LedgerConflictError
from dropreel.jobs import ENDS, ClipSettings, Job, Source, State

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.CLAIMED: frozenset({State.SUBMITTING, State.REFUSED}),
    # Back to claimed only on an answer that proves that nothing was made.
    State.SUBMITTING: frozenset({State.CLAIMED, State.SUBMITTED, State.REFUSED, State.UNKNOWN}),
    State.SUBMITTED: frozenset(
        {State.RUNNING, State.READY, State.FAILED, State.STALLED, State.CANCELLED}
    ),
    State.RUNNING: frozenset({State.READY, State.FAILED, State.STALLED, State.CANCELLED}),
    State.READY: frozenset({State.DELIVERED, State.FAILED, State.STALLED}),
    State.REFUSED: frozenset({State.CLAIMED}),
    State.FAILED: frozenset({State.CLAIMED}),
    State.CANCELLED: frozenset({State.CLAIMED}),
    # A late answer, or somebody who looked, settles what happened.
    State.UNKNOWN: frozenset({State.SUBMITTED, State.REFUSED}),
    State.STALLED: frozenset({State.READY, State.FAILED, State.CANCELLED}),
    State.DELIVERED: frozenset(),
}

_TELLING_LEASE_S = 120  # longer than one publish may take


class Telling(StrEnum):
    """Who may tell people about something."""

    MINE = "mine"
    BUSY = "busy"  # somebody else is at it, and will be retried if it dies
    TOLD = "told"


class Ledger:
    """All reads and writes of the table. `client` is a DynamoDB client."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def get(self, job_id: str) -> Job | None:
        answer = self._client.get_item(
            TableName=self._table, Key=_job_key(job_id), ConsistentRead=True
        )
        return _job(answer["Item"]) if "Item" in answer else None

    def require(self, job_id: str) -> Job:
        job = self.get(job_id)
        if job is None:
            raise LedgerConflictError(f"job {job_id} is not in the ledger")
        return job

    def claim(self, job: Job) -> Job:
        """Write a new job, or start the same one again after an end without a clip.

        Returns the job as the ledger now holds it: ours if we were first, else the other one.
        Only a drop that is newer than the last one starts a job again; an old event never does.
        """
        existing = self.get(job.job_id)
        if existing is None:
            if self._put_new(job):
                return job
        elif _may_run_again(existing, job):
            again = _again(existing, job)
            if self._replace(again, existing):
                return again
        return self.require(job.job_id)

    def move(self, job: Job, to: State, **facts: Any) -> Job:
        """Take `job` from the state it was read in to `to`, and note `facts` (fields of Job).

        Raises LedgerConflictError if the step is not allowed or somebody else moved the job.
        """
        if to not in TRANSITIONS[job.state]:
            raise LedgerConflictError(f"job {job.job_id} cannot go from {job.state} to {to}")
        return self._update(job, {"state": to, **facts})

    def note(self, job: Job, **facts: Any) -> Job:
        """Note `facts` without leaving the state in which `job` was read."""
        return self._update(job, facts)

    def begin_telling(self, notice: str, owner: str, now: float) -> Telling:
        """Ask for the right to tell people about `notice` (an id) at `now` (unix seconds).

        The same owner may ask again: that is its own retry. Another one gets the right only after
        the lease, so that a mail is sent twice rather than never when its sender dies.
        """
        try:
            self._client.update_item(
                TableName=self._table,
                Key=_notice_key(notice),
                UpdateExpression="SET #owner = :owner, telling_until = :until",
                ConditionExpression="attribute_not_exists(told_at) AND "
                "(attribute_not_exists(pk) OR #owner = :owner OR telling_until < :now)",
                ExpressionAttributeNames={"#owner": "owner"},
                ExpressionAttributeValues=_values(
                    {":owner": owner, ":until": int(now + _TELLING_LEASE_S), ":now": int(now)}
                ),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            answer: Mapping[str, Any] = error.response
            return Telling.TOLD if "told_at" in answer.get("Item", {}) else Telling.BUSY
        return Telling.MINE

    def end_telling(self, notice: str, told_at: str) -> None:
        """People have been told about `notice`: nobody tells them again."""
        self._client.update_item(
            TableName=self._table,
            Key=_notice_key(notice),
            UpdateExpression="SET told_at = :told_at",
            ExpressionAttributeValues=_values({":told_at": told_at}),
        )

    def _put_new(self, job: Job) -> bool:
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_values(_item(job)),
                ConditionExpression="attribute_not_exists(pk)",
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _replace(self, job: Job, existing: Job) -> bool:
        try:
            self._client.put_item(
                TableName=self._table,
                Item=_values(_item(job)),
                ConditionExpression="#state = :state AND #run = :run",
                ExpressionAttributeNames={"#state": "state", "#run": "run"},
                ExpressionAttributeValues=_values({":state": existing.state, ":run": existing.run}),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _update(self, job: Job, facts: Mapping[str, Any]) -> Job:
        names = {f"#{name}": name for name in ("state", "run", *facts)}
        values = {f":{name}": value for name, value in facts.items()}
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key=_job_key(job.job_id),
                UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in facts),
                ConditionExpression="#state = :was AND #run = :same_run",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=_values(
                    {**values, ":was": job.state, ":same_run": job.run}
                ),
                ReturnValues="ALL_NEW",
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            raise LedgerConflictError(
                f"job {job.job_id} is no longer {job.state} (run {job.run})"
            ) from None
        return _job(answer["Attributes"])


def _may_run_again(existing: Job, new: Job) -> bool:
    """Only after an end without a clip: a job under way goes back to claimed by itself."""
    over = existing.state in ENDS and State.CLAIMED in TRANSITIONS[existing.state]
    return over and new.dropped_at > existing.dropped_at


def _again(existing: Job, new: Job) -> Job:
    fields = {name: getattr(new, name) for name in Job.__slots__}
    return Job(**{**fields, "run": existing.run + 1})


def _job_key(job_id: str) -> dict[str, Any]:
    return _values({"pk": f"JOB#{job_id}", "sk": "JOB"})


def _notice_key(notice: str) -> dict[str, Any]:
    return _values({"pk": f"NOTICE#{notice}", "sk": "NOTICE"})


def _values(plain: Mapping[str, Any]) -> dict[str, Any]:
    serialize = TypeSerializer().serialize
    return {name: serialize(_storable(value)) for name, value in plain.items()}


def _storable(value: Any) -> Any:
    """DynamoDB knows no floats, enums, tuples or our own types."""
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, State):
        return value.value
    if isinstance(value, tuple | list):
        return [_storable(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _storable(item) for name, item in value.items()}
    return (
        _storable(asdict(value)) if is_dataclass(value) and not isinstance(value, type) else value
    )


def _plain(value: Any) -> Any:
    """The way back: numbers without a fraction are counts, money is kept apart as Decimal."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, list):
        return tuple(_plain(item) for item in value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


_MONEY = frozenset({"estimate_usd", "cost_usd"})


def _item(job: Job) -> dict[str, Any]:
    fields = {name: getattr(job, name) for name in Job.__slots__}
    return {"pk": f"JOB#{job.job_id}", "sk": "JOB", **fields}


def _job(item: Mapping[str, Any]) -> Job:
    deserialize = TypeDeserializer().deserialize
    stored = {name: deserialize(item[name]) for name in Job.__slots__ if name in item}
    fields = {name: v if name in _MONEY else _plain(v) for name, v in stored.items()}
    fields["state"] = State(fields["state"])
    fields["source"] = Source(**fields["source"])
    fields["settings"] = ClipSettings(**fields["settings"])
    if fields.get("clip"):
        fields["clip"] = ClipInfo(**fields["clip"])
    return Job(**fields)
