"""How many jobs a provider takes at once, and how many orders in a minute.

Sources: the providers' pages, 2026-11. fal queues what is too much; elsewhere it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Limit(BaseModel):
    """One provider's limits; no `orders_per_minute` means that none is stated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    jobs: Annotated[int, Field(ge=1, le=500)] = 10
    orders_per_minute: Annotated[int, Field(ge=1, le=600)] | None = None


DEFAULTS = {
    "eachlabs": Limit(),
    "fal": Limit(),
    "luma": Limit(orders_per_minute=30),
    "oxen": Limit(),
}


def limit_of(provider: str, overrides: Mapping[str, Limit]) -> Limit:
    return overrides.get(provider) or DEFAULTS[provider]
