"""The fences of groups of takes."""

from __future__ import annotations

from tests.faults.fence import Fence

_GROUPS = "tests/integration/test_groups.py::"
_GROUP_MAILS = "tests/integration/test_group_mails.py::"

GROUP_FENCES = (
    Fence(
        "a group and its jobs are claimed together, once",
        ("ledger/groups.py:Groups._put", "ledger/groups.py:Groups.require"),
        "two orders of one take, and groups whose mail waits for a job that nobody has claimed",
        (
            "claims_groups_without_conditions",
            f"{_GROUPS}test_a_group_is_not_written_over",
            f"{_GROUPS}test_an_unknown_group_is_an_error",
        ),
    ),
    Fence(
        "a group is ordered whole or not at all, and its money is set aside once",
        (
            "ledger/groups.py:_deciding",
            "ledger/jobs.py:funding",
        ),
        "a part of a group that is ordered while a cap refuses the rest, and money counted twice",
        (
            "refuses_only_one_of_a_group",
            "sets_the_money_of_a_group_aside_again",
            f"{_GROUPS}test_a_group_is_decided_once",
            f"{_GROUPS}test_who_has_not_seen_the_money_of_a_job_cannot_end_it",
            f"{_GROUPS}test_no_job_of_a_group_is_ordered_without_its_money",
        ),
    ),
    Fence(
        "what a group has set aside stays its own until it has ended",
        (),
        "a take that is refused after others were ordered, because its money was gone",
        (
            f"{_GROUPS}test_a_busy_provider_frees_none_of_the_groups_money",
            f"{_GROUPS}test_a_dearer_provider_takes_over_only_what_the_cap_leaves",
            f"{_GROUPS}test_a_take_that_the_provider_refuses_frees_its_own_money",
            f"{_GROUPS}test_a_take_that_newer_files_replace_frees_its_own_money",
        ),
    ),
    Fence(
        "each end in a group is told once",
        (
            "ledger/groups.py:Groups.tell",
            "mail/group.py:GroupMails.leave_out",
            "mail/group.py:GroupMails._is_over",
            "mail/group.py:GroupMails._send",
        ),
        "clips that nobody is told of, and groups that are told twice",
        (
            "mails_each_take_alone_too",
            "tells_groups_before_all_have_ended",
            f"{_GROUP_MAILS}test_what_comes_after_the_mail_was_decided_has_its_own",
        ),
    ),
)
