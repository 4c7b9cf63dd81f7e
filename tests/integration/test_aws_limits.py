"""Limits of AWS that are not enforced in process: what is sent stays below them at its largest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from dropreel.jobs.job import Job
from dropreel.ledger.slots import _place
from dropreel.ledger.table import Delete, Table, Update
from dropreel.providers.catalog import Limit
from tests.support.aws import Aws, Clock, make_job

MOST_WRITES = 100  # in one transaction of DynamoDB
EXPRESSION_BYTES = 4096


def job(number: int) -> Job:
    return make_job(job_id=f"{number:024x}")


def test_a_hundred_free_slots_are_given_within_the_limits_of_a_transaction(
    aws: Aws, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[list[Any]] = []
    write_all = Table.write_all

    def recorded(self: Table, writes: Sequence[Update | Delete]) -> None:
        sent.append([self._request(write) for write in writes])
        write_all(self, writes)

    monkeypatch.setattr(Table, "write_all", recorded)
    slots = aws.slots(clock, luma=Limit(jobs=500))
    for one in map(job, range(120)):
        slots._keep_token(one.job_id, "token")
        aws.table.put(_place(one), {"job_id": one.job_id})
    slots.serve("luma")
    holders = [name for name in aws.table.get("SLOTS#luma") or {} if name.startswith("hold_")]
    assert len(holders) == 120
    assert max(map(len, sent)) <= MOST_WRITES
    expressions = [writes[0]["Update"]["UpdateExpression"] for writes in sent]
    assert max(map(len, expressions)) < EXPRESSION_BYTES
