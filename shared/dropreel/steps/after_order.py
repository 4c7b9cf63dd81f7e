"""After an order: what its answer changes at the circuit breaker, and the operator alerts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Self

from botocore.exceptions import BotoCoreError, ClientError

from dropreel.errors import ContentionError
from dropreel.jobs.failure import FailureKind
from dropreel.jobs.job import Job
from dropreel.ledger.breaker import Breaker
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.slots import Slots
from dropreel.mail.alerts import Alerts
from dropreel.money.budget import Caps
from dropreel.observability import logger
from dropreel.providers.base import Busy, Failure, Refused, SubmitOutcome
from dropreel.providers.catalog import CATALOG
from dropreel.providers.checkup import model_finding

if TYPE_CHECKING:
    from dropreel.container import Container

_AWAY = (BotoCoreError, ClientError, ContentionError)


@dataclass(frozen=True, slots=True)
class AfterOrder:
    """What is done once the answer to an order is safe in the ledger."""

    ledger: Ledger
    slots: Slots
    breaker: Breaker
    alerts: Alerts
    caps: Caps
    now: Callable[[], datetime]

    @classmethod
    def build(cls, container: Container, caps: Caps) -> Self:
        breaker, alerts = Breaker(container.table), container.alerts
        return cls(container.ledger, container.slots, breaker, alerts, caps, container.now)

    def _is_full_house(self, job: Job, answer: SubmitOutcome) -> bool:
        """No credit beside what the jobs under way take up: that is no outage."""
        short = isinstance(answer, Busy) and answer.failure.kind is FailureKind.NO_CREDIT
        return short and self.slots.holders(job.provider) > 0

    def _alert_of_model(self, provider: str, failure: Failure) -> None:
        """Once a day, as the checkup does: a job that moves to another provider tells nobody."""
        finding = model_finding(failure, CATALOG[provider].capability)
        self.alerts.provider_changed(provider, "model", finding, f"{self.now():%Y-%m-%d}")

    def note(self, job: Job, answer: SubmitOutcome) -> None:
        """Breaker and alerts come after the answer is safe, and never in its way."""
        try:
            if not self._is_full_house(job, answer):
                opened = self.breaker.note(job.provider, answer, self.now().timestamp())
                if opened:
                    self.alerts.breaker_opened(opened)
            if isinstance(answer, Refused) and answer.failure.kind is FailureKind.NO_MODEL:
                self._alert_of_model(job.provider, answer.failure)
            if job.reservation and job.reservation.amount_usd:
                self.alerts.check_budget(self.ledger.spending(job.reservation, self.caps))
        except _AWAY:
            logger.exception("breaker or alerts could not be updated")
