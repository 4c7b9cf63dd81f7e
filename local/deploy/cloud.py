"""A stack as CloudFormation knows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

from local.deploy.errors import NotDoneError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

POLL_S = 5.0
_BEGUN = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
_FAILED = ("CREATE_FAILED", "UPDATE_FAILED", "DELETE_FAILED")


@dataclass(frozen=True, slots=True)
class Deployed:
    """A stack that exists. Its ARN stays valid when it is deleted."""

    name: str
    arn: str
    status: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]


@lru_cache
def client(session: boto3.session.Session) -> CloudFormationClient:
    return session.client("cloudformation")


def find_stack(session: boto3.session.Session, name: str) -> Deployed | None:
    """The stack of this name or ARN, or None. Raises NotDoneError."""
    try:
        found = client(session).describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise NotDoneError(f"CloudFormation does not show the stack {name}: {error}") from None
    return Deployed(
        found["StackName"],
        found["StackId"],
        found["StackStatus"],
        {p["ParameterKey"]: p["ParameterValue"] for p in found.get("Parameters", [])},
        {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])},
    )


def must_find(session: boto3.session.Session, name: str) -> Deployed:
    """Raises NotDoneError where there is none."""
    found = find_stack(session, name)
    if found is None:
        raise NotDoneError(
            f"There is no stack {name} in {session.region_name}. STACK= and REGION= name others."
        )
    return found


def resources(session: boto3.session.Session, stack: Deployed) -> dict[str, tuple[str, str]]:
    """Type and physical ID of every resource that is there, by its name in the template."""
    pages = client(session).get_paginator("list_stack_resources").paginate(StackName=stack.arn)
    found = [part for page in pages for part in page["StackResourceSummaries"]]
    return {
        part["LogicalResourceId"]: (part["ResourceType"], part.get("PhysicalResourceId", ""))
        for part in found
        if part["ResourceStatus"] != "DELETE_COMPLETE"
    }


def wait(
    session: boto3.session.Session, stack: Deployed, meanwhile: Callable[[], object] = bool
) -> str:
    """Wait until nothing is in progress, calling `meanwhile` each time; returns the status."""
    formation, started = client(session), time.monotonic()
    while True:
        status = formation.describe_stacks(StackName=stack.arn)["Stacks"][0]["StackStatus"]
        if not status.endswith("_IN_PROGRESS"):
            return status
        print(f"  {time.monotonic() - started:4.0f} s  {status}", flush=True)
        meanwhile()
        time.sleep(POLL_S)


def reasons(session: boto3.session.Session, stack: Deployed) -> str:
    """Why the last change of the stack failed, in CloudFormation's words, as lines."""
    events = client(session).describe_stack_events(StackName=stack.arn)["StackEvents"]
    told = []
    for event in events:  # newest first
        status = event.get("ResourceStatus", "")
        if status in _FAILED:
            told.append(f"  {event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}")
        if event.get("PhysicalResourceId") == stack.arn and status in _BEGUN:
            break
    return "\n".join(reversed(told))
