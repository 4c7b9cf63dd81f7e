"""Slots: which jobs may order at a provider now, and which wait in its line for their turn.

Invariants: (1) no grant takes the holders over the limit, because it is conditional on the version
that was read, and only grants add holders; (2) no job waits beside a free slot, because whoever
joins the line looks for a free slot afterwards, and whoever leaves hands its slot over, or frees
it and looks at the line afterwards, all with consistent reads. If a function dies in between,
the sweep (`heal`) or the end of the lease repairs it. While orders are paused nobody is granted a
slot: who ends the pause looks at all lines afterwards.

Items: SLOTS#<provider>, who holds a slot (`hold_<job id>`: until when; `turn_<job id>`: not to
order before), with a version for optimistic locking of grants; WAITING#<provider> <place>, one job
in line, first place first; PARKED#<job id>, its task token and the one before. A hold that outlives
its lease is free again. Times are unix seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Annotated, Any

from boto3.dynamodb.conditions import Attr
from pydantic import Field, Json

from dropreel.errors import ConditionFailedError, ContentionError
from dropreel.jobs.job import ENDS, Job, State
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.lifetimes import TOKEN_DAYS, expires_at
from dropreel.ledger.pause import Pauses
from dropreel.ledger.table import Delete, Item, Table, Update
from dropreel.observability import gauge, logger
from dropreel.providers.catalog import Limit, ProviderName, limit_of
from dropreel.settings import Settings

BELIEVED_S = 600  # how long a provider's "too many" counts before more jobs are tried again
WINDOW_S = 60  # of the limit of orders per minute
PLACES = {"high": 1, "normal": 5, "low": 9}
_HOLD = "hold_"
_TRIES = 40  # twice the grants that fill 500 slots, as some are in vain
_TURN = "turn_"
_PATIENCE_S = 86400  # of who waits in a pause; a task waits two days for its token at most
# Jobs woken by one transaction: each adds a hold and a turn of 67 characters to an update
# expression, of which DynamoDB takes 4 KB, and a write, of which it takes 100.
_MOST_AT_ONCE = 25

# Wakes the execution that waits with a task token; False if none waits with it any longer.
Wake = Callable[[str, Mapping[str, Any]], bool]


class SlotSettings(Settings):
    job_deadline_minutes: Annotated[int, Field(ge=1)]
    provider_limits: Json[Mapping[ProviderName, Limit]] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The state of one provider's slots, as read."""

    provider: str
    item: Item
    limit: Limit
    now: float

    @property
    def holds(self) -> dict[str, int]:
        named = {name: until for name, until in self.item.items() if name.startswith(_HOLD)}
        return {name.removeprefix(_HOLD): until for name, until in named.items()}

    @property
    def free(self) -> int:
        allowed = self.limit.jobs
        if self.now < self.item.get("shrunk_until", 0):
            allowed = min(allowed, self.item["shrunk_to"])
        return allowed - len(self.holds)

    @property
    def orders(self) -> list[float]:
        """When the newest orders were, or will be, made: as many as one minute allows."""
        return list(self.item.get("orders", ()))[-(self.limit.orders_per_minute or 1) :]

    def turn_of(self, job_id: str) -> float:
        """Before when a holder may not order, 0 if it may at any time."""
        return float(self.item.get(f"{_TURN}{job_id}", 0))

    def turns(self, count: int) -> list[float]:
        """When each of the next `count` orders may be made."""
        most, orders = self.limit.orders_per_minute, self.orders
        for _ in range(count):
            crowded = most is not None and len(orders) >= most
            orders.append(max(self.now, orders[-most] + WINDOW_S) if crowded and most else self.now)
        return orders[-count:]


@dataclass(frozen=True, slots=True)
class Slots:
    """The slots of all providers."""

    table: Table
    limits: Mapping[str, Limit]
    wake: Wake
    lease_s: int
    now: Callable[[], float]

    def join(self, job: Job, token: str) -> None:
        """Put the job in line; its execution is woken through `token`, at once if a slot is free.

        May be repeated: a job has one place in line, and its newest token counts.
        """
        self._keep_token(job.job_id, token)
        snapshot = self._read(job.provider)
        if job.job_id in snapshot.holds:
            self._wake_up(job.job_id, snapshot.turn_of(job.job_id))
            return
        # This job got the 429 that lowered the limit. It is back, so one more job may try.
        if snapshot.item.get("closed_by") == job.job_id:
            self._try_one_more(snapshot)
        self.table.put(_place(job), {"job_id": job.job_id})
        self._serve_and_count(job.provider)

    def release(self, job: Job) -> None:
        """The provider does not work on the job any longer: the next may go. May be repeated."""
        if not self._hand_over(job.provider, job.job_id):
            self._free(job.provider, job.job_id)
        # Also when repeated: the first time may not have come so far.
        self._serve_and_count(job.provider)

    def back_off(self, job: Job, seconds: float, *, full: bool) -> None:
        """Give the slot back, and let fewer jobs go for a while.

        `full`: the provider takes no more jobs than it has, which are at most those of the other
        holders. Else nobody goes before `seconds` have passed. When this job is back in line, one
        more may try.
        """
        self._free(job.provider, job.job_id)
        snapshot = self._read(job.provider)
        # Without `full` nobody may go until then: a rate limit or an outage meets every job.
        others = len(snapshot.holds) if full else 0
        logger.warning("fewer jobs at once for a while", allowed=others)
        until = int(snapshot.now + (BELIEVED_S if others else seconds))
        sets = {"shrunk_to": others, "shrunk_until": until, "closed_by": job.job_id}
        self.table.update(Update(_slots(job.provider), sets=sets, adds={"version": 1}))

    def _serve_and_count(self, provider: str) -> None:
        held, waiting = self.serve(provider)
        gauge("JobsWaiting", provider, waiting)
        gauge("SlotsHeld", provider, held)

    def serve(self, provider: str) -> tuple[int, int]:
        """Wake who is first in line for as long as slots are free.

        Returns how many hold a slot then, and how many wait for one.
        """
        for _ in range(_TRIES):
            snapshot = self._read(provider)
            first = self._first(snapshot, snapshot.free)
            if not first or self._paused():
                break
            if snapshot.free > 0:
                self._grant(snapshot, first)
            elif not self._end_leases(snapshot):
                break
        return len(snapshot.holds), self.table.count(_line(provider)) if first else 0

    def heal(self, provider: str, needs_slot: Callable[[str], bool]) -> int:
        """Free the slots of jobs that need none, and wake again who may have been woken in vain.

        Returns how many slots were freed.
        """
        freed, snapshot = 0, self._read(provider)
        for job_id in snapshot.holds:
            if needs_slot(job_id):
                self._wake_up(job_id, snapshot.turn_of(job_id))
            else:
                freed += self._free(provider, job_id)
        if self._paused():
            self._let_wait_anew(provider)
        if self.table.query(_line(provider), 1) or snapshot.holds:  # else nobody uses it
            self._serve_and_count(provider)
        return freed

    def wake_up(self, job: Job) -> bool:
        """Wake a job in line although it gets no slot. False if none waits."""
        return self._wake_up(job.job_id, 0)

    def leave_line(self, job: Job) -> None:
        """The job needs no slot any more. May be repeated."""
        with suppress(ConditionFailedError):  # it does not stand there
            self.table.write_all([Delete(_place(job))])

    def holders(self, provider: str) -> int:
        """How many jobs hold a slot there."""
        return len(self._read(provider).holds)

    def _read(self, provider: str) -> _Snapshot:
        item = self.table.get(_slots(provider)) or {}
        return _Snapshot(provider, item, limit_of(provider, self.limits), self.now())

    def _paused(self) -> bool:
        return bool(Pauses(self.table).read())

    def _let_wait_anew(self, provider: str) -> None:
        """Wake who has waited long: its execution finds the pause, and waits with a new token."""
        for item in self.table.query(_line(provider)):
            token = self.table.get(_token_key(item["job_id"])) or {}
            if token.get("parked_at", 0) < self.now() - _PATIENCE_S:
                self._wake_up(item["job_id"], 0)

    def _first(self, snapshot: _Snapshot, room: int) -> list[Item]:
        """Who may go, if there is room; else the first one, to see whether anybody waits."""
        return self.table.query(_line(snapshot.provider), max(1, min(room, _MOST_AT_ONCE)))

    def _hand_over(self, provider: str, job_id: str) -> bool:
        """Give the job's slot to the first in line in one write. False if that cannot be."""
        for _ in range(_TRIES):
            snapshot = self._read(provider)
            room = snapshot.free + 1
            first = self._first(snapshot, room) if room > 0 and job_id in snapshot.holds else []
            # Who stands in line and holds a slot has to give that back before it gets one.
            if not first or any(item["job_id"] == job_id for item in first) or self._paused():
                return False
            if self._grant(snapshot, first, leaving=job_id):
                return True
        return False

    def _grant(self, snapshot: _Snapshot, first: list[Item], leaving: str = "") -> bool:
        """Give slots to these, and wake them. False if somebody else was quicker."""
        ids = [item["job_id"] for item in first]
        turns = snapshot.turns(len(ids))
        until = int(snapshot.now + self.lease_s)
        sets: dict[str, Any] = {f"{_HOLD}{job_id}": until for job_id in ids}
        if snapshot.limit.orders_per_minute:
            sets["orders"] = [*snapshot.orders, *turns][-snapshot.limit.orders_per_minute :]
            sets |= {f"{_TURN}{job_id}": at for job_id, at in zip(ids, turns, strict=True)}
        seen = snapshot.item.get("version")
        version = Attr("version")
        slots = Update(
            _slots(snapshot.provider),
            sets=sets,
            adds={"version": 1},
            removes=_held_by(leaving) if leaving else (),
            condition=version.not_exists() if seen is None else version.eq(seen),
        )
        # In the same transaction, so that no job is granted a slot and stays in line.
        gone = [Delete(f"{item['pk']} {item['sk']}") for item in first]
        try:
            self.table.write_all([slots, *gone])
        except ConditionFailedError:
            return False
        for job_id, turn in zip(ids, turns, strict=True):
            if not self._wake_up(job_id, turn) and self._is_over(job_id):
                self._free(snapshot.provider, job_id)
        return True

    def _keep_token(self, job_id: str, token: str) -> None:
        """Keeps the token before as well: whoever brings an old one may come after the new one."""
        for _ in range(_TRIES):
            last = (self.table.get(_token_key(job_id)) or {}).get("token", "")
            now = self.now()
            item = {
                "token": token,
                "token_before": last,
                "parked_at": int(now),
                "expires_at": expires_at(now, TOKEN_DAYS),
            }
            same = Attr("token").not_exists() | Attr("token").eq(last)
            if token == last or self.table.put(_token_key(job_id), item, same):
                return
        raise ContentionError(f"too many wait for a slot for job {job_id}")

    def _wake_up(self, job_id: str, ask_at: float) -> bool:
        parked = self.table.get(_token_key(job_id)) or {}
        tokens = (parked.get("token"), parked.get("token_before"))
        return any(self.wake(token, {"ask_at": ask_at}) for token in tokens if token)

    def _is_over(self, job_id: str) -> bool:
        """Else who waits no longer may have been woken already, and keeps its slot."""
        job = Ledger(self.table).get(job_id)
        return job is None or job.state in ENDS or job.state is State.READY

    def _free(self, provider: str, job_id: str) -> bool:
        """Leaves the version as it is: more room does not spoil what others are granting."""
        held = _held_by(job_id)
        update = Update(_slots(provider), removes=held, condition=Attr(held[0]).exists())
        try:
            self.table.update(update)
        except ConditionFailedError:
            return False
        return True

    def _try_one_more(self, snapshot: _Snapshot) -> None:
        """One more job than the provider has now; all, if it has none of ours."""
        held = len(snapshot.holds)
        sets = {"shrunk_to": held + 1} if held else {"shrunk_until": 0}
        update = Update(
            _slots(snapshot.provider), sets=sets, adds={"version": 1}, removes=["closed_by"]
        )
        self.table.update(update)

    def _end_leases(self, snapshot: _Snapshot) -> bool:
        over = [job_id for job_id, until in snapshot.holds.items() if until < snapshot.now]
        if over:
            logger.error("slots were never given back", jobs=over)
        return sum(self._free(snapshot.provider, job_id) for job_id in over) > 0


def change_priority(table: Table, job: Job, priority: str) -> None:
    """Move a job that stands in line to its place by another priority."""
    if priority != job.priority:
        place = Update(_place(replace(job, priority=priority)), sets={"job_id": job.job_id})
        with suppress(ConditionFailedError):  # it is not in line, or no longer
            table.write_all([Delete(_place(job)), place])


def _held_by(job_id: str) -> list[str]:
    """The attributes of one holder."""
    return [f"{_HOLD}{job_id}", f"{_TURN}{job_id}"]


def _slots(provider: str) -> str:
    return f"SLOTS#{provider}"


def _line(provider: str) -> str:
    return f"WAITING#{provider}"


def _place(job: Job) -> str:
    """Whose priority is higher comes first, then who was dropped first."""
    return f"{_line(job.provider)} {PLACES[job.priority]}#{job.created_at}#{job.job_id}"


def _token_key(job_id: str) -> str:
    return f"PARKED#{job_id}"
