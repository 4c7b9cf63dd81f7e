"""Caps hold whoever comes at once: 64 orders in parallel, and money freed in between."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from dropreel.errors import ContentionError, LedgerConflictError
from dropreel.jobs.job import Job, State
from dropreel.ledger import budget as accounts
from dropreel.ledger.table import Update
from dropreel.money.budget import Caps
from dropreel.providers.base import Accepted
from tests.support.accounts import (
    MANY,
    MODERATED,
    PRICE,
    TODAY,
    TOMORROW,
    Account,
    caps,
    names,
)
from tests.support.calls import failure_of, generate


@pytest.mark.parametrize("limits", [caps(day="3.10"), caps(month="3.10"), caps("3.10", "3.10")])
def test_of_64_orders_at_once_only_those_are_made_that_the_caps_allow(limits: Caps) -> None:
    account = Account(limits)
    account.order_all(names("job"))
    assert sum(account.asked.values()) == len(account.asked) == 10  # $3.00 of $3.10
    assert account.committed("2026-11-30") == account.committed("2026-11") == Decimal("3.00")
    refused = [job for job in account.jobs() if job.state is State.REFUSED]
    assert {failure_of(job)["kind"] for job in refused} == {"over_cap"}
    assert len(refused) == MANY - 10


def test_64_steps_for_one_job_at_once_make_one_order() -> None:
    account = Account(caps())
    name = account.claim("job")
    together = threading.Barrier(MANY)

    def order(_: int) -> None:
        generation = account.generation()
        together.wait(timeout=30)
        with suppress(LedgerConflictError):  # somebody else was first
            generate(generation, name)

    with ThreadPoolExecutor(MANY) as pool:
        list(pool.map(order, range(MANY)))
    while account.ledger.require(name).state is State.CLAIMED:  # nobody got through
        generate(account.generation(), name)
    assert account.asked == {name: 1}
    assert account.committed("2026-11-30") == PRICE


def test_a_new_month_begins_with_nothing_used() -> None:
    account = Account(caps(month="3.10"))
    account.order_all(names("november"))
    account.now = TOMORROW
    account.order_all(names("december"))
    assert sum(account.asked.values()) == 20
    for period in ("2026-11-30", "2026-11", "2026-12-01", "2026-12"):
        assert account.committed(period) == Decimal("3.00")


def test_a_new_day_does_not_widen_the_months_cap() -> None:
    account = Account(caps(day="1.80", month="3.10"), now=TODAY - timedelta(days=1))
    account.order_all(names("first"))
    account.now = TODAY
    account.order_all(names("second"))
    assert account.committed("2026-11-29") == Decimal("1.80")
    assert account.committed("2026-11-30") == Decimal("1.20")
    assert account.committed("2026-11") == Decimal("3.00")


def test_refusals_in_between_free_their_money_and_no_cap_is_passed_at_any_moment() -> None:
    refused = {f"job{number}" for number in range(0, MANY, 2)}
    account = Account(
        caps(day="3.10"), answer=lambda name: MODERATED if name in refused else Accepted(name)
    )
    account.order_all(names("job"))
    taken = [job for job in account.jobs() if job.state is State.SUBMITTED]
    assert account.most["2026-11-30"] <= 310
    assert account.committed("2026-11-30") == PRICE * len(taken)
    assert account.committed("2026-11") == PRICE * len(taken)
    assert all(count == 1 for count in account.asked.values())


def test_64_true_ups_and_releases_at_once_leave_what_the_clips_have_cost() -> None:
    account = Account(caps())
    account.order_all(names("job"))
    costs = [Decimal(number % 5) / 10 for number in range(MANY)]  # 0 frees all of it

    def settle(job: Job, cost: Decimal) -> None:
        assert job.reservation
        while account.ledger.require(job.job_id).state is State.SUBMITTED:
            with suppress(ContentionError):
                account.ledger.move(job, State.READY, reservation=job.reservation.of(cost))

    with ThreadPoolExecutor(MANY) as pool:
        list(pool.map(settle, account.jobs(), costs))
    assert account.committed("2026-11-30") == account.committed("2026-11") == sum(costs)


def test_without_the_condition_on_the_cap_64_orders_exceed_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So the tests above can fail."""

    def adding(period: str, amount: Decimal, _: Decimal) -> Any:
        return Update(f"BUDGET#{period}", adds={"committed_usd": amount})

    monkeypatch.setattr(accounts, "_adding", adding)
    account = Account(caps(day="3.10"))
    account.order_all(names("job"))
    assert account.committed("2026-11-30") == PRICE * MANY
