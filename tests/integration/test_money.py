"""Caps, prices, releases and true-ups: what may be spent, and what is set aside for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from dropreel.errors import ContentionError, LedgerConflictError
from dropreel.jobs.failure import FailureKind
from dropreel.jobs.job import Job, Reservation, State
from dropreel.ledger.table import Table, Update
from dropreel.money.budget import CapReachedError, Caps, Spending
from dropreel.money.pricing import PriceList
from dropreel.providers.base import Accepted, Busy, Failure, Unknown
from tests.support.aws import NOW, Aws, Clock, FakeProvider, make_job
from tests.support.calls import failure_of, generate
from tests.support.generating import (
    CAPS,
    MODERATED,
    RULES,
    claimed,
    committed,
    make_generation,
)

TIGHT = Caps(job=Decimal(5), day=Decimal("0.40"), month=Decimal("0.60"))
DOWN = Busy(Failure(FailureKind.UNREACHABLE, "connection refused", billed=False))


def reservation(amount: str, now: datetime = NOW) -> Reservation:
    return Reservation.at(now, Decimal(amount))


def ask_for(aws: Aws, number: int, amount: str, caps: Caps, now: datetime = NOW) -> Job:
    job = aws.ledger.claim(make_job(job_id=f"job{number}"))
    return aws.ledger.move_reserving(job, State.SUBMITTING, reservation(amount, now), caps)


def test_money_is_set_aside_for_day_and_month_with_the_step(aws: Aws) -> None:
    job = ask_for(aws, 1, "0.15", CAPS)
    assert aws.ledger.require("job1") == job
    assert (job.state, job.reservation) == (State.SUBMITTING, reservation("0.15"))
    assert committed(aws.table, "2026-11-20") == committed(aws.table, "2026-11") == Decimal("0.15")


@pytest.mark.parametrize(
    ("before", "amount", "period"),
    [
        (["0.15", "0.15"], "0.15", "2026-11-20"),
        ([], "0.41", "2026-11-20"),
        ([], "0.61", "2026-11-20"),
    ],
)
def test_an_order_that_would_pass_a_cap_takes_neither_step_nor_money(
    aws: Aws, before: list[str], amount: str, period: str
) -> None:
    for number, spent in enumerate(before):
        ask_for(aws, number, spent, TIGHT)
    with pytest.raises(CapReachedError) as caught:
        ask_for(aws, 9, amount, TIGHT)
    assert caught.value.spending.period == period
    assert caught.value.spending.committed == sum(map(Decimal, before))
    assert aws.ledger.require("job9").state is State.CLAIMED
    assert committed(aws.table, "2026-11-20") == sum(map(Decimal, before))


def test_a_cap_may_be_used_to_the_last_cent(aws: Aws) -> None:
    ask_for(aws, 1, "0.25", TIGHT)
    ask_for(aws, 2, "0.15", TIGHT)
    assert committed(aws.table, "2026-11-20") == TIGHT.day


def test_the_months_cap_holds_over_days_and_ends_with_the_month(aws: Aws) -> None:
    ask_for(aws, 1, "0.40", TIGHT)
    with pytest.raises(CapReachedError) as caught:
        ask_for(aws, 2, "0.30", TIGHT, NOW + timedelta(days=1))
    assert caught.value.spending.period == "2026-11"
    ask_for(aws, 3, "0.30", TIGHT, datetime(2026, 12, 1, tzinfo=UTC))
    assert committed(aws.table, "2026-12") == Decimal("0.30")


def test_days_are_those_of_utc() -> None:
    late = datetime.fromisoformat("2026-11-20T23:30:00-05:00")
    assert reservation("1", late).day == "2026-11-21"


def test_what_a_clip_really_cost_replaces_its_estimate(aws: Aws) -> None:
    job = ask_for(aws, 1, "0.15", CAPS)
    job = aws.ledger.move(job, State.SUBMITTED, provider_job_id="p")
    assert job.reservation
    job = aws.ledger.move(job, State.READY, reservation=job.reservation.of(Decimal("0.50")))
    assert committed(aws.table, "2026-11-20") == Decimal("0.50")
    assert aws.ledger.require("job1") == job


def test_money_is_freed_in_the_period_in_which_it_was_set_aside(aws: Aws) -> None:
    job = ask_for(aws, 1, "0.15", CAPS)
    assert job.reservation
    aws.ledger.move(job, State.REFUSED, reservation=job.reservation.of(Decimal(0)))
    assert committed(aws.table, "2026-11-20") == committed(aws.table, "2026-11") == 0


def test_a_step_that_somebody_else_took_frees_nothing_twice(aws: Aws) -> None:
    job = ask_for(aws, 1, "0.15", CAPS)
    assert job.reservation
    aws.ledger.move(job, State.REFUSED, reservation=job.reservation.of(Decimal(0)))
    with pytest.raises(LedgerConflictError):
        aws.ledger.move(job, State.REFUSED, reservation=job.reservation.of(Decimal(0)))
    assert committed(aws.table, "2026-11-20") == 0


def test_money_is_not_set_aside_twice_for_one_job(aws: Aws) -> None:
    job = ask_for(aws, 1, "0.15", CAPS)
    job = replace(job, state=State.CLAIMED)
    with pytest.raises(LedgerConflictError):
        aws.ledger.move_reserving(job, State.SUBMITTING, reservation("0.15"), CAPS)


class BusyClient:
    """Refuses, as DynamoDB does, what meets a transaction; `refusals` counts down."""

    class ConflictError(Exception):
        def __init__(self, **response: Any) -> None:
            self.response = response

    class CancelledError(ConflictError):
        pass

    exceptions = SimpleNamespace(
        TransactionCanceledException=CancelledError,
        TransactionConflictException=ConflictError,
        ConditionalCheckFailedException=KeyError,
    )

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals

    def transact_write_items(self, **_: object) -> None:
        self._refuse(self.CancelledError(CancellationReasons=[{"Code": "TransactionConflict"}]))

    def update_item(self, **_: object) -> dict[str, Any]:
        self._refuse(self.ConflictError())
        return {"Attributes": {}}

    def put_item(self, **_: object) -> None:
        self._refuse(self.ConflictError())

    def _refuse(self, error: Exception) -> None:
        self.refusals -= 1
        if self.refusals >= 0:
            raise error


WRITES: list[Callable[[Table], object]] = [
    lambda table: table.write_all([Update("JOB#1", sets={"state": "x"})]),
    lambda table: table.update(Update("JOB#1", sets={"state": "x"})),
    lambda table: table.put("JOB#1", {"state": "x"}),
]


@pytest.mark.parametrize("write", WRITES)
def test_writers_that_meet_try_again_and_then_give_up_without_a_change(
    write: Callable[[Table], object],
) -> None:
    slept: list[float] = []
    write(Table(BusyClient(3), "ledger", sleep=slept.append))  # type: ignore[arg-type]
    assert len(slept) == 3
    with pytest.raises(ContentionError):
        write(Table(BusyClient(100), "ledger", sleep=slept.append))  # type: ignore[arg-type]


# --- rules ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "job", "kind"),
    [
        ({"paid_calls": False}, {}, "paid_calls_off"),
        ({}, {"estimate_usd": None}, "unknown_price"),
        ({}, {"max_cost_usd": Decimal("0.10")}, "over_cap"),
        ({"caps": Caps(Decimal("0.10"), Decimal(9), Decimal(9))}, {}, "over_cap"),
        ({"caps": Caps(Decimal(0), Decimal(9), Decimal(9))}, {}, "paid_calls_off"),
        (
            {"caps": Caps(Decimal(9), Decimal(0), Decimal(9)), "unknown_prices": True},
            {"estimate_usd": None},
            "paid_calls_off",
        ),
    ],
)
def test_an_order_that_the_rules_forbid_is_refused_without_a_call(
    aws: Aws,
    provider: FakeProvider,
    clock: Clock,
    rules: dict[str, Any],
    job: dict[str, Any],
    kind: str,
) -> None:
    held = aws.ledger.claim(make_job(**{"estimate_usd": Decimal("0.15"), **job}))
    generation = make_generation(aws, provider, clock, replace(RULES, **rules))
    assert generate(generation, held.job_id) == {"outcome": "ended", "state": "refused"}
    assert failure_of(aws.ledger.require(held.job_id))["kind"] == kind
    assert provider.requests == []
    assert committed(aws.table, "2026-11-20") == 0


def test_a_cap_of_0_says_which_one_it_is_and_counts_as_unused() -> None:
    assert Caps(Decimal(9), Decimal(9), Decimal(0)).off == "MonthlyCapUsd"
    assert Caps(Decimal(9), Decimal(9), Decimal(9)).off == ""
    shares = [Spending("2026-11", Decimal(spent), Decimal(0)).share for spent in (0, 1)]
    assert shares == [0, 1]


def test_an_unknown_price_may_be_allowed(aws: Aws, provider: FakeProvider, clock: Clock) -> None:
    held = aws.ledger.claim(make_job())
    provider.submit_answers = [Accepted("p-1")]
    generation = make_generation(aws, provider, clock, replace(RULES, unknown_prices=True))
    assert generate(generation, held.job_id)["outcome"] == "accepted"


def test_a_used_up_budget_refuses_with_numbers_and_tells_the_operator_once(
    aws: Aws, provider: FakeProvider, clock: Clock
) -> None:
    generation = make_generation(aws, provider, clock, replace(RULES, caps=TIGHT))
    provider.submit_answers = [Accepted("p-1"), Accepted("p-2")]
    for number in range(4):
        job = aws.ledger.claim(make_job(job_id=f"job{number}", estimate_usd=Decimal("0.15")))
        generate(generation, job.job_id)
    refused = aws.ledger.require("job3")
    assert failure_of(refused)["message"] == (
        "this clip costs about $0.15; of the $0.40 allowed for 2026-11-20 (UTC), "
        "$0.30 are used or reserved"
    )
    assert len(provider.requests) == 2
    subjects = [mail["subject"] for mail in aws.operators.take()]
    assert subjects == ["dropreel: a job exceeds the budget of 2026-11-20"]


def test_the_operator_is_warned_once_at_eighty_percent(
    aws: Aws, provider: FakeProvider, clock: Clock
) -> None:
    caps = Caps(job=Decimal(5), day=Decimal("0.75"), month=Decimal(100))
    generation = make_generation(aws, provider, clock, replace(RULES, caps=caps))
    provider.submit_answers = [Accepted(f"p-{number}") for number in range(5)]
    told = []
    for number in range(5):
        job = aws.ledger.claim(make_job(job_id=f"job{number}", estimate_usd=Decimal("0.15")))
        generate(generation, job.job_id)
        told.append(len(aws.operators.take()))
    assert told == [0, 0, 0, 1, 0]


def test_own_prices_win_over_the_table() -> None:
    prices = PriceList({"luma": {"5s": {"540p": Decimal("0.11")}}})
    assert prices.estimate("luma", "540p", "5s") == Decimal("0.11")
    assert prices.estimate("luma", "720p", "5s") == Decimal("0.30")
    assert prices.estimate("nobody", "720p", "5s") is None


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        (Accepted("p-1"), "0.15"),
        (Unknown(Failure(FailureKind.UNEXPECTED, "cut")), "0.15"),
        (MODERATED, "0"),
        (DOWN, "0"),
    ],
)
def test_money_stays_set_aside_only_for_what_may_be_billed(
    aws: Aws, provider: FakeProvider, clock: Clock, answer: Any, left: str
) -> None:
    provider.submit_answers = [answer]
    generate(make_generation(aws, provider, clock), claimed(aws).job_id)
    assert committed(aws.table, "2026-11-20") == committed(aws.table, "2026-11") == Decimal(left)


def test_attempts_are_kept_with_what_came_of_them(
    aws: Aws, provider: FakeProvider, clock: Clock
) -> None:
    job = claimed(aws)
    provider.submit_answers = [DOWN, DOWN, Accepted("p-1")]
    generation = make_generation(aws, provider, clock)
    for tries in range(3):
        generate(generation, job.job_id, tries=tries)
    (attempt,) = aws.ledger.require(job.job_id).attempts
    assert (attempt.provider, attempt.provider_job_id) == ("luma", "p-1")
    assert (attempt.outcome, attempt.estimate_usd) == ("submitted", Decimal("0.15"))
