"""Who may do what: everything that is not asserted here is to be forbidden."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.template.stack import (
    Document,
    Rule,
    deployed,
    listed,
    names_in,
    properties,
    spoilt,
)
from tests.template.stack import template as load

# Services that know no resources to name.
ON_EVERYTHING = {
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "states:SendTaskSuccess",  # the token names the task
}
READING = {"s3:GetObject", "s3:ListBucket"}


@dataclass(frozen=True)
class Grant:
    """One action on one resource, as one statement allows it to one role."""

    owner: str
    action: str
    resource: Any
    condition: Any = None

    def __str__(self) -> str:
        return f"{self.owner}: {self.action} on {self.resource}"

    def concerns(self, name: str) -> bool:
        return name in names_in(self.resource)


def policies(template: Document) -> Iterator[tuple[str, Any]]:
    """The policies of all roles, with the function or workflow that has the role."""
    for kind in ("AWS::Serverless::Function", "AWS::Serverless::StateMachine"):
        for owner, part in properties(template, kind).items():
            for policy in listed(part.get("Policies", [])):
                yield owner, policy


def grants(template: Document) -> list[Grant]:
    return [
        Grant(owner, action, resource, statement.get("Condition"))
        for owner, policy in policies(template)
        if isinstance(policy, dict)
        for statement in policy.get("Statement", [])
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    ]


def open_actions(template: Document) -> list[str]:
    return [str(grant) for grant in grants(template) if "*" in grant.action]


def open_resources(template: Document) -> list[str]:
    return [
        str(grant)
        for grant in grants(template)
        if not list(names_in(grant.resource)) and grant.action not in ON_EVERYTHING
    ]


def ready_made(template: Document) -> list[str]:
    """Managed policies, and SAM's policy templates but the one that calls one function."""
    return [
        f"{owner}: {policy}"
        for owner, policy in policies(template)
        if not isinstance(policy, dict) or not {"Statement", "LambdaInvokePolicy"} & set(policy)
    ]


def writing_the_inbox(template: Document) -> list[str]:
    return [
        str(grant)
        for grant in grants(template)
        if grant.concerns("InboxBucket") and grant.action not in READING
    ]


def changing_what_is_stored(template: Document) -> list[str]:
    """Nobody deletes anything, but places in a line."""
    line = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "WAITING#*"}}
    return [
        str(grant)
        for grant in grants(template)
        if "Delete" in grant.action.split(":")[1]
        and grant.action not in ON_EVERYTHING
        and (grant.action, grant.condition) != ("dynamodb:DeleteItem", line)
    ]


def _at_clips(owner: str, template: Document) -> set[tuple[str, str]]:
    return {
        (grant.action, grant.resource["Fn::Sub"])
        for grant in grants(template)
        if grant.owner == owner and grant.concerns("ClipsBucket")
    }


ALLOWED_AT_CLIPS = {
    "SubmitFunction": {
        ("s3:PutObject", "${ClipsBucket.Arn}/sources/*"),
        ("s3:PutObject", "${ClipsBucket.Arn}/clips/*"),
    },
    "GenerateFunction": {("s3:GetObject", "${ClipsBucket.Arn}/sources/*")},
    "SlotFunction": set(),
    "PollFunction": set(),
    "FinalizeFunction": {
        ("s3:PutObject", "${ClipsBucket.Arn}/clips/*"),
        ("s3:AbortMultipartUpload", "${ClipsBucket.Arn}/clips/*"),
    },
    "SweepFunction": set(),
    "ThumbnailFunction": {
        ("s3:GetObject", "${ClipsBucket.Arn}/sources/*"),
        ("s3:PutObject", "${ClipsBucket.Arn}/thumbnails/*"),
    },
    "WidgetFunction": {("s3:GetObject", "${ClipsBucket.Arn}/thumbnails/*")},
    "RenderStateMachine": set(),
}


def more_at_the_clips(template: Document) -> list[str]:
    return [
        f"{owner}: {extra}"
        for owner in {owner for owner, _ in policies(template)}
        for extra in _at_clips(owner, template) - ALLOWED_AT_CLIPS[owner]
    ]


def reading_the_keys(template: Document) -> list[str]:
    """Only those that talk to a provider, and they only read."""
    talking = {"GenerateFunction", "PollFunction", "FinalizeFunction", "SweepFunction"}
    return [
        str(grant)
        for grant in grants(template)
        if grant.concerns("ProviderKeysSecret")
        and (grant.owner not in talking or grant.action != "secretsmanager:GetSecretValue")
    ]


MAKING_ROOM = ("SlotFunction", "GenerateFunction", "PollFunction", "SweepFunction")
AT_THE_WORKFLOW = {
    ("SubmitFunction", "states:StartExecution"),
    ("SweepFunction", "states:StartExecution"),
    ("SweepFunction", "states:DescribeExecution"),
    *((name, "states:SendTaskSuccess") for name in MAKING_ROOM),
}


def starting_workflows(template: Document) -> list[str]:
    return [
        str(grant)
        for grant in grants(template)
        if grant.action.startswith("states:") and (grant.owner, grant.action) not in AT_THE_WORKFLOW
    ]


AT_THE_TOPICS = {
    ("SubmitFunction", "sns:Publish", "ResultsTopic"),
    ("FinalizeFunction", "sns:Publish", "ResultsTopic"),
    ("FinalizeFunction", "sns:Publish", "OperatorsTopic"),
    ("GenerateFunction", "sns:Publish", "OperatorsTopic"),
    ("SweepFunction", "sns:Publish", "OperatorsTopic"),
    ("SweepFunction", "sns:Publish", "ResultsTopic"),
    ("SweepFunction", "sns:GetTopicAttributes", "ResultsTopic"),
    ("SweepFunction", "sns:GetTopicAttributes", "OperatorsTopic"),
}


def writing_mails(template: Document) -> list[str]:
    return [
        str(grant)
        for grant in grants(template)
        if grant.action.startswith("sns:")
        and (grant.owner, grant.action, grant.resource.get("Ref")) not in AT_THE_TOPICS
    ]


def more_than_looking(template: Document) -> list[str]:
    """Who looks at the dashboard sees what it shows, and nothing else of the ledger."""
    index = {"Fn::Sub": "${LedgerTable.Arn}/index/newest"}
    return [
        str(grant)
        for grant in grants(template)
        if grant.owner == "WidgetFunction"
        and grant.concerns("LedgerTable")
        and (grant.action, grant.resource) != ("dynamodb:Query", index)
    ]


def calling_functions(template: Document) -> list[str]:
    return [
        str(grant)
        for grant in grants(template)
        if grant.action.startswith("lambda:")
        and (grant.owner, grant.action, grant.resource)
        != (
            "SubmitFunction",
            "lambda:InvokeFunction",
            {"Fn::GetAtt": ["ThumbnailFunction", "Arn"]},
        )
    ]


def others_policies(template: Document) -> Iterator[tuple[str, Document]]:
    for kind in ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"):
        for name, part in properties(template, kind).items():
            for statement in part["PolicyDocument"]["Statement"]:
                yield name, statement


def open_to_the_world(template: Document) -> list[str]:
    """What resources allow others: one action, a service, one resource, and a condition."""
    return [
        f"{name}: {statement.get('Sid')}"
        for name, statement in others_policies(template)
        if statement["Effect"] == "Allow"
        and (
            set(statement["Principal"]) != {"Service"}
            or "*" in str(statement["Action"])
            or not list(names_in(statement["Resource"]))
            or not statement.get("Condition")
        )
    ]


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
LOOK = statement_of("WidgetFunction", index_of("WidgetFunction", "dynamodb:Query"))
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
    (writing_mails, (*PUBLISH, "Resource"), [{"Ref": "ResultsTopic"}]),
    (more_than_looking, (*LOOK, "Resource"), {"Fn::GetAtt": ["LedgerTable", "Arn"]}),
    (more_than_looking, (*LOOK, "Action"), ["dynamodb:Query", "dynamodb:PutItem"]),
    (calling_functions, (*POLL, "Action"), "lambda:InvokeFunction"),
    (calling_functions, (*START, "Action"), "lambda:InvokeFunction"),
    (open_to_the_world, (*INTO_QUEUE, "Principal"), "*"),
    (open_to_the_world, (*INTO_QUEUE, "Action"), "sqs:*"),
    (open_to_the_world, (*INTO_QUEUE, "Resource"), "*"),
    (open_to_the_world, (*INTO_QUEUE, "Condition"), {}),
]


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, *_ in SPOILT))
def test_nobody_may_do_more_than_needed(template: Document, rule: Rule) -> None:
    assert rule(template) == []


@pytest.mark.parametrize(("rule", "path", "to"), SPOILT)
def test_a_right_too_much_is_noticed(rule: Rule, path: tuple[str | int, ...], to: Any) -> None:
    assert rule(spoilt(load(), *path, to=to)) != []


def test_every_role_has_what_its_work_takes(template: Document) -> None:
    held = {owner: _at_clips(owner, template) for owner in ALLOWED_AT_CLIPS}
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
