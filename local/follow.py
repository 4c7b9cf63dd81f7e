"""Watching one drop on the embedded AWS: its execution, its mails, its files."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.embedded_aws import Endpoint


@dataclass(frozen=True)
class ReceivedMail:
    """A mail as its reader sees it, with the JSON document behind it."""

    subject: str
    text: str
    document: dict[str, Any]
    in_mailboxes: bool = True  # False: a digest or the mail about a batch tells it


def mails(aws: Endpoint, queue_url: str, wait_s: int = 0) -> list[ReceivedMail]:
    """Take what has arrived in a mailbox, waiting up to `wait_s` seconds for the first."""
    sqs = aws.client("sqs")
    answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_s)
    received = []
    for message in answer.get("Messages", []):
        sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        envelope = json.loads(message["Body"])
        document = json.loads(envelope["Message"])
        text = document.get("text", envelope["Message"])
        mail = envelope.get("MessageAttributes", {}).get("mail", {}).get("Value")
        subject = envelope.get("Subject", "")
        received.append(ReceivedMail(subject, text, document, in_mailboxes=mail != "no"))
    return received


def states_entered(aws: Endpoint, execution_arn: str) -> list[str]:
    """Names of the states that an execution has entered, in order, from its history."""
    pages = aws.client("stepfunctions").get_paginator("get_execution_history")
    return [
        event["stateEnteredEventDetails"]["name"]
        for page in pages.paginate(executionArn=execution_arn)
        for event in page["events"]
        if "stateEnteredEventDetails" in event
    ]


def executions(aws: Endpoint, machine_arn: str) -> list[Mapping[str, Any]]:
    pages = aws.client("stepfunctions").get_paginator("list_executions")
    found = pages.paginate(stateMachineArn=machine_arn)
    return [execution for page in found for execution in page["executions"]]


def ticks(timeout_s: float, every_s: float = 0.25) -> Iterator[float]:
    """Yield the seconds passed, every now and then, until `timeout_s`."""
    start = time.monotonic()
    while (passed := time.monotonic() - start) < timeout_s:
        yield passed
        time.sleep(every_s)
