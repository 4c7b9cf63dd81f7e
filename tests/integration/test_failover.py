"""Another provider takes a job over once, where the failure says nothing of the drop."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from dropreel.jobs.failure import FailureKind
from dropreel.jobs.job import State
from dropreel.money.budget import Caps
from dropreel.money.policy import SpendingRules
from dropreel.money.pricing import PriceList
from dropreel.providers.base import Failure, Refused, Unknown
from tests.support.aws import Aws, Clock, FakeProvider, make_job
from tests.support.calls import generate
from tests.support.generating import (
    CAPS,
    MODERATED,
    NO_CREDIT,
    RULES,
    claimed,
    committed,
    make_generation,
)

FAILOVER = replace(RULES, failover=("luma", "fal"))


def test_a_job_goes_to_the_next_provider_once_after_a_refusal_that_another_cures(
    aws: Aws, provider: FakeProvider, clock: Clock
) -> None:
    job = claimed(aws)
    provider.submit_answers = [NO_CREDIT, NO_CREDIT]
    generation = make_generation(aws, provider, clock, FAILOVER)
    assert generate(generation, job.job_id)["outcome"] == "wait"
    held = aws.ledger.require(job.job_id)
    assert (held.provider, held.first_provider, held.state) == ("fal", "luma", State.CLAIMED)
    assert committed(aws.table, "2026-11-20") == 0
    assert generate(generation, job.job_id) == {"outcome": "ended", "state": "refused"}
    assert [attempt.provider for attempt in aws.ledger.require(job.job_id).attempts] == [
        "luma",
        "fal",
    ]


def test_a_model_that_is_not_known_is_told_once_a_day_though_the_jobs_move_on(
    aws: Aws, provider: FakeProvider, clock: Clock
) -> None:
    provider.submit_answers = [Refused(Failure(FailureKind.NO_MODEL, "Unknown model: ray-9"))] * 2
    generation = make_generation(aws, provider, clock, FAILOVER)
    for name in ("one", "two"):
        job = aws.ledger.claim(make_job(job_id=name, estimate_usd=Decimal("0.15")))
        assert generate(generation, job.job_id)["outcome"] == "wait"
    (mail,) = aws.operators.take()
    assert "Unknown model: ray-9" in mail["text"]


@pytest.mark.parametrize(
    "answer",
    [MODERATED, Unknown(Failure(FailureKind.UNEXPECTED, "cut"))],
    ids=["moderated", "lost"],
)
def test_nothing_that_may_be_paid_or_was_moderated_goes_elsewhere(
    aws: Aws, provider: FakeProvider, clock: Clock, answer: Any
) -> None:
    job = claimed(aws)
    provider.submit_answers = [answer]
    generate(make_generation(aws, provider, clock, FAILOVER), job.job_id)
    assert aws.ledger.require(job.job_id).provider == "luma"
    assert len(provider.requests) == 1


def test_a_provider_that_cannot_make_the_clip_or_costs_too_much_gets_no_job() -> None:
    rules = replace(RULES, failover=("fal",))
    wide = make_job(estimate_usd=Decimal("0.15"))
    wide = replace(wide, settings=replace(wide.settings, aspect_ratio="3:1"))
    assert rules.next_provider(wide, FailureKind.NO_CREDIT) is None
    dear = make_job(settings=replace(wide.settings, aspect_ratio="16:9", duration="10s"))
    cheap = replace(rules, caps=Caps(Decimal("0.90"), Decimal(9), Decimal(9)))
    assert cheap.next_provider(dear, FailureKind.NO_CREDIT) is None
    assert rules.next_provider(dear, FailureKind.NO_CREDIT) is not None


def test_rules_without_failover_keep_a_job_where_it_is() -> None:
    rules = SpendingRules(caps=CAPS, prices=PriceList())
    assert rules.next_provider(make_job(), FailureKind.NO_CREDIT) is None
