"""Which metrics there are: what AWS publishes, and what our own log lines hold.

CloudWatch takes any name and any dimensions in an alarm; one that nobody publishes is silent
for ever. So every alarm and every line of the dashboard is compared with these.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from tests.conftest import ROOT

OURS = "dropreel"


@dataclass(frozen=True)
class Metric:
    """A metric with the names of the dimensions under which it is published, sorted."""

    namespace: str
    name: str
    dimensions: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.namespace} {self.name} by {', '.join(self.dimensions) or 'nothing'}"


def _published(namespace: str, dimension: str, *names: str) -> set[Metric]:
    return {Metric(namespace, name, (dimension,)) for name in names}


# Source: docs.aws.amazon.com, the page "monitoring with CloudWatch" of each service's guide
# (step-functions/procedure-cw-metrics, lambda/monitoring-metrics-types, sqs-available-cloudwatch-
# metrics, eventbridge/eb-monitoring, sns-monitoring-using-cloudwatch).
PUBLISHED = (
    _published(
        "AWS/States",
        "StateMachineArn",
        *("ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut"),
        *("ExecutionsAborted", "ExecutionThrottled", "ExecutionTime"),
    )
    | _published(
        "AWS/Lambda",
        "FunctionName",
        *("Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions"),
    )
    | _published(
        "AWS/SQS",
        "QueueName",
        *("ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible"),
        *("ApproximateAgeOfOldestMessage", "NumberOfMessagesSent", "NumberOfMessagesReceived"),
    )
    | _published("AWS/Events", "RuleName", "MatchedEvents", "TriggeredRules", "Invocations")
    | _published("AWS/Events", "RuleName", "FailedInvocations", "InvocationsSentToDlq")
    | _published("AWS/SNS", "TopicName", "NumberOfMessagesPublished")
    | _published("AWS/SNS", "TopicName", "NumberOfNotificationsDelivered")
    | _published("AWS/SNS", "TopicName", "NumberOfNotificationsFailed")
)

_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (`service`[^|]*) \| [^|]+ \|$", re.MULTILINE)


def catalogue() -> dict[Metric, str]:
    """Our own metrics as docs/operations.md lists them, with their units."""
    manual = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    return {
        Metric(OURS, name, tuple(sorted(re.findall(r"`(\w+)`", dimensions)))): unit
        for name, unit, dimensions in _ROW.findall(manual)
    }


@dataclass(frozen=True)
class Series:
    """A metric as a line of a log publishes it, with the values of its dimensions."""

    metric: Metric
    unit: str
    values: frozenset[tuple[str, str]]


def emitted(lines: Iterable[str]) -> dict[Series, list[float]]:
    """What the lines of logs publish: those in CloudWatch's embedded metric format."""
    found: dict[Series, list[float]] = {}
    for line in lines:
        if '"CloudWatchMetrics"' not in line:
            continue
        body = json.loads(line)
        for block in body["_aws"]["CloudWatchMetrics"]:
            for names in block["Dimensions"]:
                values = frozenset((name, str(body[name])) for name in names)
                for entry in block["Metrics"]:
                    metric = Metric(block["Namespace"], entry["Name"], tuple(sorted(names)))
                    series = Series(metric, entry["Unit"], values)
                    value = body[entry["Name"]]
                    found.setdefault(series, []).extend(
                        value if isinstance(value, list) else [value]
                    )
    return found
