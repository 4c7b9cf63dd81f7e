"""Fences that are taken away, one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

import httpx
import pytest
from boto3.dynamodb.conditions import Attr

from dropreel.clips import transfer
from dropreel.clips.bucket import order_of
from dropreel.drops.settling import Pair
from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import ClipInfo, Job, Reservation, State
from dropreel.ledger import budget as accounts
from dropreel.ledger import jobs as ledger
from dropreel.ledger import slots
from dropreel.ledger.breaker import Breaker, Stopped
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.slots import Slots
from dropreel.ledger.table import Check, Delete, Item, Table, Update
from dropreel.mail.once import SendOnce, Turn
from dropreel.providers import oxen, search
from dropreel.providers.base import Failure, Provider
from dropreel.providers.catalog import Limit
from dropreel.steps import lost_order
from dropreel.steps import poll as polling
from dropreel.steps import sweep as sweeping
from dropreel.steps.generate import Generate
from dropreel.steps.outcomes import (
    Ended,
    FinalizeEvent,
    GenerateAgain,
    GenerateEvent,
    GenerateOutcome,
    SearchOrder,
)
from dropreel.steps.poll import Poll
from local.faults.provider import Transport

Patch = pytest.MonkeyPatch


_ask = Transport.handle_request


def repeats_orders_without_answer(patch: Patch) -> None:
    def handle_request(self: Transport, request: httpx.Request) -> httpx.Response:
        try:
            return _ask(self, request)
        except httpx.TransportError:
            return _ask(self, request)

    patch.setattr(Transport, "handle_request", handle_request)


_transact = Table.write_all


_update = Table.update


_put = Table.put


_lost = Generate._lost


_repeated = Generate._repeated


_failed = Poll._failed


def bare(update: Update) -> Update:
    return replace(update, condition=None)


def updates_without_conditions(patch: Patch) -> None:
    def write_all(self: Table, writes: list[Update | Delete]) -> None:
        _transact(self, [bare(one) if isinstance(one, Update) else one for one in writes])

    patch.setattr(Table, "write_all", write_all)


def claims_without_condition(patch: Patch) -> None:
    def put(self: Table, key: str, item: Item, *_: object) -> bool:
        return _put(self, key, item, None)

    patch.setattr(Table, "put", put)


def moves_without_condition(patch: Patch) -> None:
    def update(self: Table, update: Update) -> Item:
        return _update(self, bare(update) if update.key.startswith("JOB#") else update)

    patch.setattr(Table, "update", update)


def orders_again_what_is_being_submitted(patch: Patch) -> None:
    def repeated(self: Generate, job: Job) -> GenerateOutcome:
        if job.state is not State.SUBMITTING:
            return _repeated(self, job)
        request = order_of(job, self.addresses.session())
        return self._settle(job, self.provider(job.provider).submit(request), lambda _: 1)

    patch.setattr(Generate, "_repeated", repeated)


def drops_the_stale_check(patch: Patch) -> None:
    patch.setattr(polling, "STALE_S", 0)


def tells_without_lease(patch: Patch) -> None:
    patch.setattr(SendOnce, "begin", lambda *_: Turn.OURS)


def forgets_that_it_told(patch: Patch) -> None:
    patch.setattr(SendOnce, "end", lambda *_: None)


def frees_the_money_of_lost_orders(patch: Patch) -> None:
    def lost(self: Generate, job: Job, failure: JobFailure) -> SearchOrder:
        free = self.ledger.move

        def move(moved: Job, to: State, **facts: Any) -> Job:
            return free(moved, to, **facts, **moved.released())

        patch.setattr(self.ledger, "move", move)
        return _lost(self, job, failure)

    patch.setattr(Generate, "_lost", lost)


def moves_lost_orders(patch: Patch) -> None:
    def lost(self: Generate, job: Job, failure: JobFailure) -> GenerateOutcome:
        moved = self.allowance.rules.next_provider(job, FailureKind.UNREACHABLE)
        if moved is None:
            return _lost(self, job, failure)
        return self._fail_over(job, moved, job.released())

    patch.setattr(Generate, "_lost", lost)


def never_trues_up(patch: Patch) -> None:
    patch.setattr(ledger, "adjusting", lambda *_: [])


def reserves_for_the_day_only(patch: Patch) -> None:
    limits = accounts._limits
    patch.setattr(accounts, "_limits", lambda *given: limits(*given)[:1])


def takes_old_events_for_new_drops(patch: Patch) -> None:
    number = count(1000)
    always_newer = property(lambda _: f"9999-12-31T00:00:00.{next(number)}Z")
    patch.setattr(Pair, "dropped_at", always_newer)


def starts_jobs_again_whatever_they_are(patch: Patch) -> None:
    takes_old_events_for_new_drops(patch)
    patch.setattr(Job, "may_start_again", True)


def starts_what_may_be_billed_again(patch: Patch) -> None:
    patch.setattr(Job, "may_start_again", property(lambda job: job.state in FAILURES))


def lets_resumed_executions_order(patch: Patch) -> None:
    def failed(self: Poll, job: Job, failure: JobFailure, *_: bool) -> GenerateAgain | Ended:
        return _failed(self, job, failure, True)

    patch.setattr(Poll, "_failed", failed)


def finds_orders_it_knows(patch: Patch) -> None:
    def find(job: Job, provider: Provider, clips: Any) -> list[str] | None:
        return find_order(replace(job, attempts=()), provider, clips)

    find_order = lost_order.find_lost_orders
    for place in (polling, sweeping):
        patch.setattr(place, "find_lost_orders", find)


def takes_every_failure_for_free(patch: Patch) -> None:
    def judged(*given: Any) -> Failure:
        return replace(judge(*given), billed=False)

    judge = oxen._job_failure
    patch.setattr(oxen, "_job_failure", judged)


def takes_slots_from_who_was_woken(patch: Patch) -> None:
    patch.setattr(Slots, "_is_over", lambda *_: True)


def knows_the_last_token_only(patch: Patch) -> None:
    def keep_token(self: Slots, job_id: str, token: str) -> None:
        self.table.put(f"PARKED#{job_id}", {"token": token})

    patch.setattr(Slots, "_keep_token", keep_token)


def never_heals_the_line(patch: Patch) -> None:
    patch.setattr(Slots, "heal", lambda *_: 0)


def gives_slots_without_limit(patch: Patch) -> None:
    patch.setattr(slots, "limit_of", lambda *_: Limit(jobs=9))


def never_releases_slots(patch: Patch) -> None:
    patch.setattr(Slots, "release", lambda *_: None)


def grants_what_others_have_granted(patch: Patch) -> None:
    def write_all(self: Table, writes: list[Update | Delete]) -> None:
        _transact(self, [_without_version(one) for one in writes])

    patch.setattr(Table, "write_all", write_all)


def _without_version(write: Update | Delete) -> Update | Delete:
    granting = isinstance(write, Update) and write.key.startswith("SLOTS#")
    return bare(write) if isinstance(write, Update) and granting else write


def waits_with_the_slot_that_it_holds(patch: Patch) -> None:
    def joined(self: Slots, job: Job, token: str) -> None:
        if job.job_id not in self._read(job.provider).holds:
            join(self, job, token)

    never_heals_the_line(patch)  # which would wake it half an hour later
    join = Slots.join
    patch.setattr(Slots, "join", joined)


def orders_before_its_turn(patch: Patch) -> None:
    patch.setattr(GenerateEvent, "of", classmethod(_at_once))


_event = GenerateEvent.of


def _at_once(_: type[GenerateEvent], payload: Mapping[str, Any]) -> GenerateEvent:
    return replace(_event(payload), ask_at=0)


def follows_a_found_order_for_as_long_as_the_lost_one(patch: Patch) -> None:
    def follow(ledger: Ledger, job: Job, order: str, _: str) -> Job:
        return follow_found_order(ledger, job, order, job.deadline_at)

    follow_found_order = lost_order.follow_found_order
    patch.setattr(polling, "follow_found_order", follow)


def takes_any_image_for_its_own(patch: Patch) -> None:
    patch.setattr(search, "same_image", lambda *_: True)


def takes_the_first_of_several_orders(patch: Patch) -> None:
    takes_any_image_for_its_own(patch)
    find_lost_orders = lost_order.find_lost_orders

    def find(*given: Any) -> list[str]:
        return (find_lost_orders(*given) or [])[:1]

    for place in (polling, sweeping):
        patch.setattr(place, "find_lost_orders", find)


def trues_up_on_the_day_of_the_price(patch: Patch) -> None:
    def adjusted(old: Reservation, new: Reservation) -> list[Update]:
        return adjusting(replace(old, day="2026-12-01", month="2026-12"), new)

    adjusting = accounts.adjusting
    patch.setattr(ledger, "adjusting", adjusted)


def orders_while_the_breaker_is_open(patch: Patch) -> None:
    patch.setattr(Breaker, "stopped", lambda *_: None)


def orders_before_a_rate_limit_is_over(patch: Patch) -> None:
    def stopped(*given: Any) -> Stopped | None:
        found = _stopped(*given)
        return None if found and found.limited else found

    patch.setattr(Breaker, "stopped", stopped)


_stopped = Breaker.stopped


def orders_once_more_than_allowed(patch: Patch) -> None:
    orders = Job.orders.fget  # type: ignore[attr-defined]
    patch.setattr(Job, "orders", property(lambda job: orders(job) - 1))


def stores_clips_unseen(patch: Patch) -> None:
    def pieces(self: Any) -> Iterator[bytes]:
        yield from self._pieces
        self.info = ClipInfo(5.0, 960, 540, 1, "")

    patch.setattr(transfer._CheckedClip, "__iter__", pieces)


def passes_caps(patch: Patch) -> None:
    patch.setattr(accounts, "_adding", lambda *given: bare(adding(*given)))


adding = accounts._adding


def ends_runs_that_began_after_it(patch: Patch) -> None:
    patch.setattr(FinalizeEvent, "superseded_by", lambda *_: False)


FAILURES = frozenset({State.REFUSED, State.FAILED, State.CANCELLED})


def orders_in_a_pause(patch: Patch) -> None:
    """What `generate` has read before does not keep it from ordering in a pause that begins."""
    always = Attr("pk").exists() | Attr("pk").not_exists()
    patch.setattr(ledger, "not_paused", lambda: Check("PAUSE#orders", always))


def orders_what_is_cancelled(patch: Patch) -> None:
    patch.setattr(ledger, "_wanted", lambda: Attr("pk").exists())
