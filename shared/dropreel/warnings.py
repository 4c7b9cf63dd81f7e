"""What the operator is told before it is too late, once per cause. Never a reason to fail a job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from botocore.exceptions import BotoCoreError, ClientError

from dropreel.breaker import Opened
from dropreel.budget import Spending
from dropreel.jobs import utc_iso
from dropreel.mail import Mail, operator_warning
from dropreel.notices import Notifier
from dropreel.observability import MetricUnit, logger, measure, metrics
from dropreel.telling import Notices, Telling

WARN_AT = Decimal("0.8")


def report_spending(spendings: Sequence[Spending]) -> None:
    """Note how the budget stands, for dashboard and alarm: first the day, then the month."""
    measure("SpentToday", float(spendings[0].committed))
    measure("BudgetUsed", float(100 * max(one.share for one in spendings)), MetricUnit.Percent)


class Warnings:
    """Sends warnings to the operators' topic."""

    def __init__(
        self,
        notices: Notices,
        operators: Notifier,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._notices = notices
        self._operators = operators
        self._now = now

    def check_budget(self, spendings: Sequence[Spending]) -> None:
        """Warn once per period when 80 % of its cap are committed."""
        report_spending(spendings)
        for spending in spendings:
            if spending.share >= WARN_AT:
                text = (
                    f"${spending.committed:.2f} of the ${spending.cap:.2f} allowed for "
                    f"{spending.period} (UTC) are used or reserved."
                )
                mail = operator_warning(
                    f"{spending.share:.0%} of the budget of {spending.period} are used",
                    text,
                    "Raise the cap with the stack's parameters, or let jobs be refused when it "
                    "is reached.",
                )
                self._warn(f"budget-{spending.period}-80", mail)

    def cap_reached(self, spending: Spending) -> None:
        """Warn once per period that jobs are being refused."""
        text = (
            f"Of the ${spending.cap:.2f} allowed for {spending.period} (UTC), "
            f"${spending.committed:.2f} are used or reserved. Jobs that would pass it are refused."
        )
        mail = operator_warning(
            f"the budget of {spending.period} is used up",
            text,
            "Raise the cap with the stack's parameters, or wait for the next period. Then the "
            "refused files have to be dropped again.",
        )
        self._warn(f"budget-{spending.period}-100", mail)

    def breaker_opened(self, opened: Opened) -> None:
        """Warn that a provider is not asked for a while."""
        mail = operator_warning(
            f"{opened.provider} does not work",
            f"{opened.failures} orders in a row failed at {opened.provider}. "
            f"Last reason: {opened.reason}",
            "Check key, credit and status of this provider. Jobs wait; one of them tries again "
            "every few minutes.",
        )
        self._warn(f"breaker-{opened.provider}-{opened.until}", mail)
        metrics.add_metric("ProviderStopped", MetricUnit.Count, 1)

    def _warn(self, notice: str, mail: Mail) -> None:
        try:
            if self._notices.begin(notice, self._now().timestamp()) is Telling.MINE:
                self._operators.send(mail)
                self._notices.end(notice, utc_iso(self._now()))
        except (BotoCoreError, ClientError):
            logger.exception("a warning could not be sent", notice=notice)
