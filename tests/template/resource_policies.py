"""What buckets, queues and topics allow others: each rule lists what is too much."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.stack import Document, listed, names_in, properties

KINDS = {
    "AWS::S3::Bucket": ("AWS::S3::BucketPolicy", "Bucket"),
    "AWS::SQS::Queue": ("AWS::SQS::QueuePolicy", "Queues"),
    "AWS::SNS::Topic": ("AWS::SNS::TopicPolicy", "Topics"),
}
OVER_HTTP = {"Bool": {"aws:SecureTransport": "false"}}
OVER_HTTP_BY_OTHERS = {**OVER_HTTP, "BoolIfExists": {"aws:PrincipalIsAWSService": "false"}}

_CLOSED = (
    ("s3:*", OVER_HTTP),
    # To queues and topics, AWS's services send, of whose network policies are told nothing.
    ("sqs:*", OVER_HTTP_BY_OTHERS),
    ("sns:Publish", OVER_HTTP_BY_OTHERS),
)


def statements(made: Document) -> Iterator[tuple[str, Document]]:
    """All statements as they are with `RequireHttps`, with what they protect."""
    for policy_kind, attribute in KINDS.values():
        for policy in properties(made, policy_kind).values():
            for statement in policy["PolicyDocument"]["Statement"]:
                chosen = statement["Fn::If"][1] if "Fn::If" in statement else statement
                for target in listed(policy[attribute]):
                    yield target["Ref"], chosen


def open_to_the_world(made: Document) -> list[str]:
    """They allow one action on one resource to a service, and only for this account's doings."""
    return [
        f"{name}: {statement.get('Sid')}"
        for name, statement in statements(made)
        if statement["Effect"] == "Allow"
        and (
            set(statement["Principal"]) != {"Service"}
            or "*" in str(statement["Action"])
            or not list(names_in(statement["Resource"]))
            or not {"ArnEquals", "StringEquals"} & set(statement.get("Condition") or {})
        )
    ]


def heard_over_http(made: Document) -> list[str]:
    closed = {
        name
        for name, statement in statements(made)
        if statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and (statement["Action"], statement["Condition"]) in _CLOSED
        and name in names_in(statement["Resource"])
    }
    return [name for kind in KINDS for name in properties(made, kind) if name not in closed]


def with_two_policies(made: Document) -> list[str]:
    """Queues and topics have one policy: a second one would take the place of the first."""
    named = [
        target["Ref"]
        for policy_kind, attribute in KINDS.values()
        for policy in properties(made, policy_kind).values()
        for target in listed(policy[attribute])
    ]
    return sorted({name for name in named if named.count(name) > 1})


def taking_what_cannot_be_read(made: Document) -> list[str]:
    """Nobody's KMS key or own key may lock a dropped file."""
    refused = [
        str(statement["Condition"])
        for name, statement in statements(made)
        if name == "InboxBucket" and statement["Action"] == "s3:PutObject"
    ]
    ways = ("aws:kms'", "aws:kms:dsse", "server-side-encryption-customer-algorithm")
    return [way for way in ways if way not in str(refused)]
