"""Who gets which message: mailboxes not what a digest tells, operators everything."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.stack import GONE, Document, Rule, properties, spoilt
from tests.support.stack import template as load

RESULTS, OPERATORS = {"Ref": "ResultsTopic"}, {"Ref": "OperatorsTopic"}


def mailboxes(template: Document, topic: Document) -> dict[str, Document]:
    found = properties(template, "AWS::SNS::Subscription")
    return {name: part for name, part in found.items() if part["TopicArn"] == topic}


def flooded(template: Document) -> list[str]:
    """Mail subscriptions that get each result, also those that a digest tells."""
    return [
        name
        for name, part in mailboxes(template, RESULTS).items()
        if part.get("FilterPolicy") != {"mail": ["yes"]} or "FilterPolicyScope" in part
    ]


def deaf(template: Document) -> list[str]:
    """Operators' subscriptions that miss something: alarms have no attributes to filter by."""
    found = mailboxes(template, OPERATORS)
    return [name for name, part in found.items() if "FilterPolicy" in part]


MAILBOX = ("Resources", "ResultsSubscription", "Properties")
OPERATOR = ("Resources", "OperatorsSubscription", "Properties")
SPOILT: list[tuple[Rule, tuple[str | int, ...], Any]] = [
    (flooded, (*MAILBOX, "FilterPolicy"), GONE),
    (flooded, (*MAILBOX, "FilterPolicy"), {"mail": ["no"]}),
    (flooded, (*MAILBOX, "FilterPolicyScope"), "MessageBody"),
    (deaf, (*OPERATOR, "FilterPolicy"), {"mail": ["yes"]}),
]


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, *_ in SPOILT))
def test_mailboxes_get_no_digested_result_and_operators_get_everything(
    template: Document, rule: Rule
) -> None:
    assert rule(template) == []


@pytest.mark.parametrize(("rule", "path", "to"), SPOILT)
def test_a_wrong_filter_is_found(rule: Rule, path: tuple[str | int, ...], to: Any) -> None:
    assert rule(spoilt(load(), *path, to=to)) != []


def test_each_topic_has_its_mailbox(template: Document) -> None:
    assert list(mailboxes(template, RESULTS)) == ["ResultsSubscription"]
    assert list(mailboxes(template, OPERATORS)) == ["OperatorsSubscription"]
