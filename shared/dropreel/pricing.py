"""What a clip is expected to cost, from the dated table `prices.json`. US dollars, Decimal."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import cache
from pathlib import Path

PRICES = Path(__file__).with_name("prices.json")


def estimate(provider: str, resolution: str, duration: str) -> Decimal | None:
    """The expected price of one clip, or None where the table has none."""
    return _table().get((provider, resolution, duration))


@cache
def _table() -> dict[tuple[str, str, str], Decimal]:
    rows = json.loads(PRICES.read_text(encoding="utf-8"))["clips"]
    return {
        (row["provider"], resolution, row["duration"]): Decimal(row[resolution])
        for row in rows
        for resolution in ("540p", "720p", "1080p")
        if resolution in row
    }
