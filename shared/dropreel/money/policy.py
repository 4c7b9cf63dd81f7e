"""The operator's rules for spending, and what they say to one order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from dropreel.drops.selection import CAPABILITIES, unconfirmed
from dropreel.jobs.job import Job
from dropreel.money.budget import Caps
from dropreel.money.pricing import PriceList

# After these a verified refusal says nothing about the image or the prompt.
_CURED_ELSEWHERE = frozenset({"auth", "no_credit", "throttled", "unreachable", "transient"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an order may not be made. `kind` is one that mails know advice for."""

    kind: str
    message: str

    def facts(self) -> dict[str, object]:
        return {"kind": self.kind, "message": self.message, "billed": False}


@dataclass(frozen=True, slots=True)
class SpendingRules:
    """Kill switch, caps, prices and failover, as the stack's parameters say."""

    caps: Caps
    prices: PriceList
    paid_calls: bool = True
    unknown_prices: bool = False
    failover: Sequence[str] = ()

    def refusal(self, job: Job) -> Refusal | None:
        """What forbids this order whatever the budget holds, or None."""
        if not self.paid_calls:
            return Refusal("paid_calls_off", "paid calls are off in this installation")
        price = job.estimate_usd
        if price is None:
            if self.unknown_prices:
                return None
            words = f"{job.settings.duration} {job.settings.resolution} at {job.provider}"
            return Refusal("unknown_price", f"nobody knows the price of {words}")
        if job.max_cost_usd is not None and price > job.max_cost_usd:
            text = f"the sidecar allows at most ${job.max_cost_usd:.2f}"
            return Refusal("over_cap", f"this clip costs about ${price:.2f}; {text}")
        if price > self.caps.job:
            text = f"a single clip may cost at most ${self.caps.job:.2f}"
            return Refusal("over_cap", f"this clip costs about ${price:.2f}; {text}")
        return None

    def next_provider(self, job: Job, kind: str) -> Job | None:
        """The job at the next provider, once, if the refusal is of a kind that another cures."""
        if job.first_provider or kind not in _CURED_ELSEWHERE:
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


def _able(provider: str, job: Job) -> bool:
    able, settings = CAPABILITIES[provider], job.settings
    return (
        settings.aspect_ratio in able.ratios
        and settings.resolution in able.resolutions
        and settings.duration in able.durations
        and (able.references or not settings.reference_image_urls)
    )


def reserved_amount(job: Job) -> Decimal:
    """What to set aside for an order: its estimate, nothing where the price is unknown."""
    return job.estimate_usd if job.estimate_usd is not None else Decimal(0)
