"""The stand-in for DynamoDB does what moto does, call by call, and refuses what AWS refuses."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import pytest
from boto3.dynamodb.conditions import Attr, ConditionBase
from botocore.exceptions import ClientError

from dropreel.errors import ConditionFailedError
from dropreel.ledger.table import Check, Delete, Put, Table, Update, plain
from local.faults.dynamo import Dynamo
from tests.support.aws import Aws
from tests.support.stand_ins import outcome

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
    lambda was: Attr("state").contains(was[2:6]),
    lambda _: Attr("money").not_exists() | Attr("money").eq({"usd": 1, "day": "2026-11-20"}),
    lambda _: Attr("usd").gte(2) & Attr("run").gt(1),
)


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
            item |= {"money": {"usd": self.random.randint(0, 1), "day": "2026-11-20"}}
        if self.random.random() < 0.5:
            item |= {"told": "now", "unsettled": "yes", "created_at": "2026-11-20"}
        if self.random.random() < 0.7:
            image = self.random.choice("xy")
            item |= {"folder_id": "f", "listed_as": f"{image}#{self.random.randint(1, 99)}"}
        if self.random.random() < 0.7:
            day = self.random.randint(1, 28)
            item |= {"month": "2026-11", "created_at": f"2026-11-{day:02}", "job_id": "1"}
        return item


def both(dice: Dice, *tables: Table) -> list[Any]:
    """The same random request to all tables."""
    kinds = [
        *("update", "update", "write_all", "put", "get", "query"),
        *("query_index", "folder", "newest"),
    ]
    kind = dice.random.choice(kinds)
    if kind == "update":
        update = dice.update()
        return [outcome(partial(table.update, update)) for table in tables]
    if kind == "write_all":
        first, second, third = dice.random.sample(KEYS, 3)
        writes: list[Update | Put | Delete] = [
            Update(key, adds={"usd": 1}, condition=dice.condition()) for key in (first, second)
        ]
        if dice.random.random() < 0.5:
            writes.append(Delete(third))
        elif condition := dice.condition():
            writes.append(Put(third, dice.item(), condition))
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
    if kind == "folder":
        begins = dice.random.choice([None, ("listed_as", "x#")])
        asked: dict[str, Any] = {"newest_first": dice.random.random() < 0.5, "begins": begins}
        listed = [table.query_index("folders", "folder_id", "f", **asked) for table in tables]
        return [[item["listed_as"] for item in items] for items in listed]
    if kind == "newest":
        asked = {"newest_first": dice.random.random() < 0.5}
        listed = [table.query_index("newest", "month", "2026-11", **asked) for table in tables]
        return [in_order(list(items)) for items in listed]
    found = [table.query_index("unsettled", "unsettled", "yes") for table in tables]
    # Items of the same time come in any order.
    return [sorted(item["created_at"] for item in items) for items in found]


def in_order(items: list[dict[str, Any]]) -> Any:
    """What an index showed, and when; items of the same time come in any order."""
    return [item["created_at"] for item in items], sorted(items, key=lambda item: str(item["pk"]))


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


def test_a_refused_condition_returns_the_stored_item() -> None:
    table = Table(Dynamo(), "ledger")  # type: ignore[arg-type]
    table.put("JOB#1", {"state": "claimed"})
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
def test_a_malformed_request_is_an_error(change: dict[str, Any]) -> None:
    request = Update("BUDGET#1", adds={"usd": 1}).request("ledger")
    with pytest.raises(ClientError, match="ValidationException"):
        Dynamo().update_item(**{**request, **change})


def test_one_item_may_be_in_one_part_of_a_transaction_only() -> None:
    part = {"Update": Update("BUDGET#1", adds={"usd": 1}).request("ledger")}
    with pytest.raises(ClientError, match="ValidationException"):
        Dynamo().transact_write_items(TransactItems=[part, part])


def test_a_check_in_a_transaction_changes_nothing_and_may_fail_it() -> None:
    stand_in = Dynamo()
    table = Table(cast("Any", stand_in), "ledger")
    pause, write = Check("PAUSE#orders", Attr("since").not_exists()), Update("A#1", sets={"n": 1})
    table.write_all([write, pause])
    assert set(stand_in.items()) == {"A#1"}
    table.put("PAUSE#orders", {"since": 1})
    with pytest.raises(ConditionFailedError) as failed:
        table.write_all([Update("A#1", sets={"n": 2}), pause])
    assert (failed.value.index, table.get("A#1")) == (1, {"pk": "A#1", "sk": "A", "n": 1})


@pytest.mark.parametrize("part", [{"Replace": {}}, {"Delete": {}, "Update": {}}])
def test_a_transaction_takes_only_the_kinds_of_parts_that_dropreel_uses(
    part: dict[str, Any],
) -> None:
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
def test_a_line_can_only_be_queried_as_the_slots_query_it(change: dict[str, Any]) -> None:
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
    table.put("BUDGET#1", {"usd": "one"})
    with pytest.raises(ClientError, match="not a number"):
        table.update(Update("BUDGET#1", adds={"usd": 1}))


def test_an_index_shows_what_was_written_some_seconds_ago() -> None:
    now = [100.0]
    dynamo = Dynamo(now=lambda: now[0], lag_s=3)
    table = Table(dynamo, "ledger")  # type: ignore[arg-type]
    table.put("JOB#1", {"unsettled": "yes", "created_at": "2026"})
    seen = []
    for moment in (100.0, 102.9, 103.0):
        now[0] = moment
        seen.append(len(list(table.query_index("unsettled", "unsettled", "yes"))))
    assert seen == [0, 0, 1]
    table.update(Update("JOB#1", removes=["unsettled"]))
    assert len(list(table.query_index("unsettled", "unsettled", "yes"))) == 1
    now[0] += 3
    assert list(table.query_index("unsettled", "unsettled", "yes")) == []
