"""Who may do what: each rule lists the grants that go beyond it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.template.stack import Document, listed, names_in, properties

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
    for part in properties(template, "AWS::IAM::Policy").values():
        for role in part["Roles"]:
            yield role["Ref"].removesuffix("Role"), part["PolicyDocument"]


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
    """Nobody deletes anything, but places in a line.

    A transaction that deletes one also writes the slots, and AWS does not say whether the condition
    sees the keys of one item there or of all: it holds for both.
    """
    line = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["WAITING#*", "SLOTS#*"]}}
    return [
        str(grant)
        for grant in grants(template)
        if "Delete" in grant.action.split(":")[1]
        and grant.action not in ON_EVERYTHING
        and (grant.action, grant.condition) != ("dynamodb:DeleteItem", line)
    ]


def at_clips(owner: str, template: Document) -> set[tuple[str, str]]:
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
        (action, f"${{ClipsBucket.Arn}}/{folder}/*")
        for folder in ("clips", "quarantine")
        for action in ("s3:PutObject", "s3:AbortMultipartUpload")
    },
    "SweepFunction": set(),
    "ThumbnailFunction": {
        ("s3:GetObject", "${ClipsBucket.Arn}/sources/*"),
        ("s3:PutObject", "${ClipsBucket.Arn}/thumbnails/*"),
    },
    "WidgetFunction": {("s3:GetObject", "${ClipsBucket.Arn}/thumbnails/*")},
    "ViewFunction": {
        ("s3:GetObject", f"${{ClipsBucket.Arn}}/{folder}/*")
        for folder in ("clips", "sources", "thumbnails")
    },
    "RenderStateMachine": set(),
}


def more_at_the_clips(template: Document) -> list[str]:
    return [
        f"{owner}: {extra}"
        for owner in {owner for owner, _ in policies(template)}
        for extra in at_clips(owner, template) - ALLOWED_AT_CLIPS[owner]
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
    ("GenerateFunction", "sns:Publish", "ResultsTopic"),
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


def more_than_the_newest_jobs(template: Document) -> list[str]:
    """The widget reads what the dashboard shows, and nothing else of the ledger."""
    index = {"Fn::Sub": "${LedgerTable.Arn}/index/newest"}
    pause = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "PAUSE#*"}}
    return [
        str(grant)
        for grant in grants(template)
        if grant.owner == "WidgetFunction"
        and grant.concerns("LedgerTable")
        and (grant.action, grant.resource) != ("dynamodb:Query", index)
        and (grant.action, grant.condition) != ("dynamodb:GetItem", pause)
    ]


AT_THE_PAGES = {
    ("dynamodb:GetItem", "LedgerTable"),
    ("dynamodb:Query", "${LedgerTable.Arn}/index/folders"),
    ("secretsmanager:GetSecretValue", "PageKeySecret"),
}


def more_than_pages_show(template: Document) -> list[str]:
    """`view` stands in the internet: it reads jobs, their pictures and the key of links."""
    jobs = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "JOB#*"}}
    return [
        str(grant)
        for grant in grants(template)
        if grant.owner == "ViewFunction"
        and not grant.concerns("ClipsBucket")
        and (
            (grant.action, grant.resource.get("Fn::Sub") or next(iter(names_in(grant.resource))))
            not in AT_THE_PAGES
            or (grant.action == "dynamodb:GetItem" and grant.condition != jobs)
        )
    ]


def reading_the_page_key(template: Document) -> list[str]:
    """Only those that make links or open them."""
    return [
        str(grant)
        for grant in grants(template)
        if grant.concerns("PageKeySecret")
        and (
            grant.owner not in ("SubmitFunction", "FinalizeFunction", "ViewFunction")
            or grant.action != "secretsmanager:GetSecretValue"
        )
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
