"""The stand-ins for AWS do what moto does, call by call, and refuse what AWS refuses."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from typing import Any, cast

import pytest
from boto3.dynamodb.conditions import Attr, ConditionBase
from botocore.exceptions import ClientError
from moto import mock_aws

from dropreel.clips.upload import upload_clip
from dropreel.errors import ConditionFailedError
from dropreel.ledger.table import Delete, Table, Update, plain
from local.faults.dynamo import Dynamo
from local.faults.s3 import S3
from local.faults.services import MACHINE, Execution, StepFunctions
from local.faults.taps import Tap
from local.faults.wire import Wire
from tests.support.aws import Aws, resources

KEYS = ("JOB#1", "JOB#2", "BUDGET#2026-11", "LINE#a 2", "LINE#a 1")
# Made of the state that the job "was" in.
CONDITIONS: tuple[Callable[[str], ConditionBase | None], ...] = (
    lambda _: None,
    lambda _: Attr("pk").not_exists(),
    lambda _: Attr("pk").exists(),
    lambda was: Attr("state").eq(was),
    lambda was: Attr("state").eq(was) & Attr("run").eq(1),
    lambda _: Attr("usd").not_exists() | Attr("usd").lte(2),
    lambda was: (
        Attr("told").not_exists()
        & (Attr("pk").not_exists() | Attr("state").eq(was) | Attr("run").lt(1))
    ),
    lambda _: Attr("run").ne(1),
    lambda _: Attr("usd").gte(2) & Attr("run").gt(1),
)


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with mock_aws():
        yield resources()


@dataclass
class Dice:
    """Random requests, the same ones from the same seed."""

    random: random.Random

    def update(self) -> Update:
        sets: dict[str, Any] = {}
        if self.random.random() < 0.7:
            sets["state"] = self.random.choice(["claimed", "submitting"])
        if self.random.random() < 0.4:
            sets["unsettled"] = "yes"
            sets["created_at"] = f"2026-11-{self.random.randint(1, 28)}"
        adds: dict[str, Any] = {}
        if self.random.random() < 0.5 or not sets:
            adds["usd"] = self.random.choice([1, 2, -1])
        removes = [] if "unsettled" in sets else self.random.choice([[], ["unsettled"], ["told"]])
        return Update(self.key(), sets, adds, removes, self.condition())

    def key(self) -> str:
        return self.random.choice(KEYS)

    def condition(self) -> ConditionBase | None:
        return self.random.choice(CONDITIONS)(self.random.choice(["claimed", "submitting"]))

    def item(self) -> dict[str, Any]:
        item: dict[str, Any] = {"state": "claimed", "run": self.random.randint(0, 2)}
        if self.random.random() < 0.5:
            item |= {"told": "now", "unsettled": "yes", "created_at": "2026-11-20"}
        return item


def outcome(call: Callable[[], Any]) -> Any:
    """What a call comes to: its answer, or why it was refused."""
    try:
        return call()
    except ConditionFailedError as failed:
        return "refused", failed.index, failed.item
    except ClientError as error:
        return error.response["Error"].get("Code")


def both(dice: Dice, *tables: Table) -> list[Any]:
    """The same random request to all tables."""
    kinds = ["update", "update", "write_all", "put", "get", "query", "query_index"]
    kind = dice.random.choice(kinds)
    if kind == "update":
        update = dice.update()
        return [outcome(partial(table.update, update)) for table in tables]
    if kind == "write_all":
        first, second, third = dice.random.sample(KEYS, 3)
        writes: list[Update | Delete] = [
            Update(key, adds={"usd": 1}, condition=dice.condition()) for key in (first, second)
        ]
        if dice.random.random() < 0.5:
            writes.append(Delete(third))
        return [outcome(partial(table.write_all, writes)) for table in tables]
    if kind == "put":
        key, item, condition = dice.key(), dice.item(), dice.condition()
        return [outcome(partial(table.put, key, item, condition)) for table in tables]
    if kind == "get":
        key = dice.key()
        return [table.get(key) for table in tables]
    if kind == "query":
        most = dice.random.choice([None, 1, 2])
        return [(table.query("LINE#a", most), table.count("LINE#a")) for table in tables]
    found = [table.query_index("unsettled", "unsettled", "yes") for table in tables]
    # Items of the same time come in any order.
    return [sorted(item["created_at"] for item in items) for items in found]


@pytest.mark.parametrize("seed", range(4))
def test_the_table_does_what_moto_does(aws: Aws, seed: int) -> None:
    client = aws.table._client
    for key in KEYS:
        pk, _, sk = key.partition(" ")
        sk = sk or pk.partition("#")[0]
        client.delete_item(TableName="ledger", Key={"pk": {"S": pk}, "sk": {"S": sk}})
    dynamo = Dynamo()
    ours = Table(dynamo, "ledger")  # type: ignore[arg-type]
    dice = Dice(random.Random(seed))  # noqa: S311 - requests, not secrets
    for number in range(90):
        first, second = both(dice, aws.table, ours)
        assert first == second, (seed, number)
    for key in KEYS:
        assert aws.table.get(key) == ours.get(key)


def test_a_refused_condition_shows_what_lies_there() -> None:
    table = Table(Dynamo(), "ledger")  # type: ignore[arg-type]
    table.put_new("JOB#1", {"state": "claimed"})
    moves = [
        Update("BUDGET#1", adds={"usd": 1}),
        Update("JOB#1", {"state": "x"}, condition=Attr("state").eq("ready")),
    ]
    with pytest.raises(ConditionFailedError) as refused:
        table.write_all(moves)
    assert (refused.value.index, refused.value.item["state"]) == (1, "claimed")
    assert table.get("BUDGET#1") is None


def test_a_transaction_with_a_known_token_is_not_done_twice() -> None:
    dynamo = Dynamo()
    part = {"Update": Update("BUDGET#1", adds={"usd": 1}).request("ledger")}
    for _ in range(2):
        dynamo.transact_write_items(TransactItems=[part], ClientRequestToken="one")
    assert plain(dynamo.items()["BUDGET#1"])["usd"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"ExpressionAttributeValues": {":usd": {"N": "1"}, ":unused": {"S": "x"}}},
        {"ExpressionAttributeNames": {"#usd": "usd", "#unused": "x"}},
        {"ExpressionAttributeNames": {}},
        {"UpdateExpression": "ADD #usd :usd, #usd :usd"},
        {"UpdateExpression": "SET #usd"},
        {"UpdateExpression": ""},
        {"ConditionExpression": "#usd ~ :usd"},
        {"ConditionExpression": "attribute_exists(#usd"},
        {"ConditionExpression": "#usd = :usd) OR (#usd = :usd"},
        {"TableName": "another"},
    ],
)
def test_what_is_no_proper_request_is_an_error(change: dict[str, Any]) -> None:
    request = Update("BUDGET#1", adds={"usd": 1}).request("ledger")
    with pytest.raises(ClientError, match="ValidationException"):
        Dynamo().update_item(**{**request, **change})


def test_one_item_may_be_in_one_part_of_a_transaction_only() -> None:
    part = {"Update": Update("BUDGET#1", adds={"usd": 1}).request("ledger")}
    with pytest.raises(ClientError, match="ValidationException"):
        Dynamo().transact_write_items(TransactItems=[part, part])


@pytest.mark.parametrize("part", [{"Put": {}}, {"Delete": {}, "Update": {}}])
def test_parts_that_nobody_uses_are_no_part_of_a_transaction(part: dict[str, Any]) -> None:
    with pytest.raises((ClientError, ValueError)):
        Dynamo().transact_write_items(TransactItems=[part])


@pytest.mark.parametrize(
    "change",
    [
        {"ConsistentRead": False},
        {"KeyConditionExpression": "sk = :pk"},
        {"ExpressionAttributeValues": {":pk": {"S": "LINE#a"}, ":unused": {"S": "x"}}},
    ],
)
def test_a_line_is_read_as_the_slots_read_it(change: dict[str, Any]) -> None:
    request: dict[str, Any] = {
        "TableName": "ledger",
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "LINE#a"}},
        "ConsistentRead": True,
    }
    assert Dynamo().query(**request) == {"Count": 0, "Items": []}
    with pytest.raises(ClientError, match="ValidationException"):
        Dynamo().query(**{**request, **change})


def test_text_is_no_number_to_add_to() -> None:
    table = Table(Dynamo(), "ledger")  # type: ignore[arg-type]
    table.put_new("BUDGET#1", {"usd": "one"})
    with pytest.raises(ClientError, match="not a number"):
        table.update(Update("BUDGET#1", adds={"usd": 1}))


# --- S3 ----------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
ETAG = '"5d41402abc4b2a76b9719d911017c592"'  # of "hello"
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("head_object", {"Key": "a/photo.jpg"}),
    ("head_object", {"Key": "gone"}),
    ("get_object", {"Key": "a/photo.jpg"}),
    ("get_object", {"Key": "a/photo.jpg", "Range": "bytes=1-3"}),
    ("get_object", {"Key": "a/photo.jpg", "Range": "bytes=0-999"}),
    ("get_object", {"Key": "a/photo.jpg", "IfMatch": ETAG}),
    ("get_object", {"Key": "a/photo.jpg", "IfMatch": '"other"'}),
    ("get_object", {"Key": "gone"}),
    ("list_objects_v2", {"Prefix": "a/"}),
    ("list_objects_v2", {"Prefix": "b/"}),
    ("copy_object", {"Key": "sources/1.jpg", "CopySourceIfMatch": ETAG}),
]


def test_buckets_do_what_moto_does(aws: Aws) -> None:
    ours = S3(lambda: NOW)
    for client in (aws.s3, ours):
        client.put_object(
            Bucket="inbox", Key="a/photo.jpg", Body=BytesIO(b"hello"), Metadata={"prompt": "x"}
        )
    for name, given in CALLS:
        request = {"Bucket": "inbox", **given}
        if name == "copy_object":
            request["CopySource"] = {"Bucket": "inbox", "Key": "a/photo.jpg"}
            request |= {"ContentType": "image/jpeg", "MetadataDirective": "REPLACE"}
            request |= {"TaggingDirective": "REPLACE"}
        found = [shown(client, name, request) for client in (aws.s3, ours)]
        assert found[0] == found[1], (name, given)


def shown(client: Any, name: str, request: dict[str, Any]) -> Any:
    """What the functions look at in an answer."""
    answer = outcome(lambda: getattr(client, name)(**request))
    if not isinstance(answer, dict):
        return answer
    if "Body" in answer:
        return answer["ETag"], answer["Body"].read()
    listed = [item["Key"] for item in answer.get("Contents", [])]
    return listed, answer.get("ETag"), answer.get("ContentLength"), answer.get("Metadata")


@dataclass
class Passing:
    """A wire that lets every call through and notes it."""

    calls: list[str] = field(default_factory=list)

    def call(self, label: str, do: Callable[[], Any], _: object) -> Any:
        self.calls.append(label)
        return do()


def test_an_upload_is_the_one_call_that_boto3_makes_of_a_small_file(aws: Aws) -> None:
    ours, wire = S3(lambda: NOW), Passing()
    tap: Any = Tap(ours, "s3", cast("Wire", wire))
    for client in (aws.s3, tap):
        upload_clip(client, "clips", "clips/a.mp4", [b"he", b"llo"], {"job-id": "j1"})
    for call in ("head_object", "get_object"):
        request = {"Bucket": "clips", "Key": "clips/a.mp4"}
        assert shown(aws.s3, call, request) == shown(ours, call, request)
    assert wire.calls == ["s3.put_object"]


def test_a_copy_of_another_version_is_refused() -> None:
    """As AWS does it; moto copies whatever lies there."""
    s3 = S3(lambda: NOW)
    s3.put_object(Bucket="inbox", Key="a/photo.jpg", Body=b"hello")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.copy_object(
            Bucket="clips",
            Key="sources/1.jpg",
            CopySource={"Bucket": "inbox", "Key": "a/photo.jpg"},
            CopySourceIfMatch='"other"',
            ContentType="image/jpeg",
            MetadataDirective="REPLACE",
            TaggingDirective="REPLACE",
        )
    assert s3.keys("clips") == []


def test_a_presigned_address_ends() -> None:
    times = [NOW, NOW, NOW + timedelta(minutes=9), NOW + timedelta(minutes=11)]
    s3 = S3(lambda: times.pop(0))
    s3.put_object(Bucket="clips", Key="sources/1 ä.jpg", Body=b"picture")
    url = s3.generate_presigned_url(
        "get_object", {"Bucket": "clips", "Key": "sources/1 ä.jpg"}, 600
    )
    assert s3.fetch(url) == b"picture"
    assert s3.fetch(url) is None


# --- Step Functions ----------------------------------------------------------------------------


def test_a_name_is_one_execution_until_ninety_days_after_its_end() -> None:
    clock = [NOW]
    started: list[Execution] = []
    steps = StepFunctions(lambda: clock[0], started.append)

    def start(given: str = "{}") -> str:
        answer = outcome(
            lambda: steps.start_execution(stateMachineArn=MACHINE, name="photo", input=given)
        )
        return str(answer if isinstance(answer, str) else answer["executionArn"])

    first = start()
    assert start() == first  # still running, and the same input
    assert start('{"another": 1}') == "ExecutionAlreadyExists"
    started[0].status, started[0].ended_at = "SUCCEEDED", NOW
    assert start() == "ExecutionAlreadyExists"
    clock[0] += timedelta(days=91)
    assert start() == first
    assert len(started) == 2
    unknown = outcome(lambda: steps.describe_execution(executionArn=f"{first}-unknown"))
    assert unknown == "ExecutionDoesNotExist"


def test_a_token_is_heard_once() -> None:
    steps = StepFunctions(lambda: NOW, lambda _: None)
    heard: list[Any] = []
    token, closed = steps.begin_task(heard.append), steps.begin_task(heard.append)
    steps.end_task(closed)

    def send(given: str) -> Any:
        return outcome(lambda: steps.send_task_success(taskToken=given, output='{"ask_at": 1}'))

    assert send(token) == {}
    assert heard == [{"ask_at": 1}]
    assert send(token) == send(closed) == "TaskTimedOut"
    assert send(f"{token}7") == "TaskDoesNotExist"
    assert send("made up") == "InvalidToken"
    assert heard == [{"ask_at": 1}]
