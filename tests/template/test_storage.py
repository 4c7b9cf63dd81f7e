"""Buckets, table and secret: private, encrypted, and not lost with the stack."""

from __future__ import annotations

from typing import Any

import pytest

from dropreel.ledger.jobs import FOLDERS_INDEX, NEWEST_INDEX, SUMMARY_FIELDS, UNSETTLED_INDEX
from tests.support.stack import GONE, Document, Rule, properties, resources, spoilt
from tests.support.stack import template as load

DATA = ("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SecretsManager::Secret")
DROPS = {"Id": "expire-drops", "Status": "Enabled", "ExpirationInDays": {"Ref": "InboxDays"}}
PAGE_KEY = "PageKeySecret"  # with it links are lost that lead to the stack, and nothing else
PRIVATE = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")


def buckets(template: Document) -> dict[str, Document]:
    return properties(template, "AWS::S3::Bucket")


def public(template: Document) -> list[str]:
    wrong = []
    for name, bucket in buckets(template).items():
        access = bucket.get("PublicAccessBlockConfiguration", {})
        owners = bucket.get("OwnershipControls", {}).get("Rules")
        enforced = owners == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        if not enforced or [access.get(flag) for flag in PRIVATE] != [True] * 4:
            wrong.append(name)
    return wrong


def unencrypted(template: Document) -> list[str]:
    wrong = []
    for name, bucket in buckets(template).items():
        rules = bucket.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [])
        kinds = [rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] for rule in rules]
        wrong += [] if kinds == ["AES256"] else [name]
    tables = properties(template, "AWS::DynamoDB::Table")
    wrong += [n for n, t in tables.items() if not t.get("SSESpecification", {}).get("SSEEnabled")]
    queues = properties(template, "AWS::SQS::Queue")
    return wrong + [n for n, queue in queues.items() if not queue.get("SqsManagedSseEnabled")]


def without_tls_only(template: Document) -> list[str]:
    found = properties(template, "AWS::S3::BucketPolicy").values()
    closed = {policy["Bucket"]["Ref"]: policy["PolicyDocument"]["Statement"] for policy in found}
    return [name for name in buckets(template) if not _tls_only(name, closed.get(name, []))]


def _tls_only(bucket: str, statements: list[Document]) -> bool:
    arn = {"Fn::GetAtt": [bucket, "Arn"]}
    return any(
        statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and statement["Action"] == "s3:*"
        and statement["Resource"] == [arn, {"Fn::Sub": f"${{{bucket}.Arn}}/*"}]
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in statements
    )


def rules_of(bucket: Document) -> list[Document]:
    """The rules of a bucket, with those that a condition turns on."""
    rules = bucket.get("LifecycleConfiguration", {}).get("Rules", [])
    return [rule["Fn::If"][1] if "Fn::If" in rule else rule for rule in rules]


def keeping_broken_uploads(template: Document) -> list[str]:
    return [
        name
        for name, bucket in buckets(template).items()
        if not any(
            rule["Status"] == "Enabled"
            and rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation", 99) <= 7
            and "Prefix" not in rule
            for rule in rules_of(bucket)
        )
    ]


def expiring_clips(template: Document) -> list[str]:
    """Only pinned images, thumbnails and what is no video are ever deleted by themselves.

    Dropped files are where somebody has said so.
    """
    said = {"Fn::If": ["ExpiresInbox", DROPS, {"Ref": "AWS::NoValue"}]}
    passing = ("sources/", "thumbnails/", "quarantine/")
    return [
        f"{name}: {rule['Id']}"
        for name, bucket in buckets(template).items()
        for given in bucket["LifecycleConfiguration"]["Rules"]
        if given != said
        for rule in rules_of({"LifecycleConfiguration": {"Rules": [given]}})
        if {"ExpirationInDays", "ExpirationDate"} & set(rule) and rule.get("Prefix") not in passing
    ]


def lost_with_the_stack(template: Document) -> list[str]:
    return [
        name
        for kind in DATA
        for name, resource in resources(template, kind).items()
        if name != PAGE_KEY
        if resource.get("DeletionPolicy") not in ("Retain", "RetainExceptOnCreate")
        or resource.get("UpdateReplacePolicy") != "Retain"
    ]


def telling_of_clips(template: Document) -> list[str]:
    """A clip can start nothing; what comes into the inbox goes to EventBridge and nowhere else."""
    told = {
        name: bucket["NotificationConfiguration"]
        for name, bucket in buckets(template).items()
        if "NotificationConfiguration" in bucket
    }
    expected = {"InboxBucket": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}}
    return [] if told == expected else [str(told)]


def keeping_what_nobody_needs(template: Document) -> list[str]:
    tables = properties(template, "AWS::DynamoDB::Table")
    wanted = {"AttributeName": "expires_at", "Enabled": True}
    return [
        name for name, table in tables.items() if table.get("TimeToLiveSpecification") != wanted
    ]


def without_a_way_back(template: Document) -> list[str]:
    tables = properties(template, "AWS::DynamoDB::Table")
    return [
        name
        for name, table in tables.items()
        if table.get("PointInTimeRecoverySpecification") != {"PointInTimeRecoveryEnabled": True}
    ]


INBOX = ("Resources", "InboxBucket", "Properties")
CLIPS = ("Resources", "ClipsBucket", "Properties")
TABLE = ("Resources", "LedgerTable")
TLS = ("Resources", "ClipsBucketPolicy", "Properties", "PolicyDocument", "Statement", 0)
SPOILT: list[tuple[Rule, tuple[str | int, ...], Any]] = [
    (public, (*INBOX, "PublicAccessBlockConfiguration", "BlockPublicPolicy"), False),
    (public, (*CLIPS, "PublicAccessBlockConfiguration"), GONE),
    (public, (*CLIPS, "OwnershipControls"), GONE),
    (unencrypted, (*CLIPS, "BucketEncryption"), GONE),
    (unencrypted, (*TABLE, "Properties", "SSESpecification"), GONE),
    (unencrypted, ("Resources", "IngestQueue", "Properties", "SqsManagedSseEnabled"), False),
    (without_tls_only, ("Resources", "InboxBucketPolicy"), GONE),
    (without_tls_only, (*TLS, "Effect"), "Allow"),
    (without_tls_only, (*TLS, "Resource"), [{"Fn::GetAtt": ["ClipsBucket", "Arn"]}]),
    (without_tls_only, (*TLS, "Condition"), {"Bool": {"aws:SecureTransport": "true"}}),
    (keeping_broken_uploads, (*INBOX, "LifecycleConfiguration"), GONE),
    (keeping_broken_uploads, (*CLIPS, "LifecycleConfiguration", "Rules", 1, "Status"), "Disabled"),
    (keeping_broken_uploads, (*CLIPS, "LifecycleConfiguration", "Rules", 1, "Prefix"), "a/"),
    (expiring_clips, (*CLIPS, "LifecycleConfiguration", "Rules", 0, "Prefix"), "clips/"),
    (expiring_clips, (*INBOX, "LifecycleConfiguration", "Rules", 0, "ExpirationInDays"), 1),
    (expiring_clips, (*INBOX, "LifecycleConfiguration", "Rules", 1), DROPS),
    (lost_with_the_stack, (*TABLE, "DeletionPolicy"), "Delete"),
    (lost_with_the_stack, (*TABLE, "UpdateReplacePolicy"), GONE),
    (lost_with_the_stack, ("Resources", "ClipsBucket", "DeletionPolicy"), GONE),
    (lost_with_the_stack, ("Resources", "ProviderKeysSecret", "DeletionPolicy"), GONE),
    (telling_of_clips, (*CLIPS, "NotificationConfiguration"), {"TopicConfigurations": []}),
    (telling_of_clips, (*INBOX, "NotificationConfiguration", "LambdaConfigurations"), [{}]),
    (
        keeping_what_nobody_needs,
        (*TABLE, "Properties", "TimeToLiveSpecification", "Enabled"),
        False,
    ),
    (without_a_way_back, (*TABLE, "Properties", "PointInTimeRecoverySpecification"), GONE),
]


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, *_ in SPOILT))
def test_storage_breaks_no_rule(template: Document, rule: Rule) -> None:
    assert rule(template) == []


@pytest.mark.parametrize(("rule", "path", "to"), SPOILT)
def test_storage_that_breaks_a_rule_is_found(
    rule: Rule, path: tuple[str | int, ...], to: Any
) -> None:
    assert rule(spoilt(load(), *path, to=to)) != []


def test_there_are_two_buckets_a_table_and_a_secret(template: Document) -> None:
    kept = [name for kind in DATA for name in resources(template, kind)]
    assert kept == ["InboxBucket", "ClipsBucket", "LedgerTable", "ProviderKeysSecret", PAGE_KEY]


def test_tls_is_required_by_default(template: Document) -> None:
    assert template["Parameters"]["RequireHttps"]["Default"] == "true"
    policies = resources(template, "AWS::S3::BucketPolicy")
    assert {policy["Condition"] for policy in policies.values()} == {"RequiresHttps"}


def test_the_table_has_the_keys_that_the_ledger_uses(template: Document) -> None:
    table = template["Resources"]["LedgerTable"]["Properties"]
    keys = [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]]
    assert keys == [("pk", "HASH"), ("sk", "RANGE")]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    unsettled, newest, folders = table["GlobalSecondaryIndexes"]
    keys = [(key["AttributeName"], key["KeyType"]) for key in unsettled["KeySchema"]]
    assert keys == [(UNSETTLED_INDEX, "HASH"), ("created_at", "RANGE")]
    assert unsettled["IndexName"] == UNSETTLED_INDEX
    keys = [(key["AttributeName"], key["KeyType"]) for key in newest["KeySchema"]]
    assert keys == [("month", "HASH"), ("created_at", "RANGE")]
    assert newest["IndexName"] == NEWEST_INDEX
    assert newest["Projection"]["NonKeyAttributes"] == [*SUMMARY_FIELDS]
    assert folders["IndexName"] == FOLDERS_INDEX
    keys = [(key["AttributeName"], key["KeyType"]) for key in folders["KeySchema"]]
    assert keys == [("folder_id", "HASH"), ("listed_as", "RANGE")]
    assert folders["Projection"] == {"ProjectionType": "ALL"}
