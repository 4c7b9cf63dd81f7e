"""`make confirm TOKEN_URL='...'`: confirm a mail subscription so that only AWS users can end it.

Confirmed by a click, a subscription ends by one click on "unsubscribe", also a scanner's or that
of somebody to whom the mail was forwarded. Confirmed by a signed call it does not.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote

import boto3
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

_TOPIC = re.compile(r"TopicArn=(arn:aws[a-z-]*:sns:([a-z0-9-]+):\d{12}:[\w.-]+)")
_TOKEN = re.compile(r"Token=([0-9A-Za-z-]+)")
_LAYERS = 3  # mail gateways wrap links in their own, with the real one encoded in it

USAGE = """\
Copy the address behind "Confirm subscription" in the mail of SNS, without opening it, and type
  make confirm TOKEN_URL='https://sns...'
The AWS credentials must be those of the topic's account."""


@dataclass(frozen=True)
class Confirmation:
    """What the link in SNS's mail asks for."""

    topic_arn: str
    region: str
    token: str

    @classmethod
    def of(cls, link: str) -> Self:
        """Raises ValueError where the link is another one."""
        for _ in range(_LAYERS):
            topic, token = _TOPIC.search(link), _TOKEN.search(link)
            if topic and token:
                return cls(topic[1], topic[2], token[1])
            link = unquote(link)
        raise ValueError("this is not a link from a confirmation mail of SNS")


def confirm(client: SNSClient, asked: Confirmation) -> str:
    """Confirm; returns the subscription's ARN."""
    answer = client.confirm_subscription(
        TopicArn=asked.topic_arn, Token=asked.token, AuthenticateOnUnsubscribe="true"
    )
    return answer["SubscriptionArn"]


def main(link: str) -> int:
    try:
        asked = Confirmation.of(link)
    except ValueError as error:
        print(f"{error}\n\n{USAGE}", file=sys.stderr)
        return 2
    try:
        arn = confirm(boto3.client("sns", region_name=asked.region), asked)
    except (BotoCoreError, ClientError) as error:
        print(f"not confirmed: {error}", file=sys.stderr)
        return 1
    print(f"confirmed: {arn}\nOnly users of the AWS account can unsubscribe it now.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("TOKEN_URL", "")))
