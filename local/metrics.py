"""The metrics of a running stack: what its logs publish, and what its dashboard asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.embedded_aws import Endpoint


@dataclass(frozen=True)
class Metric:
    """A metric with the names of the dimensions under which it is published, sorted."""

    namespace: str
    name: str
    dimensions: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.namespace} {self.name} by {', '.join(self.dimensions) or 'nothing'}"


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
class ChartLine:
    """One line of the dashboard. A search finds every series with the given values."""

    title: str
    metric: Metric
    values: frozenset[tuple[str, str]]

    def __str__(self) -> str:
        return f"{self.title}: {self.metric}"


_SEARCH = re.compile(r"SEARCH\('\{([^}]+)\} MetricName=\"(\w+)\"([^']*)', '\w+', \d+\)")
_TERM = re.compile(r' (\w+)="([^"]*)"')


def lines_of(dashboard: Mapping[str, Any]) -> list[ChartLine]:
    """The metrics that a dashboard's body asks for."""
    return [
        line
        for widget in dashboard["widgets"]
        if widget["type"] == "metric"
        for entry in widget["properties"]["metrics"]
        for line in _lines(widget["properties"]["title"], entry)
    ]


def _lines(title: str, entry: list[Any]) -> Iterator[ChartLine]:
    if isinstance(entry[0], str):
        namespace, name, *rest = entry
        pairs = [part for part in rest if isinstance(part, str)]
        values = dict(zip(pairs[::2], pairs[1::2], strict=True))
        metric = Metric(namespace, name, tuple(sorted(values)))
        yield ChartLine(title, metric, frozenset(values.items()))
        return
    for schema, name, terms in _SEARCH.findall(entry[0]["expression"]):
        namespace, *dimensions = schema.split(",")
        metric = Metric(namespace, name, tuple(sorted(dimensions)))
        yield ChartLine(title, metric, frozenset(_TERM.findall(terms)))


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


def log_lines(aws: Endpoint) -> list[str]:
    """All that the functions have logged."""
    logs = aws.client("logs")
    return [
        event["message"]
        for page in logs.get_paginator("describe_log_groups").paginate()
        for group in page["logGroups"]
        for found in logs.get_paginator("filter_log_events").paginate(
            logGroupName=group["logGroupName"]
        )
        for event in found["events"]
    ]
