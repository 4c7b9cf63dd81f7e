"""Operator alerts, sent once per cause. An alert that cannot be sent never fails a job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from botocore.exceptions import BotoCoreError, ClientError

from dropreel.jobs.job import utc_iso
from dropreel.ledger.breaker import Opened
from dropreel.ledger.pause import Pause
from dropreel.mail.message import Mail
from dropreel.mail.once import SendOnce, Turn
from dropreel.mail.operators import (
    budget_alert,
    cap_alert,
    change_alert,
    pause_alert,
    provider_alert,
    subscriber_alert,
    unpause_alert,
)
from dropreel.mail.publisher import Publisher
from dropreel.money.budget import Spending
from dropreel.observability import MetricUnit, logger, measure, metrics
from dropreel.providers.checkup import Finding

WARN_AT = Decimal("0.8")


def report_spending(spendings: Sequence[Spending]) -> None:
    """Measure how much of the budget is used: first the day, then the month; nothing of nothing."""
    if not any(one.committed for one in spendings):
        return
    measure("SpentToday", float(spendings[0].committed))
    measure("BudgetUsed", float(100 * max(one.share for one in spendings)), MetricUnit.Percent)


@dataclass(frozen=True, slots=True)
class Alerts:
    """Sends alerts to the operators' topic."""

    send_once: SendOnce
    operators: Publisher
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def check_budget(self, spendings: Sequence[Spending]) -> None:
        """Alert once per period when 80 % of its cap are committed."""
        report_spending(spendings)
        for spending in spendings:
            if spending.share >= WARN_AT:
                self._send(f"budget-{spending.period}-80", budget_alert(spending))

    def cap_reached(self, spending: Spending) -> None:
        """Alert once per period that jobs are being refused."""
        self._send(f"budget-{spending.period}-100", cap_alert(spending))

    def breaker_opened(self, opened: Opened) -> None:
        """Alert that nothing is ordered from a provider for a while."""
        mail = provider_alert(opened.provider, opened.failures, opened.reason)
        self._send(f"breaker-{opened.provider}-{opened.until}", mail)
        metrics.add_metric("ProviderStopped", MetricUnit.Count, 1)

    def provider_changed(self, provider: str, subject: str, finding: Finding, day: str) -> bool:
        """Alert that a key is not accepted any longer, or that a model has changed. False if the
        mail could not be sent."""
        mail = change_alert(provider, finding.words, finding.todo)
        return self._send(f"checkup-{provider}-{subject}-{day}", mail)

    def paused(self, pause: Pause) -> None:
        """Alert that nothing is ordered until an operator lets orders go on."""
        self._send(f"pause-{pause.since:.0f}", pause_alert(pause))

    def unpaused(self, pause: Pause, by: str) -> None:
        """Alert that orders are no longer paused."""
        self._send(f"pause-{pause.since:.0f}-over", unpause_alert(pause, by))

    def nobody_subscribed(self) -> None:
        """Alert once a week that nobody receives the results."""
        year, week, _ = self.now().isocalendar()
        self._send(f"unsubscribed-{year}-{week:02}", subscriber_alert())

    def _send(self, mail_id: str, mail: Mail) -> bool:
        """Whether it is sent, now or before."""
        try:
            turn = self.send_once.begin(mail_id, self.now().timestamp())
            if turn is Turn.OURS:
                self.operators.send(mail)
                self.send_once.end(mail_id, utc_iso(self.now()))
        except (BotoCoreError, ClientError):
            logger.exception("an operator alert could not be sent", mail_id=mail_id)
            return False
        return turn is not Turn.BUSY
