"""Settings: models of environment variables, read once and never at import.

Field names are the variables' names in lower case; `template.yaml` sets exactly these. What a
function needs in all stands in its step module, as a class made of the groups of the rooms it uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from dropreel.errors import SettingsError


def _listed(value: Any) -> Any:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


Listed = BeforeValidator(_listed)  # a variable that holds a list, separated by commas


class Settings(BaseModel):
    """Base of all settings: each model is built when it is first read."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables this class names. Raises SettingsError naming those that are wrong."""
        names = {name.upper(): name for name in cls.model_fields}
        found = {field: environment[name] for name, field in names.items() if name in environment}
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            wrong = ", ".join(sorted({str(item["loc"][0]).upper() for item in error.errors()}))
            raise SettingsError(f"missing or wrong environment variables: {wrong}") from None


class TableSettings(Settings):
    ledger_table: str


class ClipsSettings(Settings):
    clips_bucket: str


class LedgerSettings(TableSettings, ClipsSettings):
    """What every function needs that works on jobs."""
