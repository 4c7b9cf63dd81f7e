"""MiniStack that tells who called what, and that also knows `dynamodb:LeadingKeys`.

Runs in MiniStack's own environment, so it uses nothing of dropreel. Every call that is checked
against policies becomes one line of JSON in the file RECORDED_CALLS, once.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import ministack_once  # type: ignore[import-not-found]  # it lies beside this file
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id

_LEADING = "dynamodb:leadingkeys"
_ITEMS = "recorded:items"
_WRITES = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
_seen: set[str] = set()
_context = iam_actions.dynamodb_service_context
_enforce = iam_evaluator.enforce


def _key(request: dict[str, Any]) -> str:
    """The partition key that a request for one item, or a query, names."""
    stored = request.get("Key") or request.get("Item")
    if stored:
        return str(stored["pk"]["S"])
    value = re.search(r"= (:\w+)", request["KeyConditionExpression"])
    return str(request["ExpressionAttributeValues"][value.group(1)]["S"]) if value else ""


def _items(body: bytes) -> list[tuple[str, str]]:
    """The items that a request is about, each with its action if it is one of a transaction."""
    request = json.loads(body or b"{}")
    if "TransactItems" in request:
        entries = [entry for item in request["TransactItems"] for entry in item.items()]
        return [(f"dynamodb:{_WRITES[kind]}", _key(one)) for kind, one in entries]
    named = {"Key", "Item", "KeyConditionExpression"} & request.keys()
    return [("", _key(request))] if named else []


def _dynamodb_context(body: bytes) -> dict[str, Any]:
    items = _items(body)
    return {**_context(body), _LEADING: [key for _, key in items], _ITEMS: items}


def _recorded(
    access_key: str,
    action: str,
    service: str,
    region: str,
    resource_arn: str = "*",
    service_context: dict[str, Any] | None = None,
) -> Any:
    refused = _enforce(access_key, action, service, region, resource_arn, service_context)
    principal = iam_evaluator.resolve_principal(access_key or "", get_account_id())
    items = [(one or action, key) for one, key in (service_context or {}).get(_ITEMS, [])]
    fields = {"caller": getattr(principal, "arn", ""), "action": action, "resource": resource_arn}
    _write({**fields, "items": items, "allowed": refused is None})
    return refused


def _write(fields: dict[str, Any]) -> None:
    line = json.dumps(fields)
    if line not in _seen:
        _seen.add(line)
        with Path(os.environ["RECORDED_CALLS"]).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


if __name__ == "__main__":
    iam_actions.dynamodb_service_context = _dynamodb_context
    iam_evaluator.enforce = _recorded
    ministack_once.main()
