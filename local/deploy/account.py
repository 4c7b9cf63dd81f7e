"""Whose account it is, in which region, and how many functions may run there at once."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

import boto3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ProfileNotFound,
)

from local.deploy.errors import NotDoneError

FEW = 100  # new accounts have less: docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_MEANS = (
    "That is few, as in most new accounts, and all that runs there shares it. It is enough for "
    "some clips at once. Of a large folder, jobs wait until a function is free, so clips take "
    "longer (docs/aws.md, Small accounts). AWS raises the quota with use, or if you ask for more:"
)
_QUOTA = "servicequotas/home/services/lambda/quotas/L-B99A9384"  # Concurrent executions


@dataclass(frozen=True, slots=True)
class Account:
    """`functions` is the quota of Lambda functions that run at once; None if it may not be read."""

    number: str
    user: str
    region: str
    functions: int | None

    def __str__(self) -> str:
        return f"AWS account {self.number}, region {self.region}"


def session(variables: Mapping[str, str] = os.environ) -> boto3.session.Session:
    """With the credentials that the AWS CLI would use. Raises NotDoneError."""
    region = variables.get("REGION") or variables.get("AWS_REGION") or None
    try:
        found = boto3.session.Session(region_name=region)
    except ProfileNotFound as error:
        raise NotDoneError(
            f"{error}. `aws configure list-profiles` shows those that exist."
        ) from None
    if not found.region_name:
        raise NotDoneError("No region is set. Name one, such as: make deploy REGION=eu-central-1")
    return found


def check(found: boto3.session.Session) -> Account:
    """Ask AWS who this is and what it may run. Raises NotDoneError."""
    try:
        who = found.client("sts").get_caller_identity()
    except NoCredentialsError:
        raise NotDoneError(
            "There are no AWS credentials here. Set AWS_PROFILE, or enter some with "
            "`aws configure` or `aws sso login`."
        ) from None
    except EndpointConnectionError:
        raise NotDoneError(
            f"AWS cannot be reached in {found.region_name}: there is no such region, or no network."
        ) from None
    except (BotoCoreError, ClientError) as error:
        raise NotDoneError(f"AWS does not accept the credentials: {error}") from None
    return Account(who["Account"], who["Arn"], str(found.region_name), _functions(found))


def _functions(found: boto3.session.Session) -> int | None:
    try:
        limits = found.client("lambda").get_account_settings()["AccountLimit"]
    except ClientError:
        return None  # many may deploy and not read this
    return limits["ConcurrentExecutions"]


def describe(account: Account) -> str:
    """The account, the quota and what it means, as lines."""
    known = "cannot be read" if account.functions is None else str(account.functions)
    lines = [
        str(account),
        f"signed in as {account.user}",
        f"Lambda functions that may run at once in this account and region: {known}",
    ]
    if account.functions is not None and account.functions < FEW:
        address = f"https://{account.region}.console.aws.amazon.com/{_QUOTA}"
        lines.append(f"{textwrap.fill(_MEANS, 100)}\n{address}")
    return "\n".join(lines)
