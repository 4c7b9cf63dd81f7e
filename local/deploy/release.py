"""Builds and deploys the stack, and says what to do next."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import boto3

from local import builds, sam
from local.builds import BuildError
from local.deploy.cloud import Deployed
from local.deploy.errors import NotDoneError

_LOOPBACK = re.compile(r"https?://(127\.0\.0\.1|localhost)[:/]?")
# S3 user guide, "Enabling Amazon EventBridge": it takes around five minutes to take effect.
EVENTS = """\
S3 begins to report drops up to five minutes after the first deployment. If nothing happens to your
first drop, wait five minutes and drop it again: it is not ordered twice. Once a day, dropreel also
looks for drops that were not reported."""


def check_name(name: str) -> None:
    """Raises NotDoneError where CloudFormation would refuse the name."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,127}", name):
        raise NotDoneError(
            f"STACK={name} is no name for a stack: letters, digits and hyphens, a letter first."
        )


def check_state(stack: Deployed | None) -> None:
    """Raises NotDoneError where the stack cannot be deployed as it is."""
    if stack is None or stack.status == "REVIEW_IN_PROGRESS":
        return
    if stack.status.endswith("_IN_PROGRESS"):
        raise NotDoneError(f"The stack {stack.name} is just being changed ({stack.status}). Wait.")
    if stack.status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"):
        raise NotDoneError(
            f"The stack {stack.name} is broken ({stack.status}), as after a first deployment that "
            f"failed.\nRemove it with `make destroy STACK={stack.name}`, then deploy again."
        )


def deploy(session: boto3.session.Session, name: str, answers: Mapping[str, str]) -> None:
    """Build and deploy, showing what SAM says. Raises NotDoneError."""
    print("building ...", flush=True)
    try:
        template = builds.build(_target())
        print(builds.remark(template) or "built", flush=True)
        options = ["--resolve-s3", "--s3-prefix", name, "--no-fail-on-empty-changeset"]
        region = str(session.region_name)
        sam.deploy(template, name, region, answers, {}, *options, shown=True)
    except BuildError as error:
        raise NotDoneError(str(error)) from None
    except sam.SamError:
        raise NotDoneError("Not deployed; SAM says above why.") from None


def _target() -> builds.Target:
    """The embedded AWS has this host's processor and Python."""
    embedded = _LOOPBACK.match(os.environ.get("AWS_ENDPOINT_URL", ""))
    return builds.this_host() if embedded else builds.AWS


def next_steps(stack: Deployed, first: bool) -> str:
    """What is to do after a deployment, with this stack's own addresses."""
    outputs = stack.outputs
    places = (
        f"inbox      {outputs['InboxBucketUrl']}\n"
        f"clips      {outputs['ClipsBucketUrl']}\n"
        f"dashboard  {outputs['DashboardUrl']}"
    )
    return f"{_first_steps(outputs)}\n\n{places}" if first else places


def _first_steps(outputs: Mapping[str, str]) -> str:
    inbox = f"s3://{outputs['InboxBucketName']}/try/"
    return (
        "1. Enter the API keys of your providers in the secret\n"
        f"     {outputs['ProviderKeysSecretUrl']}\n"
        f"     {outputs['ProviderKeysSecretArn']}\n"
        "2. Confirm the subscriptions in the mails from SNS.\n"
        "3. Drop an image and its sidecar:\n"
        f"     aws s3 cp events/lighthouse.json {inbox}\n"
        f"     aws s3 cp events/lighthouse.jpg {inbox}\n\n{EVENTS}"
    )
