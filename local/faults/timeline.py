"""What happens when: a queue of things to do on the clock of the play."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime
from itertools import count

from local.faults.provider import Clock, Providers


class Timeline:
    """Moves the clock, and with it the providers, to whatever is due next."""

    def __init__(self, clock: Clock, providers: Providers) -> None:
        self._clock = clock
        self._providers = providers
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def restart(self, moment: datetime) -> None:
        self._due.clear()
        self._clock.restart(moment)

    def now(self) -> float:
        return self._clock.now()

    def moment(self) -> datetime:
        return self._clock.moment()

    @property
    def next_at(self) -> float | None:
        return self._due[0][0] if self._due else None

    def after(self, seconds: float, action: Callable[[], None]) -> int:
        """Do `action` in so many seconds, after everything that is due before or then.

        Returns a number to `cancel` it by.
        """
        number = next(self._order)
        heapq.heappush(self._due, (self.now() + seconds, number, action))
        return number

    def cancel(self, number: int) -> None:
        self._due = [due for due in self._due if due[1] != number]
        heapq.heapify(self._due)

    def run(self, until: float | None = None) -> None:
        """Do what is due, in order, up to a moment (seconds since 1970) or to the last."""
        while self._due and (until is None or self._due[0][0] <= until):
            moment, _, action = heapq.heappop(self._due)
            self.move_to(moment)
            action()
        if until is not None:
            self.move_to(until)

    def move_to(self, moment: float) -> None:
        if moment > self.now():
            self._providers.advance(moment - self.now())
