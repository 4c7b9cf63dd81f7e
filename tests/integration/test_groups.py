"""Groups: claimed whole, ordered all or none, and their money stays theirs until they end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from dropreel.errors import ContentionError, LedgerConflictError
from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.group import Decision
from dropreel.jobs.job import Job, Reservation, State, utc_iso
from dropreel.ledger.groups import Groups
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.newest import NewestDrops
from dropreel.ledger.table import Table
from dropreel.money.budget import CapReachedError, Caps
from dropreel.providers.base import Accepted, Busy, Failure, Refused
from local.faults.dynamo import Dynamo
from tests.support.aws import NOW, Aws, Clock, FakeProvider
from tests.support.calls import failure_of, generate
from tests.support.generating import RULES, committed, make_generation
from tests.support.groups import GROUP, PRICE, claimed, end, fund, takes

CAPS = Caps(job=Decimal(5), day=Decimal("1.90"), month=Decimal(100))
TODAY = utc_iso(NOW)[:10]


# --- the claim ---------------------------------------------------------------------------------


def test_all_jobs_of_a_group_are_claimed_together_and_once(groups: Groups) -> None:
    first = claimed(groups)
    assert [job.state for job in first] == [State.CLAIMED] * 3
    assert claimed(groups, created_at="2026-11-20T10:00:00.000Z") == first
    assert [(take.job_id, take.run) for take in groups.require(GROUP).takes] == [
        (job.job_id, 1) for job in first
    ]


def test_a_take_that_an_earlier_drop_has_claimed_is_not_the_groups(
    groups: Groups, ledger: Ledger
) -> None:
    ledger.claim(takes(1, group="")[0])
    jobs = claimed(groups)
    assert [job.group for job in jobs] == ["", GROUP, GROUP]
    assert [take.run for take in groups.require(GROUP).takes] == [0, 1, 1]
    assert groups.to_order(groups.require(GROUP)) == jobs[1:]


def test_what_ended_unpaid_is_claimed_again_by_a_newer_drop_as_another_group(
    groups: Groups, ledger: Ledger
) -> None:
    for job in claimed(groups):
        end(ledger, job, State.REFUSED)
    again = claimed(groups, group="another", dropped_at="2026-11-20T11:00:00.000Z")
    assert [(job.group, job.run) for job in again] == [("another", 2)] * 3
    old = groups.require(GROUP)
    assert not any(take.claims(job) for take, job in zip(old.takes, again, strict=True))


def test_a_group_is_not_written_over(groups: Groups, dynamo: Dynamo) -> None:
    claimed(groups)
    groups.refuse(groups.require(GROUP), JobFailure(FailureKind.OVER_CAP))
    dynamo.delete_all("JOB#")
    with pytest.raises(ContentionError):
        claimed(groups)
    assert groups.require(GROUP).decision == Decision.REFUSED


def test_an_unknown_group_is_an_error(groups: Groups) -> None:
    with pytest.raises(LedgerConflictError, match="not in the ledger"):
        groups.require("nobody")


# --- its money ---------------------------------------------------------------------------------


def test_the_money_of_all_is_set_aside_at_once(
    groups: Groups, ledger: Ledger, table: Table
) -> None:
    jobs = claimed(groups)
    fund(groups, jobs, CAPS)
    assert committed(table) == committed(table, TODAY[:7]) == 3 * PRICE
    assert {ledger.require(job.job_id).reservation for job in jobs} == {Reservation.at(NOW, PRICE)}


@pytest.mark.parametrize("cap", ["day", "month"])
def test_of_a_group_that_passes_a_cap_nothing_is_set_aside(
    groups: Groups, ledger: Ledger, table: Table, cap: str
) -> None:
    jobs = claimed(groups)
    tight: Any = {cap: Decimal("1.79")}
    with pytest.raises(CapReachedError, match=r"these 3 clips together cost about \$1.80; of the"):
        fund(groups, jobs, replace(CAPS, **tight))
    assert committed(table) == 0
    assert ledger.require(jobs[0].job_id).reservation is None
    assert not groups.require(GROUP).decision


def test_a_group_is_decided_once(groups: Groups, table: Table) -> None:
    jobs = claimed(groups)
    group = groups.require(GROUP)
    fund(groups, jobs, CAPS)
    with pytest.raises(ContentionError):
        fund(groups, jobs, CAPS)
    with pytest.raises(ContentionError):
        groups.refuse(group, JobFailure(FailureKind.OVER_CAP))
    assert committed(table) == 3 * PRICE


def test_who_has_not_seen_the_money_of_a_job_cannot_end_it(
    groups: Groups, ledger: Ledger, table: Table
) -> None:
    """Else what was set aside would never be freed."""
    jobs = claimed(groups)
    fund(groups, jobs, CAPS)
    with pytest.raises(LedgerConflictError):
        ledger.move(jobs[0], State.REFUSED, **jobs[0].released())
    end(ledger, jobs[0], State.REFUSED)
    assert committed(table) == 2 * PRICE


def test_a_job_that_has_ended_gets_no_money(groups: Groups, ledger: Ledger, table: Table) -> None:
    jobs = claimed(groups)
    end(ledger, jobs[0], State.REFUSED)
    with pytest.raises(ContentionError):
        fund(groups, jobs, CAPS)
    fund(groups, groups.to_order(groups.require(GROUP)), CAPS)
    assert committed(table) == 2 * PRICE


# --- its orders --------------------------------------------------------------------------------


@pytest.fixture
def busy_then_taken(provider: FakeProvider) -> FakeProvider:
    busy = Busy(Failure(FailureKind.THROTTLED, "later", billed=False))
    provider.submit_answers = [busy, Accepted("p-1")]
    return provider


def group_in(aws: Aws, count: int = 3, **changes: Any) -> list[Job]:
    jobs = Groups(aws.table).claim(takes(count, **changes))
    return [aws.ledger.require(job.job_id) for job in jobs]


def outcomes(aws: Aws, jobs: list[Job]) -> list[State]:
    return [aws.ledger.require(job.job_id).state for job in jobs]


def test_a_busy_provider_frees_none_of_the_groups_money(
    aws: Aws, clock: Clock, busy_then_taken: FakeProvider
) -> None:
    generation = make_generation(aws, busy_then_taken, clock, replace(RULES, caps=CAPS))
    first, *_ = group_in(aws)
    assert generate(generation, first.job_id)["outcome"] == "wait"
    assert committed(aws.table) == 3 * PRICE
    clock.pass_time(hours=1)
    assert generate(generation, first.job_id)["outcome"] == "accepted"
    assert committed(aws.table) == 3 * PRICE


def test_an_order_after_midnight_counts_on_the_day_that_the_group_was_accepted(
    aws: Aws, clock: Clock, busy_then_taken: FakeProvider
) -> None:
    generation = make_generation(aws, busy_then_taken, clock, replace(RULES, caps=CAPS))
    first, *_ = group_in(aws)
    generate(generation, first.job_id)
    clock.pass_time(hours=15)
    assert generate(generation, first.job_id)["outcome"] == "accepted"
    assert aws.table.get("BUDGET#2026-11-21") is None
    assert committed(aws.table) == 3 * PRICE


def test_a_group_over_a_cap_is_refused_as_a_whole_and_stays_so(
    aws: Aws, clock: Clock, provider: FakeProvider
) -> None:
    tight = make_generation(
        aws, provider, clock, replace(RULES, caps=replace(CAPS, day=Decimal("1.79")))
    )
    jobs = group_in(aws)
    generate(tight, jobs[0].job_id)
    roomy = make_generation(aws, provider, clock, replace(RULES, caps=CAPS))
    for job in jobs[1:]:  # the cap was raised meanwhile, but the first is refused already
        generate(roomy, job.job_id)
    assert outcomes(aws, jobs) == [State.REFUSED] * 3
    reasons = {failure_of(aws.ledger.require(job.job_id))["message"] for job in jobs}
    (reason,) = reasons
    assert reason.startswith("these 3 clips together cost about $1.80; of the $1.79 allowed for ")
    assert reason.endswith("2026-11-20 (UTC), $0.00 are used or reserved")
    assert provider.requests == []


def test_one_take_that_may_not_be_ordered_keeps_all_from_being_ordered(
    aws: Aws, clock: Clock, provider: FakeProvider
) -> None:
    jobs = takes()
    jobs[2] = replace(jobs[2], max_cost_usd=Decimal("0.50"))
    Groups(aws.table).claim(jobs)
    generation = make_generation(aws, provider, clock)
    for job in jobs:
        generate(generation, job.job_id)
    assert outcomes(aws, jobs) == [State.REFUSED] * 3
    assert failure_of(aws.ledger.require(jobs[0].job_id))["message"] == (
        "take 3 at luma: this clip costs about $0.60; the sidecar allows at most $0.50"
    )
    assert committed(aws.table) == 0


def test_a_dearer_provider_takes_over_only_what_the_cap_leaves(
    aws: Aws, clock: Clock, provider: FakeProvider
) -> None:
    provider.submit_answers = [Accepted("p-1")] * 3
    generation = make_generation(aws, provider, clock, replace(RULES, caps=CAPS))
    jobs = group_in(aws)
    generate(generation, jobs[0].job_id)
    for job, price in zip(jobs[1:], ("0.69", "0.62"), strict=True):
        held = aws.ledger.require(job.job_id)
        aws.ledger.move(held, State.CLAIMED, estimate_usd=Decimal(price), provider="fal")
        generate(generation, job.job_id)
    assert outcomes(aws, jobs) == [State.SUBMITTED, State.SUBMITTED, State.REFUSED]
    assert committed(aws.table) == Decimal("1.29")  # the third has given back what it had


def test_a_cheaper_provider_gives_the_rest_back(
    aws: Aws, clock: Clock, provider: FakeProvider
) -> None:
    provider.submit_answers = [Accepted("p-1")] * 2
    generation = make_generation(aws, provider, clock)
    jobs = group_in(aws, 2)
    generate(generation, jobs[0].job_id)
    held = aws.ledger.require(jobs[1].job_id)
    aws.ledger.move(held, State.CLAIMED, estimate_usd=Decimal("0.40"), provider="fal")
    generate(generation, jobs[1].job_id)
    assert committed(aws.table) == Decimal("1.00")


def test_a_take_that_the_provider_refuses_frees_its_own_money(
    aws: Aws, clock: Clock, provider: FakeProvider
) -> None:
    refused = Refused(Failure(FailureKind.MODERATED, "no", billed=False))
    provider.submit_answers = [refused, Accepted("p-1")]
    generation = make_generation(aws, provider, clock)
    jobs = group_in(aws, 2)
    for job in jobs:
        generate(generation, job.job_id)
    assert outcomes(aws, jobs) == [State.REFUSED, State.SUBMITTED]
    assert committed(aws.table) == PRICE


def test_a_take_that_newer_files_replace_frees_its_own_money(
    aws: Aws, clock: Clock, provider: FakeProvider
) -> None:
    provider.submit_answers = [Accepted("p-1")]
    generation = make_generation(aws, provider, clock)
    jobs = group_in(aws, 2)
    generate(generation, jobs[0].job_id)
    newest = NewestDrops(aws.table).of(jobs[1].source)
    aws.table.put(newest.key, {"job_2": "another"})
    generate(generation, jobs[1].job_id)
    assert outcomes(aws, jobs) == [State.SUBMITTED, State.REFUSED]
    assert committed(aws.table) == PRICE


def test_no_job_of_a_group_is_ordered_without_its_money(ledger: Ledger, groups: Groups) -> None:
    first, *_ = claimed(groups)
    with pytest.raises(LedgerConflictError, match="money"):
        ledger.move_reserving(first, State.SUBMITTING, Reservation.at(NOW, PRICE), CAPS)


def test_takes_at_unknown_prices_are_ordered_where_these_are_allowed(
    aws: Aws, clock: Clock, provider: FakeProvider
) -> None:
    provider.submit_answers = [Accepted("p-1")] * 2
    generation = make_generation(aws, provider, clock, replace(RULES, unknown_prices=True))
    jobs = group_in(aws, 2, estimate_usd=None)
    for job in jobs:
        generate(generation, job.job_id)
    assert outcomes(aws, jobs) == [State.SUBMITTED] * 2
    assert committed(aws.table) == 0


# --- waiting for the next day ------------------------------------------------------------------


def test_a_group_waits_whole_for_the_next_day_and_people_are_mailed_once(
    aws: Aws, clock: Clock, provider: FakeProvider
) -> None:
    provider.submit_answers = [Accepted("p-1")] * 3
    aws.table.put(f"BUDGET#{TODAY}", {"committed_usd": Decimal("0.20")})
    rules = replace(RULES, caps=CAPS, wait_for_day=True)
    generation = make_generation(aws, provider, clock, rules)
    jobs = group_in(aws)
    waits = [generate(generation, job.job_id) for job in jobs]
    until_midnight = timedelta(hours=14, minutes=30).total_seconds()
    assert {(wait["outcome"], wait["wait_seconds"]) for wait in waits} == {("wait", until_midnight)}
    (mail,) = aws.results.take()
    assert (mail["outcome"], mail["clips"]) == ("waiting", 3)
    assert committed(aws.table) == Decimal("0.20")
    clock.pass_time(seconds=until_midnight)
    for job in jobs:
        generate(generation, job.job_id)
    assert outcomes(aws, jobs) == [State.SUBMITTED] * 3
    assert committed(aws.table, "2026-11-21") == 3 * PRICE
