"""Nobody may do more than `permissions` allows, and each of its rules notices a breach."""

from __future__ import annotations

from typing import Any

import pytest

from tests.template.permissions import (
    ALLOWED_AT_CLIPS,
    ON_EVERYTHING,
    at_clips,
    calling_functions,
    changing_what_is_stored,
    grants,
    more_at_the_clips,
    more_than_pages_show,
    more_than_the_newest_jobs,
    open_actions,
    open_resources,
    open_to_the_world,
    others_policies,
    reading_the_keys,
    reading_the_page_key,
    ready_made,
    starting_workflows,
    writing_mails,
    writing_the_inbox,
)
from tests.template.stack import Document, Rule, deployed, listed, properties, spoilt
from tests.template.stack import template as load


def statement_of(function: str, number: int) -> tuple[str | int, ...]:
    return ("Resources", function, "Properties", "Policies", 0, "Statement", number)


def index_of(function: str, action: str) -> int:
    """Where the function's statement with this action stands."""
    statements = load()["Resources"][function]["Properties"]["Policies"][0]["Statement"]
    return next(i for i, one in enumerate(statements) if action in listed(one["Action"]))


READ_INBOX = statement_of("SubmitFunction", index_of("SubmitFunction", "s3:GetObject"))
STORE = statement_of("FinalizeFunction", index_of("FinalizeFunction", "s3:PutObject"))
SOURCE = statement_of("GenerateFunction", index_of("GenerateFunction", "s3:GetObject"))
POLL = statement_of("PollFunction", 0)
START = statement_of("SubmitFunction", index_of("SubmitFunction", "states:StartExecution"))
PUBLISH = statement_of("GenerateFunction", index_of("GenerateFunction", "sns:Publish"))
NEWEST = statement_of("WidgetFunction", index_of("WidgetFunction", "dynamodb:Query"))
PAGE_KEY = ("Resources", "PageKeyPolicy", "Properties")
PAGES = statement_of("ViewFunction", 1)
ALL_CLIPS = {"Fn::Sub": "${ClipsBucket.Arn}/*"}
INTO_QUEUE = ("Resources", "QueuesPolicy", "Properties", "PolicyDocument", "Statement", 0)
SPOILT: list[tuple[Rule, tuple[str | int, ...], Any]] = [
    (open_actions, (*READ_INBOX, "Action"), "s3:*"),
    (open_actions, (*READ_INBOX, "Action"), "s3:Get*"),
    (open_actions, (*STORE, "Action"), ["s3:PutObject", "*"]),
    (open_resources, (*STORE, "Resource"), "*"),
    (open_resources, (*STORE, "Resource"), ["arn:aws:s3:::*"]),
    (ready_made, ("Resources", "PollFunction", "Properties", "Policies"), ["AWSLambdaExecute"]),
    (ready_made, ("Resources", "PollFunction", "Properties", "Policies"), [{"S3CrudPolicy": {}}]),
    (writing_the_inbox, (*READ_INBOX, "Action"), "s3:PutObject"),
    (writing_the_inbox, (*STORE, "Resource"), {"Fn::Sub": "${InboxBucket.Arn}/clips/*"}),
    (changing_what_is_stored, (*STORE, "Action"), "s3:DeleteObject"),
    (changing_what_is_stored, (*POLL, "Action"), ["dynamodb:DeleteItem"]),
    (more_at_the_clips, (*STORE, "Resource"), ALL_CLIPS),
    (more_at_the_clips, (*STORE, "Action"), ["s3:GetObjectVersion"]),
    (more_at_the_clips, (*SOURCE, "Resource"), ALL_CLIPS),
    (reading_the_keys, (*READ_INBOX, "Resource"), {"Ref": "ProviderKeysSecret"}),
    (starting_workflows, (*START, "Action"), "states:StopExecution"),
    (starting_workflows, (*POLL, "Action"), "states:StartExecution"),
    (writing_mails, (*POLL, "Action"), ["sns:Publish"]),
    (writing_mails, (*PUBLISH, "Action"), "sns:Subscribe"),
    (writing_mails, (*PUBLISH, "Resource"), [{"Ref": "AnotherTopic"}]),
    (more_than_the_newest_jobs, (*NEWEST, "Resource"), {"Fn::GetAtt": ["LedgerTable", "Arn"]}),
    (more_than_the_newest_jobs, (*NEWEST, "Action"), ["dynamodb:Query", "dynamodb:PutItem"]),
    (more_than_pages_show, (*PAGES, "Action"), ["dynamodb:Query", "dynamodb:PutItem"]),
    (more_than_pages_show, (*PAGES, "Resource"), {"Fn::GetAtt": ["LedgerTable", "Arn"]}),
    (more_than_pages_show, (*statement_of("ViewFunction", 0), "Condition"), {}),
    (more_at_the_clips, (*statement_of("ViewFunction", 2), "Resource"), [ALL_CLIPS]),
    (reading_the_page_key, (*PAGE_KEY, "Roles"), [{"Ref": "SlotFunctionRole"}]),
    (reading_the_page_key, (*POLL, "Resource"), {"Ref": "PageKeySecret"}),
    (calling_functions, (*POLL, "Action"), "lambda:InvokeFunction"),
    (calling_functions, (*START, "Action"), "lambda:InvokeFunction"),
    (open_to_the_world, (*INTO_QUEUE, "Principal"), "*"),
    (open_to_the_world, (*INTO_QUEUE, "Action"), "sqs:*"),
    (open_to_the_world, (*INTO_QUEUE, "Resource"), "*"),
    (open_to_the_world, (*INTO_QUEUE, "Condition"), {}),
]


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, *_ in SPOILT))
def test_no_role_may_do_more_than_needed(template: Document, rule: Rule) -> None:
    assert rule(template) == []


@pytest.mark.parametrize(("rule", "path", "to"), SPOILT)
def test_each_rule_finds_a_permission_too_many(
    rule: Rule, path: tuple[str | int, ...], to: Any
) -> None:
    assert rule(spoilt(load(), *path, to=to)) != []


def test_every_role_has_the_permissions_that_it_needs(template: Document) -> None:
    held = {owner: at_clips(owner, template) for owner in ALLOWED_AT_CLIPS}
    assert held == ALLOWED_AT_CLIPS
    assert len(grants(template)) >= 30
    assert len(list(others_policies(template))) >= 5


# What SAM attaches by itself: logs, traces, and reading the queue.
ATTACHED = {
    "AWSLambdaBasicExecutionRole",
    "AWSXrayWriteOnlyAccess",
    "AWSLambdaSQSQueueExecutionRole",
}


def test_what_sam_adds_is_no_more_than_logs_traces_and_the_queue() -> None:
    roles = properties(deployed(), "AWS::IAM::Role")
    assert set(roles) >= {f"{owner}Role" for owner in ALLOWED_AT_CLIPS}
    attached = {arn for role in roles.values() for arn in role.get("ManagedPolicyArns", [])}
    assert {arn.rpartition("/")[2] for arn in attached} == ATTACHED
    statements = [
        (name, statement)
        for name, role in roles.items()
        for policy in role.get("Policies", [])
        for statement in listed(policy["PolicyDocument"]["Statement"])
    ]
    assert len(statements) >= 20
    assert [
        (n, s) for n, s in statements if any("*" in action for action in listed(s["Action"]))
    ] == []


def test_the_workflow_calls_its_four_functions_and_nothing_else(template: Document) -> None:
    policies = template["Resources"]["RenderStateMachine"]["Properties"]["Policies"]
    called = [p["LambdaInvokePolicy"]["FunctionName"] for p in policies if "Statement" not in p]
    names = ("GenerateFunction", "PollFunction", "SlotFunction", "FinalizeFunction")
    assert called == [{"Ref": name} for name in names]
    allowed = {grant.action for grant in grants(template) if grant.owner == "RenderStateMachine"}
    assert allowed == ON_EVERYTHING - {"states:SendTaskSuccess"}
