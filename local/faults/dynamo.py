"""A DynamoDB table in memory: conditions, transactions and sparse indexes, all for real.

Every call is atomic, also between threads. `tests/faults/test_stand_in_dynamo.py` compares it with
moto, call by call.
"""

# ruff: noqa: N803 - parameters have the names that boto3 gives them

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from dropreel.ledger.jobs import SUMMARY_FIELDS
from local.aws_limits import EXPRESSION_BYTES, ITEM_BYTES, TRANSACTION_BYTES, WRITES
from local.faults.expressions import (
    ExpressionError,
    Item,
    Scope,
    condition,
    placeholders,
    updated,
)

Key = tuple[str, str]
Watcher = Callable[[str, Item], None]

_ATTRIBUTES = ("pk", "sk")
# The two keys of an index, and what it holds beside these and those of the table; None: all.
_INDEXES: Mapping[str, tuple[tuple[str, str], tuple[str, ...] | None]] = {
    "unsettled": (("unsettled", "created_at"), ()),
    "newest": (("month", "created_at"), SUMMARY_FIELDS),
    "folders": (("folder_id", "listed_as"), None),
}
_KEY_CONDITIONS = {1: "#a = :v", 2: "#a = :v AND begins_with(#b, :b)"}


class ConditionNotMetError(ClientError):
    """A condition did not hold."""


class TransactionConflictError(ClientError):
    """The item was just being written by a transaction."""


class TransactionCanceledError(ClientError):
    """At least one part of a transaction could not be done; none was."""


# What one part of a transaction comes to: the item, None where it is deleted, or a refusal.
Outcome = Item | ConditionNotMetError | None
_TABLE = "ledger"


class Dynamo:
    """The table `ledger` with the keys `pk` and `sk` and its indexes, as a boto3 client.

    They show what was written at least `lag_s` seconds before `now`.
    """

    exceptions = SimpleNamespace(
        ConditionalCheckFailedException=ConditionNotMetError,
        TransactionConflictException=TransactionConflictError,
        TransactionCanceledException=TransactionCanceledError,
    )

    def __init__(self, *, now: Callable[[], float] = lambda: 0.0, lag_s: float = 0) -> None:
        self._now, self._lag_s = now, lag_s
        self._items: dict[Key, Item] = {}
        self._indexed: dict[Key, Item] = {}  # as the index knows them, which lags behind
        self._to_index: deque[tuple[float, Key, Item | None]] = deque()
        self._lock = threading.RLock()
        self._done: set[str] = set()
        self.watchers: list[Watcher] = []

    def clear(self) -> None:
        for kept in (self._items, self._indexed, self._to_index, self._done):
            kept.clear()

    def items(self, prefix: str = "") -> dict[str, Item]:
        """What lies in the table, by `pk`."""
        with self._lock:
            return {
                pk: dict(item) for (pk, _), item in self._items.items() if pk.startswith(prefix)
            }

    def listed(self, prefix: str) -> list[Item]:
        """The same where several items have one `pk`."""
        with self._lock:
            return [dict(item) for (pk, _), item in self._items.items() if pk.startswith(prefix)]

    def delete_all(self, prefix: str) -> None:
        """As an operator might, by hand."""
        with self._lock:
            for key in [key for key in self._items if key[0].startswith(prefix)]:
                del self._items[key]

    # --- the client's calls ---------------------------------------------------------------------

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool = False) -> Item:
        self._check_table(TableName)
        if not ConsistentRead:
            raise _invalid("GetItem", "the ledger is read consistently or not at all")
        with self._lock:
            item = self._items.get(_key(Key))
        return {"Item": dict(item)} if item is not None else {}

    def put_item(self, *, TableName: str, Item: Item, **request: Any) -> Item:
        self._check_table(TableName)
        with self._lock, _validated("PutItem"):
            old = self._items.get(_key(Item), {})
            self._check(old, request, request.get("ConditionExpression", ""), "PutItem")
            self._store(dict(Item))
        return {}

    def update_item(self, **request: Any) -> Item:
        returned = request.pop("ReturnValues", "NONE")
        with self._lock, _validated("UpdateItem"):
            new = self._updated(request, "UpdateItem")
            self._store(new)
        return {"Attributes": dict(new)} if returned == "ALL_NEW" else {}

    def transact_write_items(
        self, *, TransactItems: list[Item], ClientRequestToken: str = ""
    ) -> Item:
        """A token that was seen before changes nothing more: the first time has done it all."""
        parts = [_part(item) for item in TransactItems]
        if len(parts) > WRITES.most or _size(TransactItems) > TRANSACTION_BYTES.most:
            raise _invalid("TransactWriteItems", "too much in one transaction")
        keys = [
            _key(request["Item"] if "Item" in request else request["Key"]) for _, request in parts
        ]
        if len(set(keys)) < len(keys):
            raise _invalid("TransactWriteItems", "one item in two parts of a transaction")
        with self._lock, _validated("TransactWriteItems"):
            if ClientRequestToken not in self._done:
                self._write_all(parts, [self._attempt(*part) for part in parts])
            self._done |= {ClientRequestToken} - {""}
        return {}

    def query(self, *, TableName: str, **request: Any) -> Item:
        """The items under one first key in order of the second, or those of the index."""
        self._check_table(TableName)
        if "IndexName" in request:
            return self._query_index(**request)
        return self._query_keys(**request)

    def _query_keys(
        self,
        *,
        ExpressionAttributeValues: Item,
        KeyConditionExpression: str,
        ConsistentRead: bool = False,
        Select: str = "ALL_ATTRIBUTES",
        Limit: int | None = None,
    ) -> Item:
        if not ConsistentRead or KeyConditionExpression != "pk = :pk":
            raise _invalid("Query", f"{KeyConditionExpression} is not read like this")
        if set(ExpressionAttributeValues) != {":pk"}:
            raise _invalid("Query", "defined and used differ")
        wanted = ExpressionAttributeValues[":pk"]["S"]
        with self._lock:
            found = sorted(key for key in self._items if key[0] == wanted)[:Limit]
            items = [dict(self._items[key]) for key in found]
        return {"Count": len(items)} | ({} if Select == "COUNT" else {"Items": items})

    def _query_index(
        self,
        *,
        IndexName: str,
        ExpressionAttributeNames: Item,
        ExpressionAttributeValues: Item,
        KeyConditionExpression: str,
        ScanIndexForward: bool = True,
    ) -> Item:
        """What is in the sparse index, in order of its second key."""
        keys, more = _INDEXES[IndexName]
        names = tuple(ExpressionAttributeNames.values())
        if KeyConditionExpression != _KEY_CONDITIONS[len(names)] or names != keys[: len(names)]:
            raise _invalid("Query", f"{KeyConditionExpression} is no key of {IndexName}")
        wanted, begins = ExpressionAttributeValues[":v"]["S"], ""
        if len(names) > 1:
            begins = ExpressionAttributeValues[":b"]["S"]
        with self._lock:
            self._bring_index_up_to_date()
            listed = [item for item in self._indexed.values() if set(keys) <= set(item)]
        first, second = keys
        listed = [item for item in listed if item[first]["S"] == wanted]
        listed = [item for item in listed if item[second]["S"].startswith(begins)]
        listed.sort(key=lambda item: str(item[second]["S"]), reverse=not ScanIndexForward)
        held = None if more is None else (*_ATTRIBUTES, *keys, *more)
        return {
            "Items": [
                {name: item[name] for name in held or item if name in item} for item in listed
            ]
        }

    def get_paginator(self, name: str) -> SimpleNamespace:
        """All pages of an answer, which here is one."""
        return SimpleNamespace(paginate=lambda **request: [getattr(self, name)(**request)])

    # --- inside ---------------------------------------------------------------------------------

    def _write_all(self, parts: list[tuple[str, Item]], outcomes: list[Outcome]) -> None:
        reasons = [_reason(outcome) for outcome in outcomes]
        if any(reason["Code"] != "None" for reason in reasons):
            raise _cancelled(reasons)
        for (verb, request), outcome in zip(parts, outcomes, strict=True):
            if isinstance(outcome, dict):
                self._store(outcome)
            elif verb == "Delete":
                key = _key(request["Key"])
                self._items.pop(key, None)
                self._to_index.append((self._now(), key, None))

    def _bring_index_up_to_date(self) -> None:
        """Up to what was written so many seconds ago."""
        until = self._now() - self._lag_s
        while self._to_index and self._to_index[0][0] <= until:
            _, key, item = self._to_index.popleft()
            if item is None:
                self._indexed.pop(key, None)
            else:
                self._indexed[key] = item

    def _attempt(self, verb: str, request: Item) -> Outcome:
        try:
            if verb == "Update":
                return self._updated(request, "TransactWriteItems")
            self._check_table(request["TableName"])
            new = request.get("Item")
            old = self._items.get(_key(new or request["Key"]), {})
            test = request.get("ConditionExpression", "")
            self._check(old, request, test, "TransactWriteItems")
        except ConditionNotMetError as failure:
            return failure
        return dict(new) if new else None

    def _updated(self, request: Mapping[str, Any], operation: str) -> Item:
        """The item as it would be after the update."""
        self._check_table(request["TableName"])
        key = _key(request["Key"])
        old = self._items.get(key, {})
        text = request["UpdateExpression"]
        self._check(old, request, f"{request.get('ConditionExpression', '')}", operation, text)
        new = updated(text, _scope(old, request))
        return {**new, **request["Key"]}

    def _check(
        self, old: Item, request: Mapping[str, Any], test: str, operation: str, update: str = ""
    ) -> None:
        if max(len(test), len(update)) > EXPRESSION_BYTES.most:
            raise ExpressionError("the expression is too long")
        used = placeholders(test) | placeholders(update)
        given = {
            *request.get("ExpressionAttributeNames", {}),
            *request.get("ExpressionAttributeValues", {}),
        }
        if used != given:
            raise ExpressionError(f"defined and used differ: {sorted(used ^ given)}")
        if test and not condition(test)(_scope(old, request)):
            raise _refused(operation, request, old)

    def _store(self, item: Item) -> None:
        if _size(item) > ITEM_BYTES.most:
            raise ExpressionError("the item is too large")
        key = _key({name: item[name] for name in _ATTRIBUTES})
        self._items[key] = item
        self._to_index.append((self._now(), key, item))
        for watcher in self.watchers:
            watcher(key[0], dict(item))

    def _check_table(self, name: str) -> None:
        if name != _TABLE:
            raise _invalid("", f"there is no table {name}")


def _key(item: Mapping[str, Any]) -> Key:
    return item["pk"]["S"], item["sk"]["S"]


def _size(stored: Any) -> int:
    """A little more than DynamoDB counts: types and brackets are in it, too."""
    return len(json.dumps(stored, ensure_ascii=False, default=str).encode())


def _part(item: Item) -> tuple[str, Item]:
    """What a part of a transaction does, and with what."""
    ((verb, request),) = item.items()
    if verb not in ("Update", "Put", "Delete", "ConditionCheck"):
        raise _invalid("TransactWriteItems", f"no {verb} is expected")
    return verb, request


def _scope(item: Item, request: Mapping[str, Any]) -> Scope:
    names = request.get("ExpressionAttributeNames", {})
    return Scope(item, names, request.get("ExpressionAttributeValues", {}))


@contextmanager
def _validated(operation: str) -> Any:
    try:
        yield
    except ExpressionError as error:
        raise _invalid(operation, str(error)) from None


def _invalid(operation: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationException", "Message": message}}, operation)


def _refused(operation: str, request: Mapping[str, Any], old: Item) -> ConditionNotMetError:
    code = "ConditionalCheckFailedException"
    response: dict[str, Any] = {
        "Error": {"Code": code, "Message": "The conditional request failed"}
    }
    if old and request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD":
        response["Item"] = dict(old)
    return ConditionNotMetError(response, operation)  # type: ignore[arg-type]


def _reason(outcome: Outcome) -> Item:
    if not isinstance(outcome, ConditionNotMetError):
        return {"Code": "None"}
    found: Mapping[str, Any] = outcome.response
    item = {"Item": found["Item"]} if "Item" in found else {}
    return {"Code": "ConditionalCheckFailed", **item}


def conflict(parts: int) -> TransactionCanceledError:
    """What a transaction gets that meets another one."""
    return _cancelled([{"Code": "TransactionConflict"}] * parts)


def _cancelled(reasons: list[Item]) -> TransactionCanceledError:
    response: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": "Transaction cancelled"},
        "CancellationReasons": reasons,
    }
    return TransactionCanceledError(response, "TransactWriteItems")
