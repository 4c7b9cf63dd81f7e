"""Sends mails through SNS."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import ClientError

from dropreel.mail.message import Mail
from dropreel.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef


class ResultsSettings(Settings):
    results_topic_arn: str
    aws_region: str


class OperatorsSettings(Settings):
    operators_topic_arn: str


class Mailer(Protocol):
    """Who sends a mail somehow."""

    def send(self, mail: Mail) -> None: ...


class Publisher:
    """Publishes to one topic: text for e-mail, the JSON document for every other protocol."""

    def __init__(self, client: SNSClient, topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    def send(self, mail: Mail, *, to_mailboxes: bool = True) -> None:
        """Publish `mail`. A subject that SNS refuses is left out rather than losing the mail.

        Mail subscriptions that filter by the attribute `mail` get it only `to_mailboxes`.
        """
        attributes = {**mail.attributes, "mail": "yes" if to_mailboxes else "no"}
        try:
            self._publish(mail, attributes, {"Subject": mail.subject})
        except ClientError as error:
            if error.response["Error"].get("Code") not in ("InvalidParameter", "ValidationError"):
                raise
            self._publish(mail, attributes, {})

    def _publish(
        self, mail: Mail, attributes: Mapping[str, str | Sequence[str]], subject: dict[str, str]
    ) -> None:
        document = json.dumps(mail.document, ensure_ascii=False)
        self._client.publish(
            TopicArn=self._topic_arn,
            Message=json.dumps({"default": document, "email": mail.text}, ensure_ascii=False),
            MessageStructure="json",
            MessageAttributes={name: _attribute(value) for name, value in attributes.items()},
            **subject,
        )


def _attribute(value: str | Sequence[str]) -> MessageAttributeValueTypeDef:
    if isinstance(value, str):
        return {"DataType": "String", "StringValue": value}
    listed = json.dumps(list(value), ensure_ascii=False)
    return {"DataType": "String.Array", "StringValue": listed}
