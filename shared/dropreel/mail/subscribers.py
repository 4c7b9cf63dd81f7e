"""Whether anybody receives the mails: people and link scanners unsubscribe by accident."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropreel.mail.alerts import Alerts
from dropreel.observability import gauge, logger

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

RESULTS = "results"


@dataclass(frozen=True, slots=True)
class Subscribers:
    """Counts the confirmed subscribers of each topic. `topics` holds ARNs by name."""

    client: SNSClient
    topics: Mapping[str, str]
    alerts: Alerts

    def check(self) -> None:
        """Measure how many there are; alert the operator when nobody receives results."""
        for topic, arn in self.topics.items():
            found = self.client.get_topic_attributes(TopicArn=arn)["Attributes"]
            confirmed = int(found["SubscriptionsConfirmed"])
            gauge("ConfirmedSubscribers", topic, confirmed, dimension="topic")
            if confirmed:
                continue
            logger.warning("nobody is subscribed", topic=topic)
            if topic == RESULTS:  # where nobody reads the other one, only its alarm is left
                self.alerts.nobody_subscribed()
