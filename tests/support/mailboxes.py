"""Topics whose mails can be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from tests.support.moto_backends import QUEUES, behind


@dataclass
class Mailbox:
    """A topic with a queue that gets what its subscribers (with this filter policy) get.

    The topic is the one of `topic_arn`, or a new one.
    """

    sns: Any
    sqs: Any
    name: str
    topic_arn: str = ""
    policy: Mapping[str, Any] = field(default_factory=dict)
    _queue: str = ""

    def __post_init__(self) -> None:
        topics = behind(sns_backends)
        queue = behind(sqs_backends).create_queue(f"{self.name}-mailbox")
        self.topic_arn = self.topic_arn or topics.create_topic(self.name).arn
        self._queue = QUEUES + queue.name
        subscription = topics.subscribe(self.topic_arn, queue.queue_arn, "sqs").arn
        # moto would make a key, and sign, for what is not delivered raw: 60 ms a test
        topics.set_subscription_attributes(subscription, "RawMessageDelivery", "true")
        if self.policy:
            policy = json.dumps(self.policy)
            topics.set_subscription_attributes(subscription, "FilterPolicy", policy)

    def take(self) -> list[dict[str, Any]]:
        """The JSON documents that have arrived since the last call."""
        answer = self.sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10)
        messages = answer.get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]
