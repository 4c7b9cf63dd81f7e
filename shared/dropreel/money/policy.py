"""The operator's rules for spending, and what they say to one order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, Json

from dropreel.drops.selection import unconfirmed
from dropreel.jobs.failure import ROWS, FailureKind, JobFailure
from dropreel.jobs.job import Job
from dropreel.money.budget import Caps
from dropreel.money.pricing import PriceList, PriceOverrides
from dropreel.providers.catalog import CATALOG, ProviderName
from dropreel.settings import Listed, Settings


@dataclass(frozen=True, slots=True)
class SpendingRules:
    """Kill switch, caps, prices and failover, as the stack's parameters say.

    `wait_for_day`: what would pass the day's cap waits for the next day.
    """

    caps: Caps
    prices: PriceList
    paid_calls: bool = True
    unknown_prices: bool = False
    failover: Sequence[str] = ()
    wait_for_day: bool = False

    def refusal(self, job: Job) -> JobFailure | None:
        """What forbids this order whatever the budget holds, or None."""
        if not self.paid_calls:
            message = "paid calls are off in this installation"
            return JobFailure.of(FailureKind.PAID_CALLS_OFF, message)
        if self.caps.off:
            message = f"{self.caps.off} is 0 in this installation"
            return JobFailure.of(FailureKind.PAID_CALLS_OFF, message)
        price = job.estimate_usd
        if price is not None:
            return self._over_cap(job, price)
        if self.unknown_prices:
            return None
        words = f"{job.settings.duration} {job.settings.resolution} at {job.provider}"
        return JobFailure.of(FailureKind.UNKNOWN_PRICE, f"nobody knows the price of {words}")

    def _over_cap(self, job: Job, price: Decimal) -> JobFailure | None:
        if job.max_cost_usd is not None and price > job.max_cost_usd:
            allowed = f"the sidecar allows at most ${job.max_cost_usd:.2f}"
        elif price > self.caps.job:
            allowed = f"a single clip may cost at most ${self.caps.job:.2f}"
        else:
            return None
        message = f"this clip costs about ${price:.2f}; {allowed}"
        return JobFailure.of(FailureKind.OVER_CAP, message)

    def next_provider(self, job: Job, kind: FailureKind) -> Job | None:
        """The job at the next provider, once, if the refusal is of a kind that another cures."""
        if job.first_provider or not ROWS[kind].cured_elsewhere:
            return None
        for name in self.failover:
            moved = self._at(job, name)
            if name != job.provider and _able(name, job) and not self.refusal(moved):
                return moved
        return None

    def _at(self, job: Job, provider: str) -> Job:
        settings = job.settings
        price = self.prices.estimate(provider, settings.resolution, settings.duration)
        doubtful = unconfirmed(provider, settings, settings.aspect_ratio)
        return replace(
            job,
            provider=provider,
            first_provider=job.provider,
            provider_job_id="",
            estimate_usd=price,
            unconfirmed=doubtful,
        )


class CapSettings(Settings):
    """Caps in US dollars; days and months are those of UTC. 0 stops all orders."""

    job_cap_usd: Annotated[Decimal, Field(ge=0)]
    daily_cap_usd: Annotated[Decimal, Field(ge=0)]
    monthly_cap_usd: Annotated[Decimal, Field(ge=0)]

    def caps(self) -> Caps:
        return Caps(self.job_cap_usd, self.daily_cap_usd, self.monthly_cap_usd)


class SpendingSettings(CapSettings):
    """The operator's rules for money."""

    allow_paid_calls: bool
    allow_unknown_prices: bool
    price_overrides: Json[PriceOverrides] = Field(default_factory=dict)
    failover_providers: Annotated[tuple[ProviderName, ...], Listed] = ()
    over_daily_cap: Literal["refuse", "wait"] = "refuse"

    def rules(self) -> SpendingRules:
        return SpendingRules(
            caps=self.caps(),
            prices=PriceList(self.price_overrides),
            paid_calls=self.allow_paid_calls,
            unknown_prices=self.allow_unknown_prices,
            failover=self.failover_providers,
            wait_for_day=self.over_daily_cap == "wait",
        )


def _able(provider: str, job: Job) -> bool:
    able, settings = CATALOG[provider].capability, job.settings
    return (
        settings.aspect_ratio in able.ratios
        and settings.resolution in able.resolutions
        and settings.duration in able.durations
        and (able.references or not settings.reference_image_urls)
    )


def reserved_amount(job: Job) -> Decimal:
    """What to set aside for an order: its estimate, nothing where the price is unknown."""
    return job.estimate_usd if job.estimate_usd is not None else Decimal(0)
