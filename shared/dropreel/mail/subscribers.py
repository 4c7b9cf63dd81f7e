"""Whether anybody receives the mails: people and link scanners unsubscribe by accident."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dropreel.mail.alerts import Alerts
from dropreel.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

RESULTS = "results"


@dataclass(frozen=True, slots=True)
class Subscribers:
    """Looks for confirmed subscribers. `topics` holds the ARNs of those that want one, by name."""

    client: SNSClient
    topics: Mapping[str, str]
    alerts: Alerts

    def check(self) -> None:
        """Say where nobody receives the mails; alert the operator if those are the results."""
        for topic, arn in self.topics.items():
            found = self.client.get_topic_attributes(TopicArn=arn)["Attributes"]
            confirmed = int(found["SubscriptionsConfirmed"])
            if confirmed:
                continue
            logger.error("nobody is subscribed", topic=topic)
            if topic == RESULTS:  # where nobody reads the other one, only the log is left
                self.alerts.nobody_subscribed()
