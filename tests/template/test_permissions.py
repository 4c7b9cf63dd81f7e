"""Nobody may do more than the rules allow, and each of the rules notices a breach."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.stack import GONE, ROOT, Document, Rule, deployed, listed, policies, spoilt
from tests.template.ledger_rights import (
    INDEXES,
    LISTED,
    WRITTEN,
    at_the_ledger,
    more_in_the_ledger,
    more_of_the_indexes,
)
from tests.template.permissions import (
    ALLOWED_AT_CLIPS,
    AT_THE_INBOX,
    AT_THE_QUEUES,
    AT_THE_TOPICS,
    AT_THE_WORKFLOW,
    at_clips,
    becoming_others,
    calling_functions,
    grants,
    more_at_the_clips,
    more_at_the_inbox,
    more_at_the_queues,
    open_actions,
    open_resources,
    others_logs,
    reading_secrets,
    ready_made,
    starting_workflows,
    trusting_too_many,
    writing_mails,
)
from tests.template.resource_policies import (
    heard_over_http,
    open_to_the_world,
    statements,
    taking_what_cannot_be_read,
    with_two_policies,
)

Path = tuple[str | int, ...]


def role(owner: str) -> Path:
    return ("Resources", f"{owner}Role", "Properties")


def statement_of(owner: str, action: str) -> Path:
    """The role's statement with this action."""
    inside = (*role(owner), "Policies", 0, "PolicyDocument", "Statement")
    found: Any = deployed()
    for step in inside:
        found = found[step]
    number = next(i for i, one in enumerate(found) if action in listed(one["Action"]))
    return (*inside, number)


READ_INBOX = statement_of("SubmitFunction", "s3:GetObject")
DRAIN = statement_of("SubmitFunction", "sqs:ReceiveMessage")
START = statement_of("SubmitFunction", "states:StartExecution")
REJECT = statement_of("SubmitFunction", "s3:PutObject")
STORE = statement_of("FinalizeFunction", "s3:PutObject")
SOURCE = statement_of("ImageReader", "s3:GetObject")
PUBLISH = statement_of("GenerateFunction", "sns:Publish")
POLLED = statement_of("PollFunction", "dynamodb:UpdateItem")
LINE_UP = statement_of("SlotFunction", "dynamodb:UpdateItem")
LEAVE = statement_of("SlotFunction", "dynamodb:DeleteItem")
SHOWN = statement_of("ViewFunction", "dynamodb:GetItem")
PAGE_KEY = ("Resources", "PageKeyPolicy", "Properties")
NEWEST = statement_of("WidgetFunction", "dynamodb:Query")
LOG = statement_of("WidgetFunction", "logs:PutLogEvents")
CALL = statement_of("RenderStateMachine", "lambda:InvokeFunction")
FAMILIES = ("Condition", "ForAllValues:StringLike", "dynamodb:LeadingKeys")
TRUST = ("AssumeRolePolicyDocument", "Statement", 0)
ALL_CLIPS = {"Fn::Sub": "${ClipsBucket.Arn}/*"}
ANY_POLL = {"Fn::Sub": "${PollFunction.Arn}*"}
MANAGED = ["arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"]
INTO_QUEUE = ("Resources", "QueuesPolicy", "Properties", "PolicyDocument", "Statement")
DROPPED = ("Resources", "InboxBucketPolicy", "Properties", "PolicyDocument", "Statement")
SPOILT: list[tuple[Rule, Path, Any]] = [
    (open_actions, (*READ_INBOX, "Action"), "s3:*"),
    (open_actions, (*READ_INBOX, "Action"), "s3:Get*"),
    (open_actions, (*STORE, "Action"), ["s3:PutObject", "*"]),
    (open_resources, (*STORE, "Resource"), "*"),
    (open_resources, (*STORE, "Resource"), ["arn:aws:s3:::*"]),
    (ready_made, (*role("PollFunction"), "ManagedPolicyArns"), MANAGED),
    (trusting_too_many, (*role("PollFunction"), *TRUST, "Principal"), {"AWS": "*"}),
    (trusting_too_many, (*role("ImageReader"), *TRUST, "Principal"), {"AWS": "123456789012"}),
    (trusting_too_many, (*role("RenderStateMachine"), *TRUST, "Condition"), GONE),
    (trusting_too_many, (*role("SweepFunctionHalfHourly"), *TRUST, "Condition"), GONE),
    (more_at_the_inbox, (*READ_INBOX, "Action"), "s3:PutObject"),
    (more_at_the_inbox, (*STORE, "Resource"), {"Fn::Sub": "${InboxBucket.Arn}/clips/*"}),
    (more_in_the_ledger, (*LINE_UP, *FAMILIES), ["SLOTS#*", "JOB#*"]),
    (more_in_the_ledger, (*LINE_UP, *FAMILIES), ["SLOTS#*", "BUDGET#*"]),
    (more_in_the_ledger, (*LINE_UP, "Condition"), GONE),
    (more_in_the_ledger, (*LEAVE, *FAMILIES), ["WAITING#*", "PARKED#*"]),
    (more_in_the_ledger, (*POLLED, "Action"), ["dynamodb:DeleteItem"]),
    (more_in_the_ledger, (*POLLED, "Action"), "dynamodb:Query"),
    (more_of_the_indexes, (*NEWEST, "Action"), ["dynamodb:Query", "dynamodb:Scan"]),
    (more_of_the_indexes, (*NEWEST, "Resource"), {"Fn::Sub": "${LedgerTable.Arn}/index/*"}),
    (more_in_the_ledger, (*NEWEST, "Resource"), {"Fn::GetAtt": ["LedgerTable", "Arn"]}),
    (more_at_the_clips, (*STORE, "Resource"), ALL_CLIPS),
    (more_at_the_clips, (*STORE, "Action"), ["s3:GetObjectVersion"]),
    (more_at_the_clips, (*STORE, "Action"), "s3:DeleteObject"),
    (more_at_the_clips, (*SOURCE, "Resource"), ALL_CLIPS),
    (more_at_the_clips, (*REJECT, "Resource"), {"Fn::Sub": "${ClipsBucket.Arn}/clips/*"}),
    (reading_secrets, (*READ_INBOX, "Resource"), {"Ref": "ProviderKeysSecret"}),
    (reading_secrets, (*POLLED, "Resource"), {"Ref": "PageKeySecret"}),
    (reading_secrets, (*PAGE_KEY, "Roles"), [{"Ref": "PollFunctionRole"}]),
    (more_in_the_ledger, (*SHOWN, *FAMILIES), ["JOB#*", "BUDGET#*"]),
    (more_in_the_ledger, (*SHOWN, "Action"), "dynamodb:UpdateItem"),
    (starting_workflows, (*START, "Action"), "states:StopExecution"),
    (starting_workflows, (*POLLED, "Action"), "states:StartExecution"),
    (writing_mails, (*POLLED, "Action"), ["sns:Publish"]),
    (writing_mails, (*PUBLISH, "Action"), "sns:Subscribe"),
    (writing_mails, (*PUBLISH, "Resource"), [{"Ref": "AnotherTopic"}]),
    (more_at_the_queues, (*DRAIN, "Action"), "sqs:PurgeQueue"),
    (more_at_the_queues, (*DRAIN, "Resource"), {"Fn::GetAtt": ["EventsDeadLetterQueue", "Arn"]}),
    (calling_functions, (*POLLED, "Action"), "lambda:InvokeFunction"),
    (calling_functions, (*START, "Action"), "lambda:InvokeFunction"),
    (calling_functions, (*CALL, "Resource"), [ANY_POLL]),
    (becoming_others, (*POLLED, "Action"), "iam:PassRole"),
    (becoming_others, (*START, "Action"), "sts:AssumeRole"),
    (others_logs, (*LOG, "Resource"), {"Fn::GetAtt": ["PollLogGroup", "Arn"]}),
    (open_to_the_world, (*INTO_QUEUE, 0, "Principal"), "*"),
    (open_to_the_world, (*INTO_QUEUE, 0, "Action"), "sqs:*"),
    (open_to_the_world, (*INTO_QUEUE, 0, "Resource"), "*"),
    (open_to_the_world, (*INTO_QUEUE, 0, "Condition"), {}),
    (heard_over_http, (*INTO_QUEUE, 1), GONE),
    (heard_over_http, ("Resources", "IngestDeadLetterQueuePolicy"), GONE),
    (heard_over_http, ("Resources", "ResultsTopicPolicy"), GONE),
    (heard_over_http, (*DROPPED, 0), GONE),
    (
        with_two_policies,
        ("Resources", "ResultsTopicPolicy", "Properties", "Topics"),
        [{"Ref": "OperatorsTopic"}],
    ),
    (taking_what_cannot_be_read, (*DROPPED, 1), GONE),
    (taking_what_cannot_be_read, (*DROPPED, 2), GONE),
]


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, *_ in SPOILT))
def test_nobody_may_do_more_than_needed(rule: Rule) -> None:
    assert rule(deployed()) == []


@pytest.mark.parametrize(("rule", "path", "to"), SPOILT)
def test_each_rule_finds_a_permission_too_many(rule: Rule, path: Path, to: Any) -> None:
    assert rule(spoilt(deployed(), *path, to=to)) != []


def test_every_right_that_the_rules_allow_is_granted() -> None:
    made = deployed()
    found = grants(made)
    clips = {owner: at_clips(owner, made) for owner in ALLOWED_AT_CLIPS}
    assert clips == ALLOWED_AT_CLIPS
    assert {(g.owner, g.action) for g in found if g.concerns("InboxBucket")} == AT_THE_INBOX
    assert {(g.owner, g.action) for g in found if "states:" in g.action} == AT_THE_WORKFLOW
    assert len(AT_THE_TOPICS) == len([g for g in found if g.action.startswith("sns:")])
    assert len(AT_THE_QUEUES) == len([g for g in found if g.action.startswith("sqs:")])
    written = {
        owner: {
            family
            for grant in at_the_ledger(made)
            if grant.owner == owner and not grant.action.endswith(("GetItem", "Query"))
            for family in grant.families or ()
        }
        for owner in WRITTEN
    }
    assert written == WRITTEN
    queries = [g for g in at_the_ledger(made) if g.action == "dynamodb:Query" and g.families]
    assert {grant.owner: grant.families for grant in queries} == LISTED
    assert len(INDEXES) == len([g for g in at_the_ledger(made) if "Fn::Sub" in g.resource])


def test_every_right_to_everything_says_why() -> None:
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    found = re.findall(r'^ +Resource: "\*"(.*)$', text, re.MULTILINE)
    assert len(found) >= 4
    assert [why for why in found if not re.fullmatch(r" # .{15,}", why)] == []


def test_the_rules_see_all_policies(made: Document) -> None:
    assert len(list(policies(made))) >= 11
    assert len(list(statements(made))) >= 11


@pytest.fixture
def made() -> Document:
    return deployed()
