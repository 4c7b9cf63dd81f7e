"""All fences in the code: what each one prevents, and what notices when it is gone.

A fence is a condition of a write, or a guard, without which money is spent twice, lost or not
accounted for, or a mail is sent twice. `found` reads them from the code; `FENCES` names each in
one place. `missed_by` is a mutation of the fault matrix (`killers.py`), or a test of its own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT
from tests.faults.fence import Fence
from tests.faults.group_fences import GROUP_FENCES
from tests.faults.operator_fences import OPERATOR_FENCES

CODE = ROOT / "shared" / "dropreel"
_STEPS = (
    *("generate", "poll", "finalize", "sweep", "lost_order", "batches"),
    *("cancel", "resume", "retry"),
)
FILES = (
    *sorted((CODE / "ledger").glob("*.py")),
    *(CODE / "steps" / f"{name}.py" for name in _STEPS),
    *(CODE / "mail" / f"{name}.py" for name in ("once", "digest", "group", "next_day")),
)

# What a fence is made of.
_NAMES = frozenset({"Attr", "_as_read", "TRANSITIONS", "STALE_S", "THRESHOLD"})
_FIELDS = frozenset(
    {
        *("max_orders", "ask_at", "may_start_again", "superseded_by"),
        *("was_sent", "has_begun", "covers", "tells"),
    }
)
_SEARCH = frozenset({"find_lost_orders"})
_ERRORS = frozenset({"LedgerConflictError", "CapReachedError", "MailBusyError", "OperatorError"})


def found() -> set[str]:
    """The functions of the code that a fence stands in."""
    return {
        f"{file.relative_to(CODE)}:{name}"
        for file in FILES
        for name, function in _functions(ast.parse(file.read_text(encoding="utf-8")))
        if any(map(_is_fence, ast.walk(function)))
    }


def _functions(node: ast.AST, inside: str = "") -> Iterator[tuple[str, ast.AST]]:
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.ClassDef):
            yield from _functions(inner, f"{inner.name}.")
        elif isinstance(inner, ast.FunctionDef):
            yield f"{inside}{inner.name}", inner


def _is_fence(node: ast.AST) -> bool:
    match node:
        case ast.Raise(exc=ast.Call(func=ast.Name(id=error))):
            return error in _ERRORS
        case ast.keyword(arg="condition"):
            return True
        case ast.Name(id=name):
            return name in _NAMES | _SEARCH
        case ast.Attribute(attr=name):
            return name in _FIELDS
    return False


def is_test(name: str) -> bool:
    """Whether `<file>::<test>` is there."""
    file, _, test = name.partition("::")
    return f"def {test}(" in Path(ROOT / file).read_text(encoding="utf-8")


_LEDGER = "tests/integration/test_ledger.py::"
_SLOTS = "tests/integration/test_slots.py::"
_BREAKER = "tests/integration/test_breaker.py::"
_SETTLING = "tests/integration/test_settling.py::"
_GENERATE = "tests/integration/test_generate_fences.py::"
_SWEEP = "tests/integration/test_sweep.py::"
_DIGESTS = "tests/integration/test_digests.py::"
_RUNTIMES = "tests/integration/test_runtimes.py::"
_BATCHES = "tests/integration/test_batches.py::"
_OWN = "tests/faults/test_fences.py::"

FENCES = (
    Fence(
        "one claim per job",
        ("ledger/jobs.py:Ledger.claiming",),
        "two jobs, and two orders, from one drop",
        ("claims_without_condition",),
    ),
    Fence(
        "a job is moved as it was read",
        (
            "ledger/jobs.py:Ledger._move",
            "ledger/jobs.py:_as_read",
        ),
        "two orders of one job, and states that follow each other wrongly",
        ("updates_without_conditions", "moves_without_condition"),
    ),
    Fence(
        "a job goes on to what the table of steps allows",
        ("ledger/jobs.py:Ledger.require",),
        "a job that is ordered after it was delivered, or that nobody has claimed",
        (
            f"{_LEDGER}test_only_the_steps_of_the_table_are_possible",
            f"{_OWN}test_nobody_moves_a_job_that_is_not_there",
        ),
    ),
    Fence(
        "only a newer drop starts a job again, after an end that was not paid",
        ("ledger/jobs.py:Ledger._drop_again", "ledger/jobs.py:Ledger._note_drop"),
        "a second order by an old event, or of a clip that may be paid",
        (
            "takes_old_events_for_new_drops",
            "starts_jobs_again_whatever_they_are",
            "starts_what_may_be_billed_again",
            f"{_LEDGER}test_a_drop_that_was_passed_over_starts_nothing_when_its_event_comes_again",
        ),
    ),
    Fence(
        "terms change only before the order",
        ("ledger/jobs.py:Ledger._change_terms",),
        "a record that says another limit than the order was made with",
        (f"{_SETTLING}test_a_lower_cap_changes_nothing_in_what_was_ordered",),
    ),
    Fence(
        "money is set aside once, and within the caps",
        ("ledger/jobs.py:Ledger.move_reserving", "ledger/budget.py:_adding"),
        "money that is counted twice, and caps that are passed",
        (
            "passes_caps",
            "reserves_for_the_day_only",
            f"{_OWN}test_a_job_that_has_money_set_aside_sets_no_more_aside",
        ),
    ),
    Fence(
        "the books are corrected in the period of the order",
        (),
        "a day or month that says something else than its orders cost",
        ("never_trues_up", "trues_up_on_the_day_of_the_price"),
    ),
    Fence(
        "who answers for a job was not overtaken",
        ("ledger/jobs.py:Ledger.note", "ledger/jobs.py:Ledger.give_up_watching"),
        "a job that nobody cares for",
        (
            f"{_OWN}test_nobody_takes_charge_of_a_job_that_has_moved_on",
            f"{_OWN}test_a_job_that_has_moved_on_is_watched_on",
        ),
    ),
    Fence(
        "the newest drop of an image wins",
        (
            "ledger/newest.py:NewestDrops.note",
            "ledger/newest.py:NewestDrops.let_settle",
            "ledger/newest.py:still_newest",
            "ledger/newest.py:_still",
        ),
        "an order of files that were replaced before it",
        (
            f"{_SETTLING}test_the_newest_pair_is_ordered_once_and_in_time",
            f"{_SETTLING}test_a_job_in_line_is_not_ordered_while_a_newer_drop_settles",
            f"{_SETTLING}test_a_job_in_line_is_refused_unpaid_when_newer_files_have_come",
        ),
    ),
    Fence(
        "nothing is ordered while a POST may be under way",
        ("steps/generate.py:Generate._repeated", "steps/poll.py:Poll._after_lost_step"),
        "a second order after a process has died, and mails that a payment is unknown too soon",
        ("orders_again_what_is_being_submitted", "drops_the_stale_check"),
    ),
    Fence(
        "the POST is sent once",
        (),
        "a second order by the client itself",
        ("repeats_orders_without_answer",),
    ),
    Fence(
        "a lost order keeps its money and its provider",
        (),
        "a second order elsewhere, and books without the first one",
        ("frees_the_money_of_lost_orders", "moves_lost_orders"),
    ),
    Fence(
        "a lost order is found by its image, alone, and never among known ones",
        (
            "steps/lost_order.py:find_lost_orders",
            "steps/poll.py:Poll._search",
            "steps/sweep.py:Sweep._unknown",
        ),
        "somebody else's clip, and orders that nobody finds",
        (
            "takes_any_image_for_its_own",
            "takes_the_first_of_several_orders",
            "finds_orders_it_knows",
        ),
    ),
    Fence(
        "a found order has a deadline of its own",
        (),
        "people who are mailed that a clip is late that is not",
        ("follows_a_found_order_for_as_long_as_the_lost_one",),
    ),
    Fence(
        "an accepted order is never forgotten, nor does it replace a newer one",
        ("steps/lost_order.py:note_order",),
        "a paid clip that nobody fetches",
        (
            f"{_GENERATE}test_an_accepted_order_never_replaces_a_newer_one",
            f"{_GENERATE}test_an_order_of_an_earlier_attempt_is_not_noted_again",
        ),
    ),
    Fence(
        "a failure is followed by another order only where it is free, and not without end",
        ("steps/poll.py:Poll._failed",),
        "a second order after one that is paid, and orders without end",
        (
            "takes_every_failure_for_free",
            "orders_once_more_than_allowed",
            "lets_resumed_executions_order",
        ),
    ),
    Fence(
        "an execution ends only what it has begun",
        ("steps/finalize.py:Finalize.handle",),
        "a run that is ended by the one before it",
        ("ends_runs_that_began_after_it",),
    ),
    Fence(
        "what is stored is the whole clip",
        (),
        "half a clip that counts as delivered",
        ("stores_clips_unseen",),
    ),
    Fence(
        "a slot is granted on what was read",
        ("ledger/slots.py:Slots._grant",),
        "more jobs at a provider than it takes",
        ("grants_what_others_have_granted", "gives_slots_without_limit"),
    ),
    Fence(
        "a slot is freed once, and not under who was woken",
        ("ledger/slots.py:Slots._free",),
        "more jobs at a provider than it takes",
        ("takes_slots_from_who_was_woken", f"{_SLOTS}test_a_slot_can_be_freed_only_once"),
    ),
    Fence(
        "who waits can be woken",
        ("ledger/slots.py:Slots._keep_token",),
        "a job that stands in line for days",
        (
            "knows_the_last_token_only",
            "never_heals_the_line",
            "never_releases_slots",
            "waits_with_the_slot_that_it_holds",
        ),
    ),
    Fence(
        "orders keep to their turn in the minute",
        ("steps/generate.py:Generate._generate",),
        "orders that the provider refuses",
        ("orders_before_its_turn",),
    ),
    Fence(
        "while the breaker is open nobody orders, and then one at a time",
        (
            "ledger/breaker.py:Breaker.stopped",
            "ledger/breaker.py:Breaker.note",
            "ledger/breaker.py:Breaker._open",
            "ledger/breaker.py:Breaker._probe",
        ),
        "orders to a provider that does not work",
        (
            "orders_while_the_breaker_is_open",
            f"{_BREAKER}test_after_the_stop_one_job_probes_and_the_others_wait_for_it",
        ),
    ),
    Fence(
        "nobody orders before a rate limit is over, and nobody shortens it",
        ("ledger/breaker.py:Breaker._limit",),
        "orders that the provider refuses, and may answer with a longer limit",
        (
            "orders_before_a_rate_limit_is_over",
            f"{_BREAKER}test_a_shorter_rate_limit_does_not_end_a_longer_one",
        ),
    ),
    Fence(
        "a mail has one sender and is sent once",
        ("mail/once.py:SendOnce.begin", "steps/finalize.py:Finalize._once"),
        "mails that come twice",
        ("tells_without_lease", "forgets_that_it_told"),
    ),
    Fence(
        "an end that nobody was told of is told by the sweep",
        ("steps/sweep.py:Sweep._all_mailed",),
        "a job that ends without a word",
        (f"{_SWEEP}test_a_job_whose_mail_was_never_sent_is_resumed_to_send_it",),
    ),
    Fence(
        "a digest lists a result once",
        ("mail/digest.py:Digests._was_listed", "mail/digest.py:ResultMailer._window_of"),
        "results that are told twice",
        (
            f"{_DIGESTS}test_who_dies_after_sending_the_digest_tells_nobody_twice",
            f"{_DIGESTS}test_a_result_that_is_tried_again_in_a_later_window_is_told_once",
        ),
    ),
    Fence(
        "a result of an open batch is left to its mail",
        (
            "mail/digest.py:ResultMailer._is_left_to_batch",
            "steps/batches.py:BatchMails.tells",
            "steps/batches.py:BatchMails._is_settled",
        ),
        "results that mailboxes get twice, or not at all",
        (
            f"{_BATCHES}test_when_all_rows_of_a_batch_have_ended_one_mail_tells_of_all",
            f"{_BATCHES}test_what_ends_after_the_mail_about_its_batch_has_a_mail_of_its_own",
            f"{_BATCHES}test_a_result_that_comes_while_its_batch_is_closed_reaches_mailboxes",
        ),
    ),
    Fence(
        "a batch is opened once",
        ("ledger/batches.py:Batches.open",),
        "results that are left to the mail about a batch which was sent before",
        (f"{_BATCHES}test_a_batch_whose_event_comes_again_is_told_once_and_swallows_no_result",),
    ),
    Fence(
        "a delete is of what is there",
        ("ledger/table.py:Table._request",),
        "a job that is granted a slot twice",
        (f"{_SLOTS}test_jobs_that_join_at_once_fill_the_slots_and_no_more",),
    ),
    Fence(
        "runtimes are counted once",
        ("ledger/runtimes.py:MeasuredRuntimes._age",),
        "jobs that are lost from the count",
        (f"{_RUNTIMES}test_ageing_gives_way_to_a_job_that_is_counted_meanwhile",),
    ),
    *GROUP_FENCES,
    *OPERATOR_FENCES,
)
