"""Settings of the functions: one model per function, read once from its environment.

Field names are the variables' names in lower case; `template.yaml` sets exactly these.
"""

from __future__ import annotations

import os
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Json, ValidationError

from dropreel.errors import SettingsError
from dropreel.providers.options import ProviderOptions
from dropreel.sidecar import ProviderName


def _listed(value: Any) -> Any:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


_Listed = BeforeValidator(_listed)


class Settings(BaseModel):
    """Base of all settings."""

    model_config = ConfigDict(frozen=True, extra="ignore")

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


class LedgerSettings(Settings):
    ledger_table: str
    clips_bucket: str


class NoticeSettings(Settings):
    results_topic_arn: str
    aws_region: str


class ProviderSettings(Settings):
    provider_keys_secret: str
    provider_options: Json[ProviderOptions] = ProviderOptions()


class SubmitSettings(LedgerSettings, NoticeSettings):
    inbox_bucket: str
    ingest_queue_url: str
    state_machine_arn: str
    providers: Annotated[tuple[ProviderName, ...], _Listed, Field(min_length=1)]
    sidecar_grace_seconds: Annotated[int, Field(ge=0, le=900)]


class GenerateSettings(LedgerSettings, ProviderSettings):
    job_deadline_minutes: Annotated[int, Field(ge=1)]
    source_url_seconds: Annotated[int, Field(ge=60)]


class PollSettings(LedgerSettings, ProviderSettings):
    pass


class FinalizeSettings(LedgerSettings, NoticeSettings, ProviderSettings):
    operators_topic_arn: str
    max_clip_megabytes: Annotated[int, Field(ge=1)]
    trusted_result_origins: Annotated[frozenset[str], _Listed] = frozenset()
