"""Which fence is gone, which cells need it, and what the matrix then says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from local.faults.faults import END, Cell, Kind, late_faults
from local.faults.liveness import LATE, baseline
from local.faults.world import World
from tests.faults.group_mutations import (
    claims_groups_without_conditions,
    mails_each_take_alone_too,
    refuses_only_one_of_a_group,
    sets_the_money_of_a_group_aside_again,
    tells_groups_before_all_have_ended,
)
from tests.faults.mutations import (
    Patch,
    claims_without_condition,
    drops_the_stale_check,
    ends_runs_that_began_after_it,
    finds_orders_it_knows,
    follows_a_found_order_for_as_long_as_the_lost_one,
    forgets_that_it_told,
    frees_the_money_of_lost_orders,
    gives_slots_without_limit,
    grants_what_others_have_granted,
    knows_the_last_token_only,
    moves_lost_orders,
    moves_without_condition,
    never_heals_the_line,
    never_releases_slots,
    never_trues_up,
    orders_again_what_is_being_submitted,
    orders_before_a_rate_limit_is_over,
    orders_before_its_turn,
    orders_in_a_pause,
    orders_once_more_than_allowed,
    orders_what_is_cancelled,
    orders_while_the_breaker_is_open,
    passes_caps,
    repeats_orders_without_answer,
    reserves_for_the_day_only,
    starts_jobs_again_whatever_they_are,
    starts_what_may_be_billed_again,
    stores_clips_unseen,
    takes_any_image_for_its_own,
    takes_every_failure_for_free,
    takes_old_events_for_new_drops,
    takes_slots_from_who_was_woken,
    takes_the_first_of_several_orders,
    tells_without_lease,
    trues_up_on_the_day_of_the_price,
    updates_without_conditions,
    waits_with_the_slot_that_it_holds,
)


@dataclass(frozen=True)
class Mutation:
    """A fence that is gone, cells that need it, and what the matrix then says."""

    break_it: Callable[[Patch], None]
    provider: str
    scenario: str
    kinds: tuple[Kind, ...]  # none: the play without a fault
    at: str
    says: str

    def slice(self, played_in: World) -> list[Cell]:
        """Its faults at every such call, also where the matrix lets others stand for them."""
        clean = Cell(self.provider, self.scenario)
        if not self.kinds:
            return [clean]
        points = baseline(played_in, self.provider, self.scenario).points
        faults = [fault for point in points for fault in replace(point, first=True).faults()]
        return [
            replace(clean, fault=fault)
            for fault in (*faults, *late_faults())
            if fault.kind in self.kinds and self.at in fault.label
        ]


AGAIN = (Kind.CONCURRENT, Kind.REDELIVERY, Kind.OVERTAKEN)
LOST = (Kind.ERROR, Kind.CUT)
DEAD = (Kind.KILL, Kind.TIMEOUT)
FORGOTTEN = (Kind.ZOMBIE,)
HELD_UP = (Kind.DELAYED,)
DOWN = (Kind.OUTAGE,)
REDROP = (Kind.REDROP,)
STOPPED = (Kind.ABORT,)
PAUSED = (Kind.PAUSE,)
CANCELLED = (Kind.CANCEL,)
AGAIN_BY_SDK = (Kind.REPEAT,)
WAKING = ":stepfunctions.send_task_success"
GRANTING = "slot:dynamodb.transact_write_items"
CLAIM = "submit:dynamodb.put_item"
FUNDING = "generate:dynamodb.get_item#4"
GROUP_CLAIM = "submit:dynamodb.transact_write_items"

MUTATIONS = [
    Mutation(updates_without_conditions, "luma", "success", AGAIN, "generate:", "clips were made"),
    Mutation(claims_without_condition, "luma", "success", AGAIN, CLAIM, "clips were made"),
    Mutation(moves_without_condition, "fal", "success", STOPPED, "poll:", "the ledger went from"),
    Mutation(
        orders_again_what_is_being_submitted, "oxen", "success", AGAIN, "generate:", "clips were"
    ),
    Mutation(
        drops_the_stale_check, "luma", "success", FORGOTTEN, ":POST", "although nothing was lost"
    ),
    Mutation(repeats_orders_without_answer, "luma", "success", LOST, ":POST", "clips were made"),
    Mutation(tells_without_lease, "luma", "moderated", (), "", "people were mailed failed"),
    Mutation(forgets_that_it_told, "luma", "moderated", (), "", "people were mailed failed"),
    Mutation(frees_the_money_of_lost_orders, "luma", "success", LOST, ":POST", "owes $0.60"),
    Mutation(moves_lost_orders, "oxen", "lost", (), "", "clips were made"),
    Mutation(never_trues_up, "eachlabs", "success", (), "", "$0.60 are committed"),
    Mutation(reserves_for_the_day_only, "luma", "success", (), "", "2026-11 says"),
    Mutation(
        takes_old_events_for_new_drops, "luma", "moderated", (Kind.LATER,), "", "started again"
    ),
    Mutation(
        starts_jobs_again_whatever_they_are, "fal", "success", (Kind.LATER,), "", "clips were made"
    ),
    Mutation(
        starts_what_may_be_billed_again, "oxen", "moderated", (Kind.REDROP,), END, "may be billed"
    ),
    Mutation(finds_orders_it_knows, "fal", "again", LOST, ":POST", "list shows the order"),
    Mutation(takes_every_failure_for_free, "oxen", "again", (), "", "2 orders were accepted"),
    Mutation(gives_slots_without_limit, "oxen", "in line", (), "", "jobs at once"),
    Mutation(
        takes_slots_from_who_was_woken, "luma", "in line", AGAIN_BY_SDK, WAKING, "jobs at once"
    ),
    Mutation(knows_the_last_token_only, "oxen", "in line", FORGOTTEN, "slot:", "stood in line"),
    Mutation(never_heals_the_line, "luma", "in line", DEAD, WAKING, "stood in line"),
    Mutation(never_releases_slots, "oxen", "in line", (), "", LATE),
    Mutation(grants_what_others_have_granted, "luma", "in line", HELD_UP, "slot:", "jobs at once"),
    Mutation(waits_with_the_slot_that_it_holds, "luma", "in line", DEAD, GRANTING, "stood in line"),
    Mutation(orders_before_its_turn, "luma", "paced", (), "", "s apart"),
    Mutation(
        follows_a_found_order_for_as_long_as_the_lost_one, "oxen", "lost", (), "", "mailed stalled"
    ),
    Mutation(takes_any_image_for_its_own, "fal", "one prompt", (), "", "list shows the order"),
    Mutation(takes_the_first_of_several_orders, "fal", "one prompt", (), "", "another order"),
    Mutation(trues_up_on_the_day_of_the_price, "oxen", "midnight", (), "", "its orders say"),
    Mutation(orders_while_the_breaker_is_open, "luma", "success", DOWN, ":POST", "breaker was"),
    Mutation(orders_before_a_rate_limit_is_over, "luma", "limited", (), "", "rate limit was over"),
    Mutation(orders_once_more_than_allowed, "fal", "failing", (), "", "3 orders were accepted"),
    Mutation(stores_clips_unseen, "luma", "cut", (), "", "part of a clip is stored"),
    Mutation(passes_caps, "eachlabs", "cap", (), "", "is over its cap"),
    Mutation(claims_groups_without_conditions, "luma", "takes", AGAIN, GROUP_CLAIM, "has a clip"),
    Mutation(refuses_only_one_of_a_group, "oxen", "takes over cap", (), "", "part of a group"),
    Mutation(
        sets_the_money_of_a_group_aside_again,
        "fal",
        "takes tomorrow",
        (Kind.CONCURRENT,),
        FUNDING,
        "are committed",
    ),
    Mutation(mails_each_take_alone_too, "luma", "takes", (), "", "delivered 2 times"),
    Mutation(tells_groups_before_all_have_ended, "luma", "takes", (), "", "which was not the end"),
    Mutation(
        ends_runs_that_began_after_it,
        "luma",
        "moderated",
        (Kind.REDROP,),
        "finalize:",
        "nothing was",
    ),
    Mutation(orders_in_a_pause, "luma", "success", PAUSED, "generate:", "sent in a pause"),
    Mutation(
        orders_what_is_cancelled, "luma", "success", CANCELLED, "generate:", "after the job was"
    ),
]
