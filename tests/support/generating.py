"""A `Generate` step on in-process AWS, and jobs for it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from dropreel.jobs.job import Job
from dropreel.ledger.breaker import Breaker
from dropreel.mail.alerts import Alerts
from dropreel.money.budget import Caps
from dropreel.money.policy import SpendingRules
from dropreel.money.pricing import PriceList
from dropreel.providers.catalog import Limit
from dropreel.steps.generate import Generate
from tests.support.aws import Aws, Clock, FakeProvider, make_job

CAPS = Caps(job=Decimal(5), day=Decimal(25), month=Decimal(250))


RULES = SpendingRules(caps=CAPS, prices=PriceList())


def make_generation(
    aws: Aws, provider: FakeProvider, clock: Clock, rules: SpendingRules = RULES
) -> Generate:
    return Generate(
        ledger=aws.ledger,
        clips=aws.clips,
        provider=lambda _: provider,
        watcher=aws.watcher(clock),
        rules=rules,
        breaker=Breaker(aws.table),
        alerts=Alerts(aws.send_once, aws.publisher(aws.operators), clock),
        slots=aws.slots(clock, luma=Limit(jobs=2)),
        deadline=timedelta(minutes=60),
        source_url_seconds=600,
        now=clock,
    )


def claimed(aws: Aws) -> Job:
    return aws.ledger.claim(make_job(estimate_usd=Decimal("0.15")))
