"""What AWS would bill for a while of work, counted in the embedded AWS and at list prices.

Transitions come from the histories, invocations and GB-seconds from the functions' own REPORT
lines, requests from the recorded API calls of the functions' roles.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dropreel.waiting.schedule import GB_SECOND_USD, REQUEST_USD, TRANSITION_USD
from local.embedded_aws import Endpoint

# For the embedded AWS: keep every call, not the newest few.
RECORDING = {"CLOUDTRAIL_RECORDING": "1", "CLOUDTRAIL_MAX_EVENTS": "10000000"}

# us-east-1, 2026-11, per request; of the ledger's, per item that is written. Jobs are items of up
# to 2 KB and most writes are transactions: that is four units for a write, and one for a read.
_WRITE_USD, _READ_USD = 4 * 0.625e-6, 0.125e-6
_S3_USD = {"GetObject": 0.4e-6, "HeadObject": 0.4e-6, "DeleteObject": 0.0}
# A mail costs more than its publishing; invocations and transitions are counted on their own.
_SERVICE_USD = {
    "s3": 5e-6,
    "sqs": 0.4e-6,
    "sns": 20e-6,
    "secretsmanager": 5e-6,
    "lambda": 0.0,
    "sts": 0.0,
    "states": 0.0,
}
_WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}
_OURS = "test"  # the access key of whoever watches; functions have those of their roles


@dataclass(frozen=True)
class Used:
    """`requests` by service and action; `ledger_writes` counts items."""

    invocations: int
    gb_seconds: float
    requests: Mapping[tuple[str, str], int]
    ledger_writes: int

    def usd(self, transitions: float) -> float:
        return (
            transitions * TRANSITION_USD
            + self.invocations * REQUEST_USD
            + self.gb_seconds * GB_SECOND_USD
            + self.ledger_writes * _WRITE_USD
            + sum(_request_usd(*name) * count for name, count in self.requests.items())
        )


def _request_usd(service: str, action: str) -> float:
    if service == "dynamodb":
        return 0.0 if action in _WRITES else _READ_USD
    if service == "s3":
        return _S3_USD.get(action, _SERVICE_USD["s3"])
    return _SERVICE_USD[service]


class Meter:
    """Reads what was used since it was last read. The AWS must run with `RECORDING`."""

    def __init__(self, aws: Endpoint) -> None:
        self._logs = aws.client("logs")
        self._calls = aws.client("cloudtrail")
        self._calls.meta.events.register("before-call.cloudtrail", self._ask_exactly)
        self._known: set[str] = set()
        self._since, self._end = 0.0, 0.0
        self.read()

    def read(self) -> Used:
        reports = [words for name, words in self._reports() if self._is_new(name)]
        calls = list(self._new_calls())
        return Used(
            invocations=len(reports),
            gb_seconds=sum(_gb_seconds(words) for words in reports),
            requests=Counter((_service(call), call["eventName"]) for call in calls),
            ledger_writes=sum(_items_written(call) for call in calls),
        )

    def _is_new(self, name: str) -> bool:
        fresh = name not in self._known
        self._known.add(name)
        return fresh

    def _reports(self) -> Iterator[tuple[str, list[str]]]:
        for group in self._logs.describe_log_groups()["logGroups"]:
            pages = self._logs.get_paginator("filter_log_events").paginate(
                logGroupName=group["logGroupName"], filterPattern="REPORT"
            )
            for page in pages:
                for event in page["events"]:
                    words = event["message"].split()
                    if words[:1] == ["REPORT"]:
                        yield event["message"], words

    def _new_calls(self) -> Iterator[dict[str, Any]]:
        """The embedded AWS answers the newest calls of a time, without a token for more."""
        begun = self._end = time.time()
        while True:
            events = self._calls.lookup_events()["Events"]
            fresh = [event for event in events if self._is_new(event["EventId"])]
            if not fresh:
                break
            for event in fresh:
                if event["AccessKeyId"] != _OURS:
                    yield json.loads(event["CloudTrailEvent"])
            self._end = min(event["EventTime"] for event in fresh).timestamp() + 0.0001
        self._since = begun - 10

    def _ask_exactly(self, params: dict[str, Any], **_: Any) -> None:
        """boto3 sends whole seconds, and one second may hold more calls than one answer."""
        asked = {"StartTime": self._since, "EndTime": self._end}
        params["body"] = json.dumps(asked).encode()


def _service(call: Mapping[str, Any]) -> str:
    return str(call["eventSource"]).partition(".")[0]


def _items_written(call: Mapping[str, Any]) -> int:
    if _service(call) != "dynamodb" or call["eventName"] not in _WRITES:
        return 0
    items = call["requestParameters"].get("TransactItems", [None])
    return sum(item is None or "ConditionCheck" not in item for item in items)


def _gb_seconds(words: list[str]) -> float:
    billed_s = float(words[words.index("Billed") + 2]) / 1000
    return billed_s * float(words[words.index("Size:") + 1]) / 1024
