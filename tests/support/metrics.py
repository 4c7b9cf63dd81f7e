"""Which metrics there are: what AWS publishes, and what our own log lines hold.

CloudWatch takes any name and any dimensions in an alarm; one that nobody publishes is silent
for ever. So every alarm and every line of the dashboard is compared with these.
"""

from __future__ import annotations

import re

from local.metrics import Metric
from tests.conftest import ROOT

OURS = "dropreel"


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
