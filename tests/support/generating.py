"""A `Generate` step on in-process AWS, and jobs for it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from dropreel.jobs.failure import FailureKind
from dropreel.jobs.job import Job
from dropreel.ledger.table import Table
from dropreel.money.budget import Caps
from dropreel.money.policy import SpendingRules
from dropreel.money.pricing import PriceList
from dropreel.providers.base import Failure, Refused
from dropreel.steps.generate import Generate
from tests.support.aws import NOW, Aws, Clock, FakeProvider, make_job
from tests.support.container import FakeContainer

CAPS = Caps(job=Decimal(5), day=Decimal(25), month=Decimal(250))
MODERATED = Refused(Failure(FailureKind.MODERATED, "no", billed=False))
NO_CREDIT = Refused(Failure(FailureKind.NO_CREDIT, "empty", billed=False))
RULES = SpendingRules(caps=CAPS, prices=PriceList())


def make_generation(
    aws: Aws, provider: FakeProvider, clock: Clock, rules: SpendingRules = RULES
) -> Generate:
    container = FakeContainer(aws, clock, provider, PROVIDER_LIMITS='{"luma": {"jobs": 2}}')
    step = container.step(Generate)
    return replace(
        step,
        allowance=replace(step.allowance, rules=rules),
        after_order=replace(step.after_order, caps=rules.caps),
    )


def claimed(aws: Aws) -> Job:
    return aws.ledger.claim(make_job(estimate_usd=Decimal("0.15")))


def committed(table: Table, period: str = f"{NOW:%Y-%m-%d}") -> Decimal:
    """What is spent or set aside in that day or month."""
    item = table.get(f"BUDGET#{period}")
    return item["committed_usd"] if item else Decimal(0)
