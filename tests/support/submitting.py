"""A `Submit` step on in-process AWS, and files dropped into its inbox."""

from __future__ import annotations

import json
from typing import Any

from dropreel.jobs.job import Attempt, State, utc_iso
from dropreel.steps.submit import Submit
from tests.support.aws import Aws, Clock
from tests.support.container import FakeContainer

IMAGE, SIDECAR = "campaign/lighthouse.jpg", "campaign/lighthouse.json"


def make_submit(aws: Aws, clock: Clock, grace_s: int = 900) -> Submit:
    return FakeContainer(aws, clock, SIDECAR_GRACE_SECONDS=str(grace_s)).step(Submit)


def put(aws: Aws, key: str, body: bytes, **options: Any) -> dict[str, Any]:
    """Upload a file; returns the event that S3 sends through EventBridge."""
    aws.s3.put_object(Bucket="inbox", Key=key, Body=body, **options)
    return {"detail": {"bucket": {"name": "inbox"}, "object": {"key": key}}}


def sidecar(**fields: Any) -> bytes:
    return json.dumps({"prompt": "slow push-in", **fields}).encode()


def delayed(aws: Aws) -> list[dict[str, Any]]:
    """Our own delayed messages, made visible at once."""
    answer = aws.sqs.receive_message(QueueUrl=aws.ingest_queue, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def finish(aws: Aws, ended_at: str) -> None:
    """Bring the only job there is to a delivered clip."""
    (execution,) = aws.executions()
    job = aws.ledger.require(execution["name"][-24:])
    for state in (State.SUBMITTING, State.SUBMITTED, State.READY):
        job = aws.ledger.move(job, state)
    order = Attempt(job.provider, asked_at=ended_at, ended_at=ended_at)
    aws.ledger.move(job, State.DELIVERED, attempts=(order,))


def uploaded(aws: Aws, key: str) -> str:
    head = aws.s3.head_object(Bucket="inbox", Key=key)
    return utc_iso(head["LastModified"])
