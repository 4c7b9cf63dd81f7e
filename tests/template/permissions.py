"""Who may do what: each rule lists the grants that go beyond it.

All rules read what SAM makes of the template, so that nothing that SAM adds by itself is missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support.stack import Document, listed, names_in, policies, roles

# Services that know no resources to name; the template says so beside each statement.
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
LEADING_KEYS = "dynamodb:LeadingKeys"


@dataclass(frozen=True)
class Grant:
    """One action on one resource, as one statement allows it to one role or managed policy."""

    owner: str
    action: str
    resource: Any
    condition: Any = None

    def __str__(self) -> str:
        return f"{self.owner}: {self.action} on {self.resource} if {self.condition}"

    def concerns(self, name: str) -> bool:
        return name in names_in(self.resource)

    @property
    def families(self) -> set[str] | None:
        """The items of the ledger that the condition allows; None if there is none."""
        keys = (self.condition or {}).get("ForAllValues:StringLike", {}).get(LEADING_KEYS)
        return None if keys is None else {key.removesuffix("#*") for key in listed(keys)}


def grants(made: Document) -> list[Grant]:
    return [
        Grant(owner, action, resource, statement.get("Condition"))
        for owner, document in policies(made)
        for statement in listed(document["Statement"])
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    ]


def open_actions(made: Document) -> list[str]:
    return [str(grant) for grant in grants(made) if "*" in grant.action]


def open_resources(made: Document) -> list[str]:
    return [
        str(grant)
        for grant in grants(made)
        if not list(names_in(grant.resource)) and grant.action not in ON_EVERYTHING
    ]


def ready_made(made: Document) -> list[str]:
    """Managed policies of AWS: they allow their actions on everything in the account."""
    found = {owner: role.get("ManagedPolicyArns") for owner, role in roles(made).items()}
    return [f"{owner}: {arns}" for owner, arns in found.items() if arns]


ACCOUNT = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
TRUSTED: dict[str, tuple[Document, Document | None]] = {
    "SweepFunctionHalfHourly": ({"Service": "scheduler.amazonaws.com"}, ACCOUNT),
    "RenderStateMachine": ({"Service": "states.amazonaws.com"}, ACCOUNT),
    "ImageReader": ({"AWS": {"Fn::GetAtt": ["GenerateFunctionRole", "Arn"]}}, None),
}
# Lambda does not document that it names the account.
LAMBDA: tuple[Document, None] = ({"Service": "lambda.amazonaws.com"}, None)


def trusting_too_many(made: Document) -> list[str]:
    """One each, and a service only for this account where the service says for whom it acts."""
    return [
        f"{owner}: {statement}"
        for owner, role in roles(made).items()
        for statement in role["AssumeRolePolicyDocument"]["Statement"]
        if statement["Action"] != "sts:AssumeRole"
        or (statement["Principal"], statement.get("Condition")) != TRUSTED.get(owner, LAMBDA)
    ]


AT_THE_INBOX = {
    ("SubmitFunction", "s3:GetObject"),
    ("SubmitFunction", "s3:ListBucket"),
    ("SweepFunction", "s3:ListBucket"),
    ("DroppersPolicy", "s3:PutObject"),
    ("DroppersPolicy", "s3:AbortMultipartUpload"),
    ("DroppersPolicy", "s3:ListBucket"),
}


def more_at_the_inbox(made: Document) -> list[str]:
    return [
        str(grant)
        for grant in grants(made)
        if grant.concerns("InboxBucket") and (grant.owner, grant.action) not in AT_THE_INBOX
    ]


def at_clips(owner: str, made: Document) -> set[tuple[str, str]]:
    return {
        (grant.action, grant.resource.get("Fn::Sub", "the bucket"))
        for grant in grants(made)
        if grant.owner == owner and grant.concerns("ClipsBucket")
    }


ALLOWED_AT_CLIPS = {
    "SubmitFunction": {
        ("s3:PutObject", "${ClipsBucket.Arn}/sources/*"),
        ("s3:PutObject", "${ClipsBucket.Arn}/clips/*/rejected-*.json"),
    },
    "ImageReader": {("s3:GetObject", "${ClipsBucket.Arn}/sources/*")},
    "FinalizeFunction": {
        (action, f"${{ClipsBucket.Arn}}/{folder}/*")
        for folder in ("clips", "quarantine")
        for action in ("s3:PutObject", "s3:AbortMultipartUpload")
    },
    "ThumbnailFunction": {
        ("s3:GetObject", "${ClipsBucket.Arn}/sources/*"),
        ("s3:PutObject", "${ClipsBucket.Arn}/thumbnails/*"),
    },
    "WidgetFunction": {("s3:GetObject", "${ClipsBucket.Arn}/thumbnails/*")},
    "ViewFunction": {
        ("s3:GetObject", f"${{ClipsBucket.Arn}}/{folder}/*")
        for folder in ("clips", "sources", "thumbnails")
    },
    "ViewersPolicy": {
        ("s3:GetObject", "${ClipsBucket.Arn}/clips/*"),
        ("s3:ListBucket", "the bucket"),
    },
}


def more_at_the_clips(made: Document) -> list[str]:
    return [
        f"{owner}: {extra}"
        for owner in {owner for owner, _ in policies(made)}
        for extra in at_clips(owner, made) - ALLOWED_AT_CLIPS.get(owner, set())
    ]


READING_SECRETS = {
    # Those that talk to a provider.
    "ProviderKeysSecret": (
        *("GenerateFunction", "PollFunction", "FinalizeFunction", "SweepFunction"),
    ),
    # Those that make links or open them.
    "PageKeySecret": ("SubmitFunction", "FinalizeFunction", "ViewFunction"),
}


def reading_secrets(made: Document) -> list[str]:
    """Nobody else, and they only read."""
    return [
        str(grant)
        for grant in grants(made)
        for secret, readers in READING_SECRETS.items()
        if grant.concerns(secret)
        and (grant.owner not in readers or grant.action != "secretsmanager:GetSecretValue")
    ]


MAKING_ROOM = ("SlotFunction", "GenerateFunction", "PollFunction", "SweepFunction")
AT_THE_WORKFLOW = {
    ("SubmitFunction", "states:StartExecution"),
    ("SweepFunction", "states:StartExecution"),
    ("SweepFunction", "states:DescribeExecution"),
    *((name, "states:SendTaskSuccess") for name in MAKING_ROOM),
}


def starting_workflows(made: Document) -> list[str]:
    return [
        str(grant)
        for grant in grants(made)
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


def writing_mails(made: Document) -> list[str]:
    return [
        str(grant)
        for grant in grants(made)
        if grant.action.startswith("sns:")
        and (grant.owner, grant.action, grant.resource.get("Ref")) not in AT_THE_TOPICS
    ]


DRAINING = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
AT_THE_QUEUES = {
    *(("SubmitFunction", action, "IngestQueue") for action in (*DRAINING, "sqs:SendMessage")),
    ("GenerateFunction", "sqs:SendMessage", "IngestQueue"),
    ("FinalizeFunction", "sqs:SendMessage", "IngestQueue"),
    ("FinalizeFunction", "sqs:SendMessage", "EventsDeadLetterQueue"),
    ("SweepFunction", "sqs:SendMessage", "IngestQueue"),
    ("SweepFunction", "sqs:SendMessage", "EventsDeadLetterQueue"),
    ("SweepFunctionHalfHourly", "sqs:SendMessage", "EventsDeadLetterQueue"),
}


def more_at_the_queues(made: Document) -> list[str]:
    return [
        str(grant)
        for grant in grants(made)
        if grant.action.startswith("sqs:")
        and (grant.owner, grant.action, grant.resource["Fn::GetAtt"][0]) not in AT_THE_QUEUES
    ]


CALLED = {
    "SubmitFunction": ["ThumbnailFunction"],
    "SweepFunctionHalfHourly": ["SweepFunction"],
    "RenderStateMachine": ["SlotFunction", "GenerateFunction", "PollFunction", "FinalizeFunction"],
}


def calling_functions(made: Document) -> list[str]:
    """Exactly these functions: a name with a star behind it is also another stack's function."""
    return [
        str(grant)
        for grant in grants(made)
        if grant.action.startswith("lambda:")
        and (grant.action, grant.resource)
        not in [
            ("lambda:InvokeFunction", {"Fn::GetAtt": [name, "Arn"]})
            for name in CALLED.get(grant.owner, [])
        ]
    ]


def becoming_others(made: Document) -> list[str]:
    """One role takes another: to sign addresses of images."""
    allowed = ("GenerateFunction", {"Fn::GetAtt": ["ImageReaderRole", "Arn"]})
    found = [grant for grant in grants(made) if grant.action.startswith(("sts:", "iam:"))]
    return [str(grant) for grant in found if (grant.owner, grant.resource) != allowed]


def others_logs(made: Document) -> list[str]:
    """Each function writes into its own log group."""
    return [
        str(grant)
        for grant in grants(made)
        if grant.action.startswith("logs:")
        and grant.action not in ON_EVERYTHING
        and grant.resource
        != {"Fn::GetAtt": [f"{grant.owner.removesuffix('Function')}LogGroup", "Arn"]}
    ]
