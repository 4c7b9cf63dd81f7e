"""A job joins the line of its provider, and goes on when it holds a slot or is cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from dropreel.ledger.jobs import Ledger
from dropreel.ledger.slots import Slots
from dropreel.steps.outcomes import SlotEvent

if TYPE_CHECKING:
    from dropreel.container import Container


class Slot:
    """What the `slot` function does with one job. Its execution goes on when it is woken."""

    def __init__(self, ledger: Ledger, slots: Slots) -> None:
        self._ledger = ledger
        self._slots = slots

    @classmethod
    def build(cls, container: Container) -> Self:
        return cls(container.ledger, container.slots)

    def handle(self, event: SlotEvent) -> None:
        self._slots.join(self._ledger.require(event.job_id), event.token)
        job = self._ledger.require(event.job_id)  # who cancels marks the job first, then wakes it
        if job.cancel_requested:
            self._slots.wake_up(job)
