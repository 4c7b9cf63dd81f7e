"""What a clip is expected to cost: the dated table `prices.json` and the operator's overrides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from dropreel.jobs.options import Duration, Resolution
from dropreel.providers.catalog import ProviderName

PRICES = Path(__file__).with_name("prices.json")

# By provider, duration and resolution, in US dollars: {"luma": {"5s": {"540p": 0.15}}}
Price = Annotated[Decimal, Field(ge=0)]
PriceOverrides = Mapping[ProviderName, Mapping[Duration, Mapping[Resolution, Price]]]


_Overrides = Mapping[Any, Mapping[Any, Mapping[Any, Decimal]]]


class PriceList:
    """Prices of single clips in US dollars."""

    def __init__(self, overrides: _Overrides | None = None) -> None:
        self._overrides = overrides or {}
        table = json.loads(PRICES.read_text(encoding="utf-8"))
        self._rows = table["clips"]
        self.as_of: str = table["as_of"]

    def estimate(self, provider: str, resolution: str, duration: str) -> Decimal | None:
        """The expected price of one clip, or None where nobody knows it."""
        own = self._overrides.get(provider, {}).get(duration, {}).get(resolution)
        return own if own is not None else self._listed(provider, resolution, duration)

    def _listed(self, provider: str, resolution: str, duration: str) -> Decimal | None:
        for row in self._rows:
            if (row["provider"], row["duration"]) == (provider, duration) and resolution in row:
                return Decimal(row[resolution])
        return None
