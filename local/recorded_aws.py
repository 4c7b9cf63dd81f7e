"""MiniStack that tells who called what, and that also knows `dynamodb:LeadingKeys`.

Runs in MiniStack's own environment, so it uses nothing of dropreel. Every call that is checked
against a role's policies becomes one line of JSON in the file RECORDED_CALLS, once.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator

_LEADING = "dynamodb:leadingkeys"
_ITEMS = "recorded:items"
_WRITES = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem"}
_seen: set[str] = set()
_context = iam_actions.dynamodb_service_context
_evaluate = iam_evaluator.evaluate
_trusts = iam_evaluator.evaluate_trust_policy


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


def _recorded(ctx: Any, *policies: Any) -> Any:
    result = _evaluate(ctx, *policies)
    items = [(action or ctx.action, key) for action, key in ctx.service_context.get(_ITEMS, [])]
    _write(ctx.principal_arn, ctx.action, ctx.resource_arn, items, result.decision == "Allow")
    return result


def _recorded_trust(document: Any, caller: str, ctx: Any = None) -> bool:
    trusted = bool(_trusts(document, caller, ctx))
    if ctx is not None:
        _write(caller, ctx.action, ctx.resource_arn, [], trusted)
    return trusted


def _write(caller: str, action: str, resource: str, items: list[Any], allowed: bool) -> None:
    fields = {"caller": caller, "action": action, "resource": resource, "items": items}
    line = json.dumps({**fields, "allowed": allowed})
    if line not in _seen:
        _seen.add(line)
        with Path(os.environ["RECORDED_CALLS"]).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


if __name__ == "__main__":
    iam_actions.dynamodb_service_context = _dynamodb_context
    iam_evaluator.evaluate = _recorded
    iam_evaluator.evaluate_trust_policy = _recorded_trust
    app.main()
