"""The dashboard: what comes first, and that every line of it shows something that exists."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest

from dropreel.providers.catalog import CATALOG
from local.idle_cost import FREE_METRICS
from local.metrics import ChartLine, lines_of, loose_ends
from tests.support.alarms import MEANT, alarms, on_dead_metrics
from tests.support.dashboards import dashboard
from tests.support.metrics import OURS, PUBLISHED, catalogue
from tests.support.stack import GONE, ROOT, Document, Rule, functions, names_in, properties, spoilt
from tests.support.stack import template as load

FIRST_ROW = [
    "Dropped",
    "Delivered",
    "Failed",
    "Waiting",
    "Spent today",
    "Seconds from drop to clip",
]
_REFERENCE = re.compile(r"\$\{([\w:]+)(?:\.(\w+))?\}")
_WIDE = 24


def widgets(template: Document, kind: str) -> list[Document]:
    return [widget for widget in dashboard(template)["widgets"] if widget["type"] == kind]


def with_dead_lines(template: Document) -> list[str]:
    """Lines of what nobody publishes, or publishes under other dimensions."""
    living = PUBLISHED | set(catalogue())
    return [str(line) for line in lines_of(dashboard(template)) if line.metric not in living]


def with_loose_ends(template: Document) -> list[str]:
    return loose_ends(dashboard(template))


def about_nothing(template: Document) -> list[str]:
    """Lines whose dimension names no resource of this stack of the right kind."""
    return [str(line) for line in lines_of(dashboard(template)) if not _means_ours(template, line)]


def _means_ours(template: Document, line: ChartLine) -> bool:
    if line.metric.namespace == OURS:
        return ("service", "${AWS::StackName}") in line.values
    ((dimension, value),) = line.values
    kind, attribute = MEANT[dimension]
    found = _REFERENCE.fullmatch(value)
    return (
        found is not None
        and (found[2] or "Ref") == attribute
        and template["Resources"].get(found[1], {}).get("Type") == kind
    )


def with_gaps(template: Document) -> list[str]:
    """Resources that the dashboard should show and does not."""
    shown = {found[1] for found in _REFERENCE.finditer(json.dumps(dashboard(template)))}
    wanted = {*alarms(template), *functions(template), *properties(template, "AWS::SQS::Queue")}
    wanted |= {f"{name.removesuffix('Function')}LogGroup" for name in functions(template)}
    return sorted(wanted - shown)


def overlapping(template: Document) -> list[str]:
    taken: set[tuple[int, int]] = set()
    wrong = []
    for widget in dashboard(template)["widgets"]:
        x, y = widget["x"], widget["y"]
        cells = {
            (column, row)
            for column in range(x, x + widget["width"])
            for row in range(y, y + widget["height"])
        }
        if cells & taken or x + widget["width"] > _WIDE:
            wrong.append(widget["properties"]["title"])
        taken |= cells
    return wrong


def reading_other_logs(template: Document) -> list[str]:
    """Saved queries that do not read the logs of all functions, or that meet in a second stack."""
    groups = [{"Ref": f"{name.removesuffix('Function')}LogGroup"} for name in functions(template)]
    return [
        name
        for name, query in properties(template, "AWS::Logs::QueryDefinition").items()
        if sorted(map(str, query["LogGroupNames"])) != sorted(map(str, groups))
        or not query["Name"]["Fn::Sub"].startswith("${AWS::StackName}/")
    ]


def changed(old: str, new: str) -> str:
    """The dashboard's text, changed in one place."""
    text: str = load()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    assert old in text
    return text.replace(old, new, 1)


BODY = ("Resources", "Dashboard", "Properties", "DashboardBody", "Fn::Sub")
QUERY = ("Resources", "OneJobQuery", "Properties")
SPOILT: list[tuple[Rule, tuple[str | int, ...], Any]] = [
    (with_dead_lines, BODY, changed('"ClipDelivered"', '"ClipMade"')),
    (with_dead_lines, BODY, changed('"dropreel", "ClipD', '"Dropreel", "ClipD')),
    (with_dead_lines, BODY, changed('"service", "${AWS::StackName}"', '"function", "submit"')),
    (with_dead_lines, BODY, changed("{dropreel,provider,service}", "{dropreel,service}")),
    (with_dead_lines, BODY, changed('MetricName=\\"JobsWaiting', 'MetricName=\\"Waiting')),
    (with_dead_lines, BODY, changed('"AWS/Lambda", "Errors"', '"AWS/Lambda", "Failures"')),
    (with_loose_ends, BODY, changed("SUM([started, rejected])", "SUM([begun, rejected])")),
    (with_loose_ends, BODY, changed("'Maximum', 1800)", "'Maximum')")),
    (about_nothing, BODY, changed("${IngestQueue.QueueName}", "${IngestQueue}")),
    (about_nothing, BODY, changed('"${RenderStateMachine}"', '"${SubmitFunction}"')),
    (about_nothing, BODY, changed('"service", "${AWS::StackName}"', '"service", "dropreel"')),
    (with_gaps, BODY, changed("${OldestDropAlarm.Arn}", "${JobsFailedAlarm.Arn}")),
    (with_gaps, BODY, changed("SOURCE '${PollLogGroup}' | ", "")),
    (
        with_gaps,
        ("Resources", "AnotherAlarm"),
        {"Type": "AWS::CloudWatch::Alarm", "Properties": {}},
    ),
    (overlapping, BODY, changed('"x": 4, "y": 0', '"x": 3, "y": 0')),
    (reading_other_logs, (*QUERY, "LogGroupNames", 0), GONE),
    (reading_other_logs, (*QUERY, "Name"), {"Fn::Sub": "dropreel/one job"}),
]


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, *_ in SPOILT))
def test_every_part_of_the_dashboard_shows_something(template: Document, rule: Rule) -> None:
    assert rule(template) == []


@pytest.mark.parametrize(("rule", "path", "to"), SPOILT)
def test_a_part_that_shows_nothing_is_noticed(
    rule: Rule, path: tuple[str | int, ...], to: Any
) -> None:
    assert rule(spoilt(load(), *path, to=to)) != []


def test_the_first_row_speaks_the_products_words_and_the_clips_come_next(
    template: Document,
) -> None:
    found = sorted(dashboard(template)["widgets"], key=lambda one: (one["y"], one["x"]))
    titles = [widget["properties"]["title"].split(",")[0] for widget in found]
    assert titles[: len(FIRST_ROW)] == FIRST_ROW
    assert found[len(FIRST_ROW)]["type"] == "custom"
    assert found[len(FIRST_ROW)]["properties"]["endpoint"] == "${WidgetFunction.Arn}"


def test_money_is_shown_against_the_cap(template: Document) -> None:
    text = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    assert '"max": ${DailyCapUsd}' in text
    (gauge,) = [w for w in widgets(template, "metric") if w["properties"]["view"] == "gauge"]
    assert "${DailyCapUsd}" in gauge["properties"]["title"]


@pytest.mark.parametrize(
    ("amount", "allowed"), [("5", True), ("0.50", True), ("100000", True), ("05", False)]
)
def test_every_cap_that_is_allowed_is_a_number_in_json(
    template: Document, amount: str, allowed: bool
) -> None:
    pattern = template["Parameters"]["DailyCapUsd"]["AllowedPattern"]
    assert bool(re.search(pattern, amount)) == allowed
    if allowed:
        assert json.loads(amount) == float(amount)


def test_every_line_and_alarm_is_of_a_metric_that_is_published(
    template: Document, capsys: pytest.CaptureFixture[str]
) -> None:
    """The end-to-end tests count again, on a stack that has run."""
    lines = lines_of(dashboard(template))
    dead = [*with_dead_lines(template), *about_nothing(template), *on_dead_metrics(template)]
    with capsys.disabled():
        counts = f"{len(alarms(template))} alarms, {len(lines)} dashboard lines, {len(dead)} dead"
        print(f"\n{counts}", end=" ")  # noqa: T201 - so that the count is seen
    assert len(alarms(template)) >= 9
    assert len(lines) >= 35
    assert dead == []


def test_it_shows_no_more_metrics_than_a_free_dashboard_may(template: Document) -> None:
    """Of a search, one for each provider, or for each kind of a provider's failure."""
    code = [path.read_text() for path in (ROOT / "shared/dropreel/providers").glob("*.py")]
    kinds = {kind for text in code for kind in re.findall(r"FailureKind\.(\w+)", text)}
    values = {"provider": len(CATALOG), "kind": len(kinds)}
    lines = {(line.metric, line.values) for line in lines_of(dashboard(template))}
    counted = [
        math.prod(values[name] for name in metric.dimensions if name in values)
        for metric, _ in lines
    ]
    assert sum(counted) <= FREE_METRICS


def test_the_output_opens_it(template: Document) -> None:
    output = template["Outputs"]["DashboardUrl"]["Value"]
    assert list(names_in(output)) == ["AWS::Region", "AWS::Region", "Dashboard"]
    assert output["Fn::Sub"].endswith("#dashboards/dashboard/${Dashboard}")
