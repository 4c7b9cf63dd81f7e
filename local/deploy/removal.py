"""Removes a stack: first its executions, then the stack, and on demand what the stack retains.

Executions first, since AWS deletes a state machine only when its last execution has ended, and one
that waits for a slot may wait for two days.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

from local.deploy import cloud
from local.deploy.cloud import Deployed
from local.deploy.errors import NobodyAnswersError, NotDoneError
from local.deploy.questions import Read, answered

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

# What the template retains, and why. A test compares it with the template.
RETAINED = {
    "InboxBucket": "what people dropped",
    "ClipsBucket": "the clips, which are paid for, and their records",
    "LedgerTable": "what was ordered and paid",
    "ProviderKeysSecret": "the API keys",
}
_SECRET_DAYS = 7


@dataclass(frozen=True, slots=True)
class Kept:
    """A resource that outlives its stack. `id` is a bucket's or table's name, a secret's ARN."""

    name: str
    kind: str
    id: str

    def __str__(self) -> str:
        return f"  {self.name:18}  {self.id}  ({RETAINED[self.name]})"


def destroy(session: boto3.session.Session, stack: Deployed, account: str, read: Read) -> None:
    """Ask, delete and say what stays. Raises NotDoneError."""
    parts = cloud.resources(session, stack)
    machines = [arn for kind, arn in parts.values() if kind == "AWS::StepFunctions::StateMachine"]
    kept = [Kept(name, *parts[name]) for name in RETAINED if name in parts and parts[name][1]]
    print(f"The stack {stack.name} ({account}) would be deleted.")
    print(_under_way(sum(len(running(session, machine)) for machine in machines)))
    if answered("Delete it? [yes/no] ", read) != "yes":
        raise NotDoneError("Nothing was deleted.")
    _delete(session, stack, machines)
    if kept:
        _offer(session, stack, kept, read)


def _under_way(count: int) -> str:
    if not count:
        return "No clip is under way."
    return (
        f"Clips under way: {count}. Those that are ordered are paid, but will not be delivered.\n"
        "To let them end first: make set PARAM=AllowPaidCalls VALUE=false, and wait."
    )


@lru_cache
def _states(session: boto3.session.Session) -> SFNClient:
    return session.client("stepfunctions")


def running(session: boto3.session.Session, machine: str) -> list[str]:
    """The ARNs of all executions that run; none where the state machine is gone."""
    pages = _states(session).get_paginator("list_executions")
    try:
        found = list(pages.paginate(stateMachineArn=machine, statusFilter="RUNNING"))
    except ClientError as error:
        if error.response["Error"]["Code"] == "StateMachineDoesNotExist":
            return []
        raise
    return [execution["executionArn"] for page in found for execution in page["executions"]]


def stop(session: boto3.session.Session, machines: list[str]) -> None:
    """Stop every execution that runs."""
    for execution in (one for machine in machines for one in running(session, machine)):
        _states(session).stop_execution(
            executionArn=execution, error="Removed", cause="The stack is being deleted."
        )


def _delete(session: boto3.session.Session, stack: Deployed, machines: list[str]) -> None:
    """A drop may start another execution until its queue is gone, so they are stopped on and on."""
    print("stopping what is under way, then deleting the stack ...", flush=True)
    stop(session, machines)
    try:
        cloud.client(session).delete_stack(StackName=stack.arn)
    except ClientError as error:
        raise NotDoneError(f"The stack was not deleted: {error}") from None
    status = cloud.wait(session, stack, lambda: stop(session, machines))
    if status != "DELETE_COMPLETE":
        why = cloud.reasons(session, stack)
        raise NotDoneError(f"The stack is not wholly deleted ({status}):\n{why}")
    print(f"The stack {stack.name} is deleted.")


def _offer(session: boto3.session.Session, stack: Deployed, kept: list[Kept], read: Read) -> None:
    print("\nThese stay, because nobody could bring them back. They are billed as before:")
    print("\n".join(str(one) for one in kept))
    print(
        "A new deployment makes new ones. Its ledger knows nothing of these clips: dropped again, "
        "the same\nimages are ordered and paid again."
    )
    try:
        typed = answered(f"To delete them too, for ever, type {stack.name}: ", read)
    except NobodyAnswersError:
        typed = ""
    if typed != stack.name:
        print("They stay.")
        return
    for one in kept:
        _erase(session, one)
        print(f"deleted: {one.id}", flush=True)
    print(f"The secret can be restored for {_SECRET_DAYS} days.")


def _erase(session: boto3.session.Session, one: Kept) -> None:
    try:
        ERASE[one.kind](session, one.id)
    except ClientError as error:
        raise NotDoneError(f"{one.id} was not deleted: {error}") from None


def _erase_bucket(session: boto3.session.Session, name: str) -> None:
    bucket = session.resource("s3").Bucket(name)
    bucket.object_versions.delete()
    bucket.delete()


def _erase_table(session: boto3.session.Session, name: str) -> None:
    session.client("dynamodb").delete_table(TableName=name)


def _erase_secret(session: boto3.session.Session, arn: str) -> None:
    session.client("secretsmanager").delete_secret(SecretId=arn, RecoveryWindowInDays=_SECRET_DAYS)


ERASE = {
    "AWS::S3::Bucket": _erase_bucket,
    "AWS::DynamoDB::Table": _erase_table,
    "AWS::SecretsManager::Secret": _erase_secret,
}
