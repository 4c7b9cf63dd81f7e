"""The ledger's table in moto, with the keys and indexes of the template's."""

from __future__ import annotations

from typing import Any

from dropreel.ledger.jobs import SUMMARY_FIELDS

FOLDER_KEYS = ("folder_id", "listed_as")


def create_table(dynamodb: Any) -> None:
    dynamodb.create_table(
        TableName="ledger",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"}
            for name in (*("pk", "sk", "unsettled", "month", "created_at"), *FOLDER_KEYS)
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "unsettled",
                "KeySchema": [
                    {"AttributeName": "unsettled", "KeyType": "HASH"},
                    {"AttributeName": "created_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            },
            {
                "IndexName": "newest",
                "KeySchema": [
                    {"AttributeName": "month", "KeyType": "HASH"},
                    {"AttributeName": "created_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": [*SUMMARY_FIELDS]},
            },
            {
                "IndexName": "folders",
                "KeySchema": [
                    {"AttributeName": name, "KeyType": kind}
                    for name, kind in zip(FOLDER_KEYS, ("HASH", "RANGE"), strict=True)
                ],
                "Projection": {"ProjectionType": "ALL"},
            },
        ],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
    )
