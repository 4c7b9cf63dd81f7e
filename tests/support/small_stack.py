"""A small stack that retains what dropreel retains, and what is left of it."""

from __future__ import annotations

import json
from typing import Any

from local.deploy import removal
from local.embedded_aws import REGION, Endpoint

NAME = "small"


HERE = {"STACK": NAME, "REGION": REGION}


RETAIN = {"DeletionPolicy": "RetainExceptOnCreate"}


# What dropreel retains, a workflow that waits, and a parameter that something depends on.
SMALL: dict[str, dict[str, Any]] = {
    "Parameters": {
        "DailyCapUsd": {"Type": "String", "Default": "25"},
        "JobCapUsd": {"Type": "String", "Default": "5"},
    },
    "Resources": {
        "InboxBucket": {"Type": "AWS::S3::Bucket", **RETAIN},
        "ClipsBucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {"VersioningConfiguration": {"Status": "Enabled"}},
            **RETAIN,
        },
        "LedgerTable": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            },
            **RETAIN,
        },
        "ProviderKeysSecret": {
            "Type": "AWS::SecretsManager::Secret",
            "Properties": {"SecretString": "{}"},
            **RETAIN,
        },
        "CapQueue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {"DelaySeconds": {"Ref": "DailyCapUsd"}},
        },
        "RenderStateMachine": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "RoleArn": "arn:aws:iam::000000000000:role/any",
                "DefinitionString": json.dumps(
                    {
                        "StartAt": "Wait",
                        "States": {"Wait": {"Type": "Wait", "Seconds": 9999, "End": True}},
                    }
                ),
            },
        },
    },
    "Outputs": {
        "InboxBucketName": {"Value": {"Ref": "InboxBucket"}},
        "InboxBucketUrl": {"Value": "https://inbox"},
        "ClipsBucketUrl": {"Value": "https://clips"},
        "DashboardUrl": {"Value": "https://dashboard"},
        "ProviderKeysSecretArn": {"Value": {"Ref": "ProviderKeysSecret"}},
        "ProviderKeysSecretUrl": {"Value": "https://secret"},
    },
}


def statuses(aws: Endpoint, executions: list[str]) -> set[str]:
    states = aws.client("stepfunctions")
    return {states.describe_execution(executionArn=one)["status"] for one in executions}


def left(aws: Endpoint, ids: dict[str, str]) -> set[str]:
    """Which of the resources that a stack retains are still there."""
    buckets = {b["Name"] for b in aws.client("s3").list_buckets()["Buckets"]}
    tables = set(aws.client("dynamodb").list_tables()["TableNames"])
    listed = aws.client("secretsmanager").list_secrets()["SecretList"]
    secrets = {secret[key] for secret in listed for key in ("ARN", "Name")}
    return {name for name in removal.RETAINED if ids[name] in buckets | tables | secrets}
