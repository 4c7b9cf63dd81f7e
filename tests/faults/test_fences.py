"""Every fence of the code is named in one place, and something notices when it is gone."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from dropreel.errors import LedgerConflictError
from dropreel.jobs.job import Reservation, State
from dropreel.ledger.jobs import UNSETTLED_INDEX, Ledger
from dropreel.ledger.table import Table
from dropreel.money.budget import Caps
from local.faults.dynamo import Dynamo
from tests.faults.fences import FENCES, found, is_test
from tests.faults.killers import MUTATIONS
from tests.faults.mutations import lets_resumed_executions_order
from tests.support.aws import make_job

CAPS = Caps(job=Decimal(9), day=Decimal(9), month=Decimal(9))
MORNING = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


# --- the table ---------------------------------------------------------------------------------


def test_every_fence_of_the_code_is_in_the_table_once() -> None:
    named = Counter(place for fence in FENCES for place in fence.at)
    assert set(named) == found()
    assert [place for place, count in named.items() if count > 1] == []


def test_every_fence_is_missed_by_a_mutation_or_by_a_test_of_its_own() -> None:
    mutations = {one.break_it.__name__ for one in MUTATIONS}
    mutations.add(lets_resumed_executions_order.__name__)  # has a test of its own
    named = [name for fence in FENCES for name in fence.missed_by]
    assert [fence.name for fence in FENCES if not fence.missed_by] == []
    assert [name for name in named if "::" in name and not is_test(name)] == []
    assert {name for name in named if "::" not in name} == mutations


# --- fences that no play of the matrix reaches --------------------------------------------------


@pytest.fixture
def dynamo() -> Dynamo:
    return Dynamo()


@pytest.fixture
def ledger(dynamo: Any) -> Ledger:
    return Ledger(Table(dynamo, "ledger"))


def test_a_job_that_has_money_set_aside_sets_no_more_aside(ledger: Ledger, dynamo: Dynamo) -> None:
    money = Reservation.at(MORNING, Decimal("0.60"))
    job = ledger.claim(make_job(reservation=money))
    with pytest.raises(LedgerConflictError, match="set aside already"):
        ledger.move_reserving(job, State.SUBMITTING, money, CAPS)
    assert dynamo.items("BUDGET#") == {}


def test_nobody_moves_a_job_that_is_not_there(ledger: Ledger) -> None:
    with pytest.raises(LedgerConflictError, match="not in the ledger"):
        ledger.require("nobody")


def test_nobody_takes_charge_of_a_job_that_has_moved_on(ledger: Ledger) -> None:
    job = ledger.claim(make_job())
    ledger.move(job, State.REFUSED)
    with pytest.raises(LedgerConflictError):
        ledger.take_charge(job, "another")


def test_a_job_that_has_moved_on_is_watched_on(ledger: Ledger, dynamo: Dynamo) -> None:
    job = ledger.claim(make_job())
    ledger.move(job, State.REFUSED)
    with pytest.raises(LedgerConflictError):
        ledger.give_up_watching(job)
    (item,) = dynamo.items("JOB#").values()
    assert UNSETTLED_INDEX in item
