"""Changes one parameter of a deployed stack; template and code stay as they are."""

from __future__ import annotations

import time

import boto3
from botocore.exceptions import ClientError, WaiterError

from local.deploy import cloud
from local.deploy.cloud import Deployed
from local.deploy.errors import NotDoneError


def change(session: boto3.session.Session, stack: Deployed, name: str, value: str) -> None:
    """Set parameter `name` and wait until the stack has it. Raises NotDoneError."""
    if name not in stack.parameters:
        raise NotDoneError(f"{stack.name} was deployed without {name}: `make deploy` brings it.")
    if stack.parameters[name] == value:
        print(f"{name} is {value or 'empty'} already.")
        return
    if stack.status.endswith("_IN_PROGRESS"):
        raise NotDoneError(f"The stack {stack.name} is just being changed ({stack.status}). Wait.")
    print(f"{name}: {stack.parameters[name] or '-'} becomes {value or '-'}")
    _execute(session, _prepare(session, stack, name, value))
    status = cloud.wait(session, stack)
    if status != "UPDATE_COMPLETE":
        raise NotDoneError(f"Not changed ({status}):\n{cloud.reasons(session, stack)}")


def _prepare(session: boto3.session.Session, stack: Deployed, name: str, value: str) -> str:
    """A change set with the template that is deployed; returns its ARN."""
    kept = [
        {"ParameterKey": other, "UsePreviousValue": True}
        for other in stack.parameters
        if other != name
    ]
    return cloud.client(session).create_change_set(
        StackName=stack.arn,
        ChangeSetName=f"set-{name}-{time.time_ns()}",
        UsePreviousTemplate=True,
        Parameters=[{"ParameterKey": name, "ParameterValue": value}, *kept],  # type: ignore[list-item]
        Capabilities=["CAPABILITY_IAM"],
    )["Id"]


def _execute(session: boto3.session.Session, change_set: str) -> None:
    formation = cloud.client(session)
    try:
        waiter = formation.get_waiter("change_set_create_complete")
        waiter.wait(ChangeSetName=change_set, WaiterConfig={"Delay": 2, "MaxAttempts": 150})
        formation.execute_change_set(ChangeSetName=change_set)
    except WaiterError as error:
        reason = error.last_response.get("StatusReason", error)
        raise NotDoneError(f"Not changed: {reason}") from None
    except ClientError as error:
        raise NotDoneError(f"Not changed: {error}") from None
