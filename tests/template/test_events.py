"""Rules and queues: what starts something, and where it goes when nobody can take it."""

from __future__ import annotations

from typing import Any

import pytest

from dropreel.drops.pairing import SUFFIXES as KNOWN
from tests.support.stack import GONE, Document, Rule, functions, listed, properties, spoilt
from tests.support.stack import template as load

FOURTEEN_DAYS = 14 * 24 * 3600
SUFFIXES = ("EventPattern", "detail", "object", "key")


def queues(template: Document) -> dict[str, Document]:
    return properties(template, "AWS::SQS::Queue")


def rules(template: Document) -> dict[str, Document]:
    return properties(template, "AWS::Events::Rule")


def dead_letter_queues(template: Document) -> set[str]:
    """The queues that others name as theirs."""
    behind_rules = {
        target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0]
        for rule in rules(template).values()
        for target in rule["Targets"]
        if "DeadLetterConfig" in target
    }
    behind_queues = {
        queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]
        for queue in queues(template).values()
        if "RedrivePolicy" in queue
    }
    return behind_rules | behind_queues


def dead_letters_forgotten(template: Document) -> list[str]:
    dead = dead_letter_queues(template)
    kept = {name: queue.get("MessageRetentionPeriod") for name, queue in queues(template).items()}
    return [name for name in sorted(dead) if kept[name] != FOURTEEN_DAYS]


def without_redrive(template: Document) -> list[str]:
    """Working queues that turn a message in circles, or drop it at the first trouble."""
    dead = dead_letter_queues(template)
    return [
        name
        for name, queue in queues(template).items()
        if name not in dead and queue.get("RedrivePolicy", {}).get("maxReceiveCount", 0) < 3
    ]


def seen_twice_while_at_work(template: Document) -> list[str]:
    """AWS wants six times the function's timeout."""
    wrong = []
    for name, function in functions(template).items():
        for source in function.get("Events", {}).values():
            if source["Type"] == "SQS":
                queue = source["Properties"]["Queue"]["Fn::GetAtt"][0]
                if queues(template)[queue].get("VisibilityTimeout", 30) < 6 * function["Timeout"]:
                    wrong.append(f"{name}: {queue}")
    return wrong


def targets_without_dead_letters(template: Document) -> list[str]:
    return [
        f"{name}: {target['Id']}"
        for name, rule in rules(template).items()
        for target in rule["Targets"]
        if "DeadLetterConfig" not in target
    ]


def writers_without_permission(template: Document) -> list[str]:
    """Rules that a queue they write to, or their dead-letter queue, would not let in."""
    return [
        f"{name} -> {queue}"
        for name, rule in rules(template).items()
        for target in rule["Targets"]
        for queue in _queues_of(target)
        if queue in queues(template) and name not in _let_into(template, queue)
    ]


def _queues_of(target: Document) -> list[str]:
    arns = (target["Arn"], target.get("DeadLetterConfig", {}).get("Arn"))
    return [arn["Fn::GetAtt"][0] for arn in arns if arn]


def _let_into(template: Document, queue: str) -> set[str]:
    """The rules that the policy of a queue lets write to it, and to it alone."""
    return {
        arn["Fn::GetAtt"][0]
        for policy in properties(template, "AWS::SQS::QueuePolicy").values()
        if {"Ref": queue} in policy["Queues"]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement.get("Effect") == "Allow"
        and statement["Principal"] == {"Service": "events.amazonaws.com"}
        and statement["Action"] == "sqs:SendMessage"
        and statement["Resource"] == {"Fn::GetAtt": [queue, "Arn"]}
        for arn in listed(statement["Condition"]["ArnEquals"]["aws:SourceArn"])
    }


def functions_that_rules_may_not_call(template: Document) -> list[str]:
    allowed = {
        (part["SourceArn"]["Fn::GetAtt"][0], part["FunctionName"]["Ref"])
        for part in properties(template, "AWS::Lambda::Permission").values()
        if part["Principal"] == "events.amazonaws.com" and part["Action"] == "lambda:InvokeFunction"
    }
    return [
        f"{name} -> {target['Arn']}"
        for name, rule in rules(template).items()
        for target in rule["Targets"]
        if target["Arn"]["Fn::GetAtt"][0] in functions(template)
        and (name, target["Arn"]["Fn::GetAtt"][0]) not in allowed
    ]


def endings_unlike_the_codes(template: Document) -> list[str]:
    pattern: Any = rules(template)["DropRule"]
    for step in SUFFIXES:
        pattern = pattern[step]
    asked = [entry["suffix"]["equals-ignore-case"] for entry in pattern]
    return sorted(set(KNOWN) ^ set(asked)) + [one for one in asked if asked.count(one) > 1]


DROP = ("Resources", "DropRule", "Properties")
UNFINISHED = ("Resources", "UnfinishedRule", "Properties")
INGEST = ("Resources", "IngestQueue", "Properties")
ALLOWED = ("PolicyDocument", "Statement", 0, "Condition", "ArnEquals", "aws:SourceArn")
EVENTS_POLICY = ("Resources", "EventsDeadLetterQueuePolicy", "Properties", *ALLOWED)
PERMISSION = ("Resources", "UnfinishedRulePermission", "Properties")
SPOILT: list[tuple[Rule, tuple[str | int, ...], Any]] = [
    (
        dead_letters_forgotten,
        ("Resources", "EventsDeadLetterQueue", "Properties", "MessageRetentionPeriod"),
        GONE,
    ),
    (
        dead_letters_forgotten,
        ("Resources", "IngestDeadLetterQueue", "Properties", "MessageRetentionPeriod"),
        345600,
    ),
    (without_redrive, (*INGEST, "RedrivePolicy"), GONE),
    (without_redrive, (*INGEST, "RedrivePolicy", "maxReceiveCount"), 1),
    (seen_twice_while_at_work, (*INGEST, "VisibilityTimeout"), 359),
    (seen_twice_while_at_work, (*INGEST, "VisibilityTimeout"), GONE),
    (seen_twice_while_at_work, ("Globals", "Function", "Timeout"), 61),
    (targets_without_dead_letters, (*DROP, "Targets", 0, "DeadLetterConfig"), GONE),
    (targets_without_dead_letters, (*UNFINISHED, "Targets", 0, "DeadLetterConfig"), GONE),
    (writers_without_permission, ("Resources", "QueuesPolicy"), GONE),
    (writers_without_permission, (*EVENTS_POLICY, 1), GONE),
    (writers_without_permission, EVENTS_POLICY, {"Fn::GetAtt": ["UnfinishedRule", "Arn"]}),
    (functions_that_rules_may_not_call, ("Resources", "UnfinishedRulePermission"), GONE),
    (
        functions_that_rules_may_not_call,
        (*PERMISSION, "SourceArn"),
        {"Fn::GetAtt": ["DropRule", "Arn"]},
    ),
    (endings_unlike_the_codes, (*DROP, *SUFFIXES, 0), GONE),
    (endings_unlike_the_codes, (*DROP, *SUFFIXES, 0, "suffix", "equals-ignore-case"), ".svg"),
]


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, *_ in SPOILT))
def test_no_event_is_lost_on_its_way(template: Document, rule: Rule) -> None:
    assert rule(template) == []


@pytest.mark.parametrize(("rule", "path", "to"), SPOILT)
def test_a_way_to_lose_an_event_is_found(rule: Rule, path: tuple[str | int, ...], to: Any) -> None:
    assert rule(spoilt(load(), *path, to=to)) != []


def test_the_way_has_two_rules_one_queue_and_two_for_dead_letters(template: Document) -> None:
    assert set(rules(template)) == {"DropRule", "UnfinishedRule"}
    assert dead_letter_queues(template) == {"IngestDeadLetterQueue", "EventsDeadLetterQueue"}
    assert set(queues(template)) - dead_letter_queues(template) == {"IngestQueue"}


def test_only_the_inbox_starts_jobs(template: Document) -> None:
    pattern = rules(template)["DropRule"]["EventPattern"]
    assert pattern["source"] == ["aws.s3"]
    assert pattern["detail-type"] == ["Object Created"]
    assert pattern["detail"]["bucket"] == {"name": [{"Ref": "InboxBucket"}]}


def test_executions_that_fail_time_out_or_are_aborted_are_reported(template: Document) -> None:
    pattern = rules(template)["UnfinishedRule"]["EventPattern"]
    assert pattern["source"] == ["aws.states"]
    assert pattern["detail-type"] == ["Step Functions Execution Status Change"]
    assert pattern["detail"]["stateMachineArn"] == [{"Ref": "RenderStateMachine"}]
    assert set(pattern["detail"]["status"]) == {"FAILED", "TIMED_OUT", "ABORTED"}
