"""How long items are kept that nobody needs any longer after a while.

DynamoDB deletes an item some days after `expires_at` (unix seconds), its attribute for that. Jobs,
budgets and newest drops have none: they keep a clip from being bought twice.
"""

from __future__ import annotations

from datetime import datetime, timedelta

TOKEN_DAYS = 14  # an execution lives for seven at most
MAIL_DAYS = 90  # longer than anything is sent again by itself
MISSED_DAYS = 30  # longer than a missed drop is searched for


def expires_at(now: datetime | float, days: int) -> int:
    """`now` as a moment, or in unix seconds."""
    seconds = now if isinstance(now, float | int) else now.timestamp()
    return int(seconds + timedelta(days=days).total_seconds())
