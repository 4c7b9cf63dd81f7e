"""The fences that guard what operators do. `fences` holds all others."""

from __future__ import annotations

from tests.faults.fence import Fence

_PAUSE = "tests/integration/test_pause.py::"
_CANCEL = "tests/integration/test_cancel.py::"
_RESUME = "tests/integration/test_resume.py::"
_RETRY = "tests/integration/test_retry.py::"

OPERATOR_FENCES = (
    Fence(
        "an operator's instruction is understood, and names an order that the provider knows",
        (
            "steps/resume.py:Resumption.follow",
            "steps/resume.py:Resumption._named_order",
            "steps/resume.py:require_order",
        ),
        "a job that follows an order that does not exist",
        (
            f"{_RESUME}test_a_resume_with_an_impossible_order_id_changes_nothing",
            f"{_RESUME}test_a_misspelt_resume_is_refused",
            f"{_RESUME}test_an_order_that_the_provider_does_not_know_changes_nothing",
            f"{_RESUME}test_a_provider_that_cannot_be_asked_about_the_order_changes_nothing",
        ),
    ),
    Fence(
        "only an order that an operator has named is corrected",
        (),
        "a paid clip that nobody fetches",
        (
            f"{_RESUME}test_an_order_that_the_provider_has_confirmed_is_not_replaced",
            f"{_RESUME}test_who_has_asked_about_the_wrong_order_cannot_end_the_job_after_its_correction",
        ),
    ),
    Fence(
        "no order begins in a pause",
        (
            "ledger/pause.py:not_paused",
            "ledger/pause.py:Pauses.begin",
            "ledger/pause.py:Pauses.end",
        ),
        "orders after an operator has stopped them",
        (
            "orders_in_a_pause",
            f"{_PAUSE}test_an_order_that_has_not_begun_when_the_pause_is_written_never_begins",
            f"{_PAUSE}test_the_end_of_an_earlier_pause_does_not_end_a_new_one",
        ),
    ),
    Fence(
        "no order begins of a job that is cancelled, and its mark is not lost",
        (
            "ledger/jobs.py:_wanted",
            "steps/cancel.py:Cancel._mark",
            "steps/cancel.py:Cancel._obstacle",
        ),
        "a clip that nobody wants any more, and pays for",
        (
            "orders_what_is_cancelled",
            f"{_CANCEL}test_an_order_that_has_not_begun_when_the_job_is_cancelled_never_begins",
            f"{_CANCEL}test_who_cancels_while_the_job_moves_on_marks_it_where_it_is_now",
            f"{_CANCEL}test_a_job_is_cancelled_only_after_the_mail_that_it_is_late",
        ),
    ),
    Fence(
        "an operator starts only what has ended unpaid, once",
        (
            "steps/retry.py:Retry.plan",
            "steps/retry.py:Retry.handle",
            "steps/retry.py:Retry._obstacle",
        ),
        "a second order of a clip that may be paid",
        (
            f"{_RETRY}test_what_may_have_been_paid_is_not_started_again",
            f"{_RETRY}test_of_two_who_start_a_job_again_one_does",
        ),
    ),
)
