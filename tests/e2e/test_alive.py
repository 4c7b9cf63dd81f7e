"""Alarms and dashboard of the deployed stack, compared with what its run has really published."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from local.control_room import page_of
from local.metrics import Metric, Series, emitted, lines_of, log_lines
from tests.e2e.scenarios import SCENARIOS, Runner
from tests.e2e.world import World
from tests.support.metrics import OURS, PUBLISHED, catalogue

WHEN_WRONG = {"JobsStuck"}  # published when there are some: tests/integration/test_sweep.py
Values = frozenset[tuple[str, str]]


@pytest.fixture(scope="module")
def published(world: World, runner: Runner) -> set[Series]:
    runner.wait_for_all()
    sweep = world.function("SweepFunction")
    answer = world.client("lambda").invoke(FunctionName=sweep, Payload=b"{}")
    assert "FunctionError" not in answer
    return set(emitted(log_lines(world.stack.aws)))


def alarms(world: World) -> list[dict[str, Any]]:
    pages = world.client("cloudwatch").get_paginator("describe_alarms").paginate()
    return [alarm for page in pages for alarm in page["MetricAlarms"]]


def dashboard(world: World) -> dict[str, Any]:
    shown = world.client("cloudwatch").get_dashboard(
        DashboardName=world.stack.outputs["DashboardName"]
    )
    return dict(json.loads(shown["DashboardBody"]))


def resources(world: World) -> set[tuple[str, str]]:
    """What a dimension of AWS's own metrics may name."""
    machines = world.client("stepfunctions").list_state_machines()["stateMachines"]
    functions = world.client("lambda").list_functions()["Functions"]
    queues = world.client("sqs").list_queues()["QueueUrls"]
    rules = world.client("events").list_rules()["Rules"]
    topics = world.client("sns").list_topics()["Topics"]
    return {
        *(("StateMachineArn", machine["stateMachineArn"]) for machine in machines),
        *(("FunctionName", function["FunctionName"]) for function in functions),
        *(("QueueName", url.rpartition("/")[2]) for url in queues),
        *(("RuleName", rule["Name"]) for rule in rules),
        *(("TopicName", topic["TopicArn"].rpartition(":")[2]) for topic in topics),
    }


def watched(world: World) -> Iterator[tuple[str, Metric, Values]]:
    """Everything that alarms and dashboard look at, with the dimensions' values."""
    for alarm in alarms(world):
        if alarm["MetricName"] in WHEN_WRONG:
            continue
        values = frozenset((one["Name"], one["Value"]) for one in alarm["Dimensions"])
        names = tuple(sorted(name for name, _ in values))
        yield alarm["AlarmName"], Metric(alarm["Namespace"], alarm["MetricName"], names), values
    for line in lines_of(dashboard(world)):
        yield line.title, line.metric, line.values


def lives(metric: Metric, values: Values, published: set[Series], real: set[Any]) -> bool:
    if metric.namespace == OURS:
        return any(one.metric == metric and values <= one.values for one in published)
    return metric in PUBLISHED and values <= real


def test_no_alarm_and_no_line_of_the_dashboard_is_dead(
    world: World, published: set[Series], capsys: pytest.CaptureFixture[str]
) -> None:
    real = resources(world)
    found = list(watched(world))
    dead = [
        f"{name}: {metric}"
        for name, metric, values in found
        if not lives(metric, values, published, real)
    ]
    with capsys.disabled():
        ours = len([1 for _, metric, _ in found if metric.namespace == OURS])
        print(  # noqa: T201 - so that the count is seen
            f"\n{len(alarms(world))} alarms and {len(found) - len(alarms(world))} dashboard lines, "
            f"{ours} of them on our own metrics: {len(dead)} dead",
            end=" ",
        )
    assert len(found) >= 40
    assert dead == []


def test_what_nobody_publishes_would_be_noticed(world: World, published: set[Series]) -> None:
    real = resources(world)
    spoilt = 0
    for _, metric, values in watched(world):
        (name, value), *others = sorted(values)
        wrong = frozenset([(name, f"{value}x"), *others])
        renamed = Metric(metric.namespace, f"{metric.name}s", metric.dimensions)
        more = Metric(metric.namespace, metric.name, (*metric.dimensions, "zone"))
        assert not lives(metric, wrong, published, real)
        assert not lives(renamed, values, published, real)
        assert not lives(more, values, published, real)
        spoilt += 3
    assert spoilt > 110


def test_what_the_functions_publish_is_in_the_manual(published: set[Series]) -> None:
    ours = {series.metric: series.unit for series in published}
    assert ours.items() <= catalogue().items()


def test_every_alarm_reaches_a_topic_that_lets_it_in(world: World) -> None:
    sns = world.client("sns")
    found = alarms(world)
    for alarm in found:
        assert alarm["OKActions"] == []
        (topic,) = alarm["AlarmActions"]
        attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
        assert not attributes.get("KmsMasterKeyId")  # else its key would have to let it in, too
        (statement,) = [
            one
            for one in json.loads(attributes["Policy"])["Statement"]
            if one["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        ]
        account = alarm["AlarmArn"].split(":")[4]
        assert (statement["Effect"], statement["Action"]) == ("Allow", "sns:Publish")
        assert statement["Resource"] == topic
        assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": account}}
    assert len(found) >= 9


def test_the_widget_shows_every_kind_of_end_with_its_picture(world: World, runner: Runner) -> None:
    runner.wait_for_all()
    widget = world.function("WidgetFunction")

    def shown(kind: str) -> str:
        payload = json.dumps({"show": kind}).encode()
        answer = world.client("lambda").invoke(FunctionName=widget, Payload=payload)
        assert "FunctionError" not in answer
        return str(json.loads(answer["Payload"].read()))

    words = {"delivered": "delivered", "not delivered": "failed", "to look at": "payment unknown"}
    assert [kind for kind, word in words.items() if f">{word}</b>" not in shown(kind)] == []
    assert shown("delivered").count("data:image/jpeg;base64,") > 10
    names = {scenario.image_key for scenario in SCENARIOS if scenario.outcome == "delivered"}
    assert any(f">{name}<" in shown("delivered") for name in names)
    assert "Seconds from drop to clip" in page_of(world.stack.aws, world.stack.outputs)


def test_thumbnails_are_for_the_widget_alone(world: World, runner: Runner) -> None:
    runner.wait_for_all()
    s3 = world.client("s3")
    listed = s3.list_objects_v2(Bucket=world.clips, Prefix="thumbnails/")["Contents"]
    assert max(item["Size"] for item in listed) < 10_000
    blocked = s3.get_public_access_block(Bucket=world.clips)["PublicAccessBlockConfiguration"]
    assert set(blocked.values()) == {True}


def test_the_sweep_may_compare_the_inbox_with_the_ledger(world: World) -> None:
    """Its first comparison is due two hours after the deployment: here it is due at once."""
    table, sweep = world.stack.outputs["LedgerTableName"], world.function("SweepFunction")
    name = f"INBOX#{world.stack.outputs['InboxBucketName']}"
    key = {"pk": {"S": name}, "sk": {"S": "INBOX"}}
    dynamodb = world.client("dynamodb")

    def swept() -> dict[str, Any]:
        answer = world.client("lambda").invoke(FunctionName=sweep, Payload=b"{}")
        assert "FunctionError" not in answer
        return dict(dynamodb.get_item(TableName=table, Key=key)["Item"])

    dynamodb.put_item(TableName=table, Item={**swept(), "due_at": {"N": "0"}})
    assert int(swept()["due_at"]["N"]) > time.time() + 12 * 3600
    assert not [line for line in log_lines(world.stack.aws) if "a chore was not done" in line]
