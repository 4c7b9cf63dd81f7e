"""The evaluation of policies that the end-to-end tests rely on knows what AWS leaves open."""

from __future__ import annotations

import json

import pytest

from tests.support.policies import Call, Statement, allowed, unused

TABLE = "arn:aws:dynamodb:us-east-1:111122223333:table/ledger"
GRANT = (("dynamodb:UpdateItem", "SLOTS#luma"), ("dynamodb:DeleteItem", "WAITING#luma"))


def may(action: str, *keys: str) -> Statement:
    condition = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(keys)}}
    return Statement.read(
        {"Effect": "Allow", "Action": action, "Resource": TABLE, "Condition": condition}
    )


def call(action: str, *items: tuple[str, str]) -> Call:
    return Call("SlotRole", action, TABLE, items)


@pytest.mark.parametrize("keys", [["WAITING#*"], ["SLOTS#*"]])
def test_a_transaction_passes_only_if_both_readings_of_its_keys_do(keys: list[str]) -> None:
    leaving = call("dynamodb:DeleteItem", *GRANT)
    assert not allowed(leaving, [may("dynamodb:DeleteItem", *keys)])
    assert allowed(leaving, [may("dynamodb:DeleteItem", "WAITING#*", "SLOTS#*")])


def test_one_key_or_action_or_resource_too_few_is_noticed() -> None:
    updating = call("dynamodb:UpdateItem", ("dynamodb:UpdateItem", "SLOTS#luma"))
    assert allowed(updating, [may("dynamodb:UpdateItem", "SLOTS#*")])
    assert not allowed(updating, [may("dynamodb:UpdateItem", "JOB#*")])
    assert not allowed(updating, [may("dynamodb:PutItem", "SLOTS#*")])
    other = Statement(("dynamodb:UpdateItem",), (f"{TABLE}2",))
    assert not allowed(updating, [other])


def test_exactly_the_rights_that_no_call_needs_are_unused() -> None:
    statements = [may("dynamodb:UpdateItem", "SLOTS#*", "JOB#*")]
    calls = [call("dynamodb:UpdateItem", ("dynamodb:UpdateItem", "SLOTS#luma"))]
    (found,) = unused(statements, calls)
    assert found.endswith("without JOB#*")


def test_a_recorded_line_is_read_as_it_was_written() -> None:
    caller = "arn:aws:sts::111122223333:assumed-role/dropreel-SlotRole-1/function"
    items = [["dynamodb:UpdateItem", "SLOTS#luma"]]
    fields = {"caller": caller, "action": "dynamodb:UpdateItem", "resource": TABLE}
    read = Call.read(json.dumps({**fields, "items": items, "allowed": True}))
    assert read.role == "dropreel-SlotRole-1"
    assert read.keys == read.own_keys == {"SLOTS#luma"}


@pytest.mark.parametrize(
    "given",
    [
        {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"},
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"Bool": {"a": "b"}}},
    ],
)
def test_an_unknown_kind_of_statement_is_an_error(
    given: dict[str, object],
) -> None:
    with pytest.raises(ValueError, match="not known here"):
        Statement.read(given)
