"""The ingest queue, from which our own messages come back to `submit`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dropreel.steps.outcomes import DropEvent

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True)
class IngestQueue:
    """One queue."""

    client: SQSClient
    url: str

    def send(self, message: Mapping[str, Any], seconds: int) -> None:
        """The message comes back after so many seconds, 900 at most."""
        self.client.send_message(
            QueueUrl=self.url, MessageBody=json.dumps(message), DelaySeconds=seconds
        )

    def look_at(self, keys: Iterable[str]) -> None:
        """Have each of these files looked at, as if it had just come."""
        for key in keys:
            self.send(DropEvent(key).recheck(), 0)
