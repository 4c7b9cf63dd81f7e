"""Settings of the functions: one model per function, read once from its environment.

Field names are the variables' names in lower case; `template.yaml` sets exactly these.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Json, ValidationError

from dropreel.errors import SettingsError
from dropreel.jobs.options import Duration, ProviderName, Resolution
from dropreel.money.budget import Caps
from dropreel.money.policy import SpendingRules
from dropreel.money.pricing import PriceList
from dropreel.providers.config import ProviderOptions
from dropreel.providers.limits import Limit
from dropreel.waiting.schedule import LONGEST_WATCH_S

Price = Annotated[Decimal, Field(ge=0)]
PriceOverrides = Mapping[ProviderName, Mapping[Duration, Mapping[Resolution, Price]]]


def _listed(value: Any) -> Any:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


_Listed = BeforeValidator(_listed)


class Settings(BaseModel):
    """Base of all settings. A function builds its own alone, and not before it reads it."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    @classmethod
    def from_environment(cls) -> Self:
        """Read the variables this class names. Raises SettingsError naming those that are wrong."""
        names = {name.upper(): name for name in cls.model_fields}
        found = {field: os.environ[name] for name, field in names.items() if name in os.environ}
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            wrong = ", ".join(sorted({str(item["loc"][0]).upper() for item in error.errors()}))
            raise SettingsError(f"missing or wrong environment variables: {wrong}") from None


class TableSettings(Settings):
    ledger_table: str


class LedgerSettings(TableSettings):
    clips_bucket: str


class NoticeSettings(Settings):
    results_topic_arn: str
    aws_region: str


class DigestSettings(NoticeSettings):
    """Above so many mails per minutes one digest is sent, by a message that waits in the queue."""

    ingest_queue_url: str
    digest_above: Annotated[int, Field(ge=0)]  # 0: never
    digest_minutes: Annotated[int, Field(ge=1, le=14)]  # a message waits 15 minutes at most


class ProviderSettings(Settings):
    provider_keys_secret: str
    provider_options: Json[ProviderOptions] = Field(default_factory=ProviderOptions)


class SlotSettings(Settings):
    job_deadline_minutes: Annotated[int, Field(ge=1)]
    provider_limits: Json[Mapping[ProviderName, Limit]] = Field(default_factory=dict)


class CapSettings(Settings):
    """Caps in US dollars; days and months are those of UTC."""

    job_cap_usd: Annotated[Decimal, Field(gt=0)]
    daily_cap_usd: Annotated[Decimal, Field(gt=0)]
    monthly_cap_usd: Annotated[Decimal, Field(gt=0)]

    def caps(self) -> Caps:
        return Caps(self.job_cap_usd, self.daily_cap_usd, self.monthly_cap_usd)


class SpendingSettings(CapSettings):
    """The operator's rules for money."""

    allow_paid_calls: bool
    allow_unknown_prices: bool
    price_overrides: Json[PriceOverrides] = Field(default_factory=dict)
    failover_providers: Annotated[tuple[ProviderName, ...], _Listed] = ()

    def rules(self) -> SpendingRules:
        return SpendingRules(
            caps=self.caps(),
            prices=PriceList(self.price_overrides),
            paid_calls=self.allow_paid_calls,
            unknown_prices=self.allow_unknown_prices,
            failover=self.failover_providers,
        )


class SubmitSettings(LedgerSettings, DigestSettings):
    inbox_bucket: str
    thumbnail_function: str
    state_machine_arn: str
    providers: Annotated[tuple[ProviderName, ...], _Listed, Field(min_length=1)]
    sidecar_grace_seconds: Annotated[int, Field(ge=0, le=900)]
    price_overrides: Json[PriceOverrides] = Field(default_factory=dict)


class ThumbnailSettings(Settings):
    clips_bucket: str


class WidgetSettings(LedgerSettings):
    aws_region: str
    state_machine_arn: str


class WaitSettings(TableSettings, SlotSettings):
    """What the `slot` function needs."""


class WatchSettings(Settings):
    watch_seconds: Annotated[int, Field(ge=0, le=LONGEST_WATCH_S)]


class GenerateSettings(
    LedgerSettings, ProviderSettings, SlotSettings, SpendingSettings, WatchSettings
):
    operators_topic_arn: str
    source_url_seconds: Annotated[int, Field(ge=60)]


class PollSettings(LedgerSettings, ProviderSettings, SlotSettings, WatchSettings):
    max_orders_per_job: Annotated[int, Field(ge=1)]


class SweepSettings(LedgerSettings, ProviderSettings, SlotSettings, NoticeSettings, CapSettings):
    operators_topic_arn: str
    state_machine_arn: str
    cancel_stalled_orders: bool


class FinalizeSettings(LedgerSettings, DigestSettings):
    operators_topic_arn: str
    max_clip_megabytes: Annotated[int, Field(ge=1)]
    trusted_result_origins: Annotated[frozenset[str], _Listed] = frozenset()
