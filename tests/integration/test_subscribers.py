from __future__ import annotations

from typing import Any

import pytest

from dropreel.mail.alerts import Alerts
from dropreel.mail.subscribers import Subscribers
from dropreel.steps.sweep import SweepSettings
from tests.support.aws import Aws, Clock
from tests.support.variables import SWEEP


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


def test_a_missing_subscriber_to_operator_mails_is_logged_as_an_error(
    aws: Aws, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    make_check(aws, clock, results=2, operators=0).check()
    (line,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert (line.message, line.topic) == ("nobody is subscribed", "operators")  # type: ignore[attr-defined]
    assert aws.operators.take() == []


@pytest.mark.parametrize(
    ("given", "named"), [(("true", "true"), ["results", "operators"]), (("false", "false"), [])]
)
def test_only_a_topic_with_an_address_wants_subscribers(
    given: tuple[str, str], named: list[str]
) -> None:
    emails = {"RESULTS_EMAIL_GIVEN": given[0], "OPERATOR_EMAIL_GIVEN": given[1]}
    assert [*SweepSettings.read({**SWEEP, **emails, "AWS_REGION": "us-east-1"}).mailed] == named


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
