"""The ledger's DynamoDB table: conditional writes and plain Python values.

Every read and write of the table goes through here. The modules that own items name their keys:
`jobs`, `budget`, `breaker`, `slots`, `runtimes`, `pause`, and in `mail/` `once` and `digest`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from decimal import Decimal
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from boto3.dynamodb.conditions import Attr, ConditionBase, ConditionExpressionBuilder
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from dropreel.errors import ConditionFailedError, ContentionError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]
Answer = TypeVar("Answer")
_CONFLICT_TRIES = 12


@dataclass(frozen=True, slots=True)
class Update:
    """One update: `sets` and `adds` by attribute, `removes` by name, all if `condition` holds."""

    key: str
    sets: Mapping[str, Any] = field(default_factory=dict)
    adds: Mapping[str, Decimal | int] = field(default_factory=dict)
    removes: Sequence[str] = ()
    condition: ConditionBase | None = None

    def request(self, table: str) -> dict[str, Any]:
        clauses = [
            _clause("SET", (f"#{name} = :{name}" for name in self.sets)),
            _clause("ADD", (f"#{name} :{name}" for name in self.adds)),
            _clause("REMOVE", (f"#{name}" for name in self.removes)),
        ]
        names = {f"#{name}": name for name in (*self.sets, *self.adds, *self.removes)}
        values = {f":{name}": value for name, value in {**self.sets, **self.adds}.items()}
        return {
            "TableName": table,
            "Key": _key(self.key),
            "UpdateExpression": " ".join(clause for clause in clauses if clause),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **_expression(self.condition, names, values),
        }


@dataclass(frozen=True, slots=True)
class Put:
    """A whole item, written over what lies there if `condition` holds."""

    key: str
    item: Mapping[str, Any]
    condition: ConditionBase

    def request(self, table: str) -> dict[str, Any]:
        stored = {name: _stored(value) for name, value in self.item.items()}
        return {
            "TableName": table,
            "Item": {**stored, **_key(self.key)},
            **_expression(self.condition, {}, {}),
        }


@dataclass(frozen=True, slots=True)
class Delete:
    """The deletion of an item that must be there."""

    key: str


@dataclass(frozen=True, slots=True)
class Check:
    """A condition on an item that a transaction leaves as it is; the item may be missing."""

    key: str
    condition: ConditionBase


Write = Update | Put | Delete | Check


class Table:
    """One table with the keys `pk` and `sk`.

    A key is both, with a blank between them; where the second is missing it is the item's kind,
    which is what the first begins with: `JOB#1` is short for `JOB#1 JOB`.
    """

    def __init__(
        self, client: DynamoDBClient, name: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._name = name
        self._sleep = sleep

    def get(self, key: str) -> Item | None:
        answer = self._client.get_item(TableName=self._name, Key=_key(key), ConsistentRead=True)
        return plain(answer["Item"]) if "Item" in answer else None

    def put(
        self,
        key: str,
        item: Mapping[str, Any],
        condition: ConditionBase | None = None,
    ) -> bool:
        """Write `item` over what lies there if `condition` holds. Returns whether it did."""
        stored = {name: _stored(value) for name, value in item.items()}
        whole = {**stored, **_key(key)}
        request = _expression(condition, {}, {})
        try:
            self._persist(
                lambda: self._client.put_item(TableName=self._name, Item=whole, **request)
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def update(self, update: Update) -> Item:
        """Returns the whole item after the update; raises ConditionFailedError."""
        request = update.request(self._name)
        try:
            answer = self._persist(
                lambda: self._client.update_item(**request, ReturnValues="ALL_NEW")
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            found: Mapping[str, Any] = error.response
            raise ConditionFailedError(0, plain(found.get("Item", {}))) from None
        return plain(answer["Attributes"])

    def write_all(self, writes: Sequence[Write]) -> None:
        """All writes or none; raises ConditionFailedError for the first that may not be."""
        requests: Any = [self._request(write) for write in writes]
        self._persist(lambda: self._client.transact_write_items(TransactItems=requests))

    def _persist(self, write: Callable[[], Answer]) -> Answer:
        """Write again when the same item was just being written by a transaction of others."""
        known = self._client.exceptions
        for attempt in range(_CONFLICT_TRIES):
            try:
                return write()
            except (
                known.TransactionConflictException,
                known.TransactionCanceledException,
            ) as error:
                # A failed condition is final; everything else was a conflict and may be repeated.
                _raise_condition(error.response)
                # Not jitter for secrets, only so that writers do not meet again.
                self._sleep(random.uniform(0, 0.02 * 2 ** min(attempt, 6)))  # noqa: S311
        raise ContentionError("the ledger is busy")

    def _request(self, write: Write) -> dict[str, Any]:
        match write:
            case Update():
                return {"Update": write.request(self._name)}
            case Put():
                return {"Put": write.request(self._name)}
            case Check(key, condition):
                return {"ConditionCheck": self._conditioned(key, condition)}
            case Delete(key):
                return {"Delete": self._conditioned(key, Attr("pk").exists())}

    def _conditioned(self, key: str, condition: ConditionBase) -> dict[str, Any]:
        return {"TableName": self._name, "Key": _key(key), **_expression(condition, {}, {})}

    def query(self, pk: str, most: int | None = None) -> list[Item]:
        """The items under one first key, in order of the second; at most the first `most`."""
        limit: dict[str, Any] = {"Limit": most} if most else {}
        pages = self._client.get_paginator("query").paginate(**self._under(pk), **limit)
        items = (plain(item) for page in pages for item in page["Items"])
        return list(islice(items, most))

    def count(self, pk: str) -> int:
        """How many items there are under one first key."""
        pages = self._client.get_paginator("query").paginate(**self._under(pk), Select="COUNT")
        return sum(page["Count"] for page in pages)

    def _under(self, pk: str) -> dict[str, Any]:
        return {
            "TableName": self._name,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": pk}},
            "ConsistentRead": True,
        }

    def query_index(
        self,
        index: str,
        attribute: str,
        value: str,
        *,
        newest_first: bool = False,
        begins: tuple[str, str] | None = None,
    ) -> Iterator[Item]:
        """The items of an index, oldest first unless asked (as far as the index knows).

        `begins`: the name of the index's second key, and what it has to begin with.
        """
        names, values, test = {"#a": attribute}, {":v": {"S": value}}, "#a = :v"
        if begins:
            names["#b"], values[":b"] = begins[0], {"S": begins[1]}
            test += " AND begins_with(#b, :b)"
        order: dict[str, Any] = {"ScanIndexForward": False} if newest_first else {}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            IndexName=index,
            KeyConditionExpression=test,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            **order,
        )
        for page in pages:
            yield from (plain(item) for item in page["Items"])


def _raise_condition(response: Mapping[str, Any]) -> None:
    for index, reason in enumerate(response.get("CancellationReasons", [])):
        if reason.get("Code") == "ConditionalCheckFailed":
            raise ConditionFailedError(index, plain(reason.get("Item", {}))) from None


def _clause(verb: str, parts: Any) -> str:
    text = ", ".join(parts)
    return f"{verb} {text}" if text else ""


def _expression(
    condition: ConditionBase | None, names: dict[str, str], values: dict[str, Any]
) -> dict[str, Any]:
    """The condition's part of a request, with all names and values that the request uses."""
    request: dict[str, Any] = {}
    if condition:
        built = ConditionExpressionBuilder().build_expression(condition)
        request["ConditionExpression"] = built.condition_expression
        names = {**names, **built.attribute_name_placeholders}
        values = {**values, **built.attribute_value_placeholders}
    if names:
        request["ExpressionAttributeNames"] = names
    if values:
        request["ExpressionAttributeValues"] = {n: _stored(value) for n, value in values.items()}
    return request


def _key(key: str) -> dict[str, Any]:
    pk, _, sk = key.partition(" ")
    return {"pk": {"S": pk}, "sk": {"S": sk or pk.partition("#")[0]}}


def _stored(value: Any) -> Any:
    return TypeSerializer().serialize(_storable(value))


def _storable(value: Any) -> Any:
    """DynamoDB knows no floats, enums, tuples or our own types."""
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [_storable(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _storable(item) for name, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return _storable(asdict(value))
    return value


def plain(stored: Mapping[str, Any]) -> Item:
    """Python values of a stored item; names ending in `_usd` are money and stay Decimal."""
    deserialize = TypeDeserializer().deserialize
    return {name: _unstored(name, deserialize(value)) for name, value in stored.items()}


def _unstored(name: str, value: Any) -> Any:
    if isinstance(value, Decimal):
        return value if name.endswith("_usd") else _number(value)
    if isinstance(value, list):
        return tuple(_unstored(name, item) for item in value)
    if isinstance(value, dict):
        return {inner: _unstored(inner, item) for inner, item in value.items()}
    return value


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
