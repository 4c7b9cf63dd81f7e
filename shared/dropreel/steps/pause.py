"""An operator pauses all orders, or lets them go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self

from dropreel.ledger.pause import Pause, Pauses
from dropreel.ledger.slots import Slots, SlotSettings
from dropreel.mail.alerts import Alerts
from dropreel.mail.publisher import OperatorsSettings
from dropreel.providers.catalog import CATALOG
from dropreel.settings import TableSettings

if TYPE_CHECKING:
    from dropreel.container import Container


class PauseSettings(TableSettings, SlotSettings, OperatorsSettings):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseOrders:
    """What an operator's `pause` and `unpause` do. Both may be repeated."""

    pauses: Pauses
    slots: Slots
    alerts: Alerts
    now: Callable[[], datetime]

    @classmethod
    def build(cls, container: Container) -> Self:
        container.settings(PauseSettings)
        return cls(
            pauses=Pauses(container.table),
            slots=container.slots,
            alerts=container.alerts,
            now=container.now,
        )

    def read(self) -> Pause:
        return self.pauses.read()

    def pause(self, by: str, reason: str = "") -> Pause:
        """No order begins after this has returned. The operators are mailed once for each pause."""
        pause = self.pauses.begin(int(self.now().timestamp()), by, reason)
        self.alerts.paused(pause)
        return pause

    def unpause(self, by: str) -> Pause:
        """Let orders go on, and wake who waits for a slot. Returns the pause that has ended."""
        pause = self.pauses.read()
        if pause and self.pauses.end(pause, int(self.now().timestamp())):
            self.alerts.unpaused(pause, by)
        for provider in CATALOG:
            self.slots.serve(provider)
        return pause
