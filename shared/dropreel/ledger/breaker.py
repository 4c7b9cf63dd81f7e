"""The circuit breaker of each provider: after repeated outages nothing is ordered for a while.

The same item holds a provider's rate limit: until when it takes no orders, by its own word.

Invariants: (1) while the breaker is half-open one job at a time orders, because the right to probe
is taken with a conditional write; it never blocks for good, as a probe that dies loses that right
after PROBE_S. (2) Nobody shortens a rate limit, because it is written only over an earlier time.

Item: BREAKER#<provider> with `failures` in a row, `openings` since the provider worked last,
`open_until`, who is probing, and `limited_until`. Closed: order. Open: wait; what fails now was
ordered before and counts no more. Half-open, when the time is over: one orders (the probe), the
others wait for it. Times are unix seconds.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass

from boto3.dynamodb.conditions import Attr

from dropreel.errors import ConditionFailedError
from dropreel.jobs.failure import ROWS
from dropreel.ledger.table import Item, Table, Update
from dropreel.providers.base import Accepted, Busy, Limited, Refused, SubmitOutcome

THRESHOLD = 3  # failures in a row
OPEN_S = 120
LONGEST_OPEN_S = 1800
PROBE_S = 120  # after this a probe counts as dead
RATE_LIMIT_S = 15  # of a provider that does not say how long


@dataclass(frozen=True, slots=True)
class Opened:
    """The breaker has just opened: the operator gets one alert."""

    provider: str
    failures: int
    until: int
    reason: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Nothing is ordered now, but in so many seconds. `limited`: the provider works, and has named
    the time itself; else the last `reason` is told where people ask."""

    seconds: int
    limited: bool = False
    reason: str = ""


class Breaker:
    """One breaker per provider."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def stopped(self, provider: str, owner: str, now: float) -> Stopped | None:
        """None to order now, else how long to wait before asking here again."""
        item = self._table.get(_key(provider)) or {}
        limited_s = math.ceil(item.get("limited_until", 0) - now)
        if limited_s > 0:
            return Stopped(limited_s, limited=True)
        if item.get("failures", 0) < THRESHOLD:
            return None
        if now < item.get("open_until", 0):
            return Stopped(max(1, int(item["open_until"] - now)))
        return None if self._probe(provider, owner, now) else Stopped(PROBE_S // 4)

    def state(self, provider: str, now: float) -> Stopped | None:
        """How it stands, for people: None while orders go, or one may try whether they do."""
        item = self._table.get(_key(provider)) or {}
        open_s = item.get("open_until", 0) - now
        if open_s > 0:
            return Stopped(math.ceil(open_s), reason=item.get("last_failure", ""))
        limited_s = item.get("limited_until", 0) - now
        return Stopped(math.ceil(limited_s), limited=True) if limited_s > 0 else None

    def _limit(self, provider: str, until: float) -> None:
        """The latest time that the provider has named counts."""
        earlier = Attr("limited_until").not_exists() | Attr("limited_until").lt(math.ceil(until))
        update = Update(_key(provider), sets={"limited_until": math.ceil(until)}, condition=earlier)
        with suppress(ConditionFailedError):
            self._table.update(update)

    def note(self, provider: str, outcome: SubmitOutcome, now: float) -> Opened | None:
        """Learn from an answer; returns Opened to the one whose failure opened the breaker."""
        if isinstance(outcome, Busy) and (seconds := limited_s(outcome)):
            self._limit(provider, now + seconds)
        if not is_outage(outcome):  # also for a 429: the provider works
            self._close(provider)
            return None
        if now < (self._table.get(_key(provider)) or {}).get("open_until", 0):
            return None  # ordered before it opened: nothing new
        reason = "" if isinstance(outcome, Accepted) else outcome.failure.message
        item = self._table.update(
            Update(_key(provider), sets={"last_failure": reason}, adds={"failures": 1})
        )
        return None if item["failures"] < THRESHOLD else self._open(provider, item, now)

    def _open(self, provider: str, item: Item, now: float) -> Opened | None:
        """Each failed probe doubles the pause. Only the first opening alerts."""
        openings = item.get("openings", 0)
        until = int(now + min(LONGEST_OPEN_S, OPEN_S * 2 ** min(openings, 10)))
        opening = Update(
            _key(provider),
            sets={"open_until": until},
            adds={"openings": 1},
            removes=["probe", "probe_until"],
            condition=Attr("open_until").not_exists() | Attr("open_until").lte(int(now)),
        )
        try:
            self._table.update(opening)
        except ConditionFailedError:  # another order's failure has just opened it
            return None
        return None if openings else Opened(provider, item["failures"], until, item["last_failure"])

    def _probe(self, provider: str, owner: str, now: float) -> bool:
        update = Update(
            _key(provider),
            sets={"probe": owner, "probe_until": int(now + PROBE_S)},
            condition=Attr("probe").not_exists()
            | Attr("probe").eq(owner)
            | Attr("probe_until").lt(int(now)),
        )
        try:
            self._table.update(update)
        except ConditionFailedError:
            return False
        return True

    def _close(self, provider: str) -> None:
        """Forget failures, if there are any: most answers cost no write."""
        if (self._table.get(_key(provider)) or {}).get("failures"):
            reset = ["open_until", "openings", "probe", "probe_until", "last_failure"]
            self._table.update(Update(_key(provider), sets={"failures": 0}, removes=reset))


def limited_s(busy: Busy) -> float:
    """How long its provider takes no orders from anybody; 0 where it has not said so."""
    if busy.limited is not Limited.RATE:
        return 0
    return RATE_LIMIT_S if busy.retry_after is None else max(1, busy.retry_after)


def is_outage(outcome: SubmitOutcome) -> bool:
    """Whether this answer, or its absence, says that the provider cannot work for anybody."""
    match outcome:
        case Accepted():
            return False
        case Busy(failure) | Refused(failure):
            return ROWS[failure.kind].outage
        case _:
            return True


def _key(provider: str) -> str:
    return f"BREAKER#{provider}"
