"""A `Generate` step on in-process AWS, and jobs for it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from dropreel.jobs.job import Job
from dropreel.money.budget import Caps
from dropreel.money.policy import SpendingRules
from dropreel.money.pricing import PriceList
from dropreel.steps.generate import Generate
from tests.support.aws import Aws, Clock, FakeProvider, make_job
from tests.support.container import FakeContainer

CAPS = Caps(job=Decimal(5), day=Decimal(25), month=Decimal(250))


RULES = SpendingRules(caps=CAPS, prices=PriceList())


def make_generation(
    aws: Aws, provider: FakeProvider, clock: Clock, rules: SpendingRules = RULES
) -> Generate:
    container = FakeContainer(aws, clock, provider, PROVIDER_LIMITS='{"luma": {"jobs": 2}}')
    step = container.step(Generate)
    return replace(
        step,
        allowance=replace(step.allowance, rules=rules),
        lessons=replace(step.lessons, caps=rules.caps),
    )


def claimed(aws: Aws) -> Job:
    return aws.ledger.claim(make_job(estimate_usd=Decimal("0.15")))
