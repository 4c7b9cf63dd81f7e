"""`make confirm`: a subscription that no click ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from moto import mock_aws

from local import confirm
from local.confirm import Confirmation

TOPIC = "arn:aws:sns:eu-central-1:123456789012:dropreel-ResultsTopic-1A"
LINK = (
    "https://sns.eu-central-1.amazonaws.com/confirmation.html"
    f"?TopicArn={TOPIC}&Token=2336412f37f&Endpoint=ann@example.com"
)
ASKED = Confirmation(TOPIC, "eu-central-1", "2336412f37f")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What SNS is asked, in an account of its own."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    asked: list[dict[str, Any]] = []
    with mock_aws():
        client = boto3.client("sns", region_name="eu-central-1")
        client.meta.events.register(
            "provide-client-params.sns.ConfirmSubscription",
            lambda params, **_: asked.append(dict(params)),
        )
        monkeypatch.setattr("boto3.client", lambda *_, **__: client)
        yield asked


@pytest.mark.parametrize(
    "link",
    [
        LINK,
        LINK.replace(":", "%3A").replace("https%3A", "https:"),
        f"https://gateway.example/?url={quote(LINK, safe='')}&data=05",
        f"https://sns.example/?Action=ConfirmSubscription&Token=2336412f37f&TopicArn={TOPIC}",
    ],
)
def test_topic_and_token_are_found_in_the_link(link: str) -> None:
    assert Confirmation.of(link) == ASKED


@pytest.mark.parametrize("link", ["", "https://example.com", LINK.replace("Token", "T")])
def test_another_link_confirms_nothing_and_says_how_to_do_it(
    calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], link: str
) -> None:
    assert confirm.main(link) == 2
    assert "make confirm TOKEN_URL=" in capsys.readouterr().err
    assert calls == []


def test_only_signed_calls_can_end_what_is_confirmed(
    calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    boto3.client("sns", region_name="eu-central-1").create_topic(Name="dropreel-ResultsTopic-1A")
    code = confirm.main(LINK)
    assert calls == [
        {"TopicArn": TOPIC, "Token": "2336412f37f", "AuthenticateOnUnsubscribe": "true"}
    ]
    assert code == 0, capsys.readouterr().err
    assert "confirmed: arn:aws:sns:" in capsys.readouterr().out
