from __future__ import annotations

import json
from typing import Any

import pytest

from dropreel.mail.alerts import Alerts
from dropreel.mail.subscribers import Subscribers
from dropreel.observability import metrics
from tests.support.aws import Aws, Clock


class Sns:
    """Topics by ARN with their confirmed subscribers, as the service tells them (moto does not)."""

    def __init__(self, **confirmed: int) -> None:
        self._confirmed = confirmed

    def get_topic_attributes(self, *, TopicArn: str) -> dict[str, Any]:  # noqa: N803
        confirmed = self._confirmed[TopicArn]
        return {"Attributes": {"TopicArn": TopicArn, "SubscriptionsConfirmed": str(confirmed)}}


def make_check(aws: Aws, clock: Clock, **confirmed: int) -> Subscribers:
    alerts = Alerts(aws.send_once, aws.publisher(aws.operators), clock)
    topics = {name: name for name in confirmed}
    return Subscribers(Sns(**confirmed), topics, alerts)  # type: ignore[arg-type]


def gauges(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    for line in lines:
        (told,) = line["_aws"]["CloudWatchMetrics"]
        assert told["Dimensions"] == [["service", "topic"]]
    return {line["topic"]: line["ConfirmedSubscribers"] for line in lines}


@pytest.fixture(autouse=True)
def _metrics_of_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "dropreel")
    monkeypatch.setattr(metrics.provider, "namespace", "dropreel")
    monkeypatch.setattr(metrics.provider, "service", "dropreel")


def test_the_subscribers_of_each_topic_are_counted(
    aws: Aws, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    make_check(aws, clock, results=2, operators=0).check()
    assert gauges(capsys) == {"results": [2.0], "operators": [0.0]}
    assert aws.operators.take() == []


def test_the_operator_hears_once_a_week_that_nobody_gets_the_results(
    aws: Aws, clock: Clock
) -> None:
    check = make_check(aws, clock, results=0)
    for _ in range(2):
        check.check()
        clock.pass_time(hours=20)
    (mail,) = aws.operators.take()
    assert (mail["outcome"], mail["alert"]) == ("alert", "subscribers")
    clock.pass_time(days=7)
    check.check()
    assert len(aws.operators.take()) == 1
