"""Caps on spending, and money set aside for one order. Days and months are those of UTC."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from dropreel.errors import DropreelError


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that may be committed, in US dollars."""

    job: Decimal
    day: Decimal
    month: Decimal

    @property
    def off(self) -> str:
        """The parameter of a cap that is 0, which stops all orders; empty if there is none."""
        named = {"JobCapUsd": self.job, "DailyCapUsd": self.day, "MonthlyCapUsd": self.month}
        return next((name for name, cap in named.items() if not cap), "")


@dataclass(frozen=True, slots=True)
class Spending:
    """How much of a cap is committed."""

    period: str
    committed: Decimal
    cap: Decimal

    @property
    def share(self) -> Decimal:
        if not self.cap:  # nothing is ordered
            return Decimal(1 if self.committed else 0)
        return self.committed / self.cap


class CapReachedError(DropreelError):
    """The order would pass a cap. Nothing was reserved."""

    def __init__(self, spending: Spending, amount: Decimal, clips: int = 1) -> None:
        what = "this clip costs" if clips == 1 else f"these {clips} clips together cost"
        super().__init__(
            f"{what} about ${amount:.2f}; of the ${spending.cap:.2f} allowed for "
            f"{spending.period} (UTC), ${spending.committed:.2f} are used or reserved"
        )
        self.spending = spending
        self.amount = amount
        self.clips = clips
