"""Which metrics there are: what AWS publishes, and what our own log lines hold.

CloudWatch takes any name and any dimensions in an alarm; one that nobody publishes is silent
for ever. So every alarm and every line of the dashboard is compared with these.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class Line:
    """One line of the dashboard. A search finds every series with the given values."""

    title: str
    metric: Metric
    values: frozenset[tuple[str, str]]

    def __str__(self) -> str:
        return f"{self.title}: {self.metric}"


_SEARCH = re.compile(r"SEARCH\('\{([^}]+)\} MetricName=\"(\w+)\"([^']*)', '\w+', \d+\)")
_TERM = re.compile(r' (\w+)="([^"]*)"')


def lines_of(dashboard: Mapping[str, Any]) -> list[Line]:
    """The metrics that a dashboard's body asks for."""
    return [
        line
        for widget in dashboard["widgets"]
        if widget["type"] == "metric"
        for entry in widget["properties"]["metrics"]
        for line in _lines(widget["properties"]["title"], entry)
    ]


def _lines(title: str, entry: list[Any]) -> Iterator[Line]:
    if isinstance(entry[0], str):
        namespace, name, *rest = entry
        pairs = [part for part in rest if isinstance(part, str)]
        values = dict(zip(pairs[::2], pairs[1::2], strict=True))
        metric = Metric(namespace, name, tuple(sorted(values)))
        yield Line(title, metric, frozenset(values.items()))
        return
    for schema, name, terms in _SEARCH.findall(entry[0]["expression"]):
        namespace, *dimensions = schema.split(",")
        metric = Metric(namespace, name, tuple(sorted(dimensions)))
        yield Line(title, metric, frozenset(_TERM.findall(terms)))


def loose_ends(dashboard: Mapping[str, Any]) -> list[str]:
    """Expressions that name what is not there, or that nobody here can read."""
    wrong = []
    for widget in dashboard["widgets"]:
        entries = widget["properties"].get("metrics", [])
        options = [entry[-1] for entry in entries if isinstance(entry[-1], dict)]
        ids = {option["id"] for option in options if "id" in option}
        for text in (option["expression"] for option in options if "expression" in option):
            rest = _SEARCH.sub("", text)
            names = set(re.findall(r"[a-z]\w*", rest))
            if names - ids or (not names and rest == text):
                wrong.append(f"{widget['properties']['title']}: {text}")
    return wrong
