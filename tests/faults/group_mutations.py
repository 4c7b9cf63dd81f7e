"""Fences of groups that are taken away, one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from boto3.dynamodb.conditions import Attr

from dropreel.jobs.job import Job
from dropreel.ledger import groups
from dropreel.ledger.groups import Groups
from dropreel.ledger.jobs import Claim, Ledger, _item
from dropreel.ledger.table import Delete, Put, Table, Update
from dropreel.mail.group import GroupMails
from tests.faults.mutations import Patch, bare

ALWAYS = Attr("pk").exists() | Attr("pk").not_exists()
_write_all = Table.write_all


def claims_groups_without_conditions(patch: Patch) -> None:
    def claiming(self: Ledger, job: Job) -> Claim:
        found = self.get(job.job_id)
        again = job if found is None else replace(job, run=found.run)
        return Claim(again, Put(f"JOB#{job.job_id}", _item(again), ALWAYS))

    patch.setattr(Ledger, "claiming", claiming)
    patch.setattr(Table, "write_all", _unconditional)


def _unconditional(self: Table, writes: list[Update | Put | Delete]) -> None:
    _write_all(self, [_always(one) for one in writes])


def _always(write: Update | Put | Delete) -> Update | Put | Delete:
    return replace(write, condition=ALWAYS) if isinstance(write, Put) else write


def refuses_only_one_of_a_group(patch: Patch) -> None:
    patch.setattr(Groups, "refuse", lambda *_: None)


def sets_the_money_of_a_group_aside_again(patch: Patch) -> None:
    for name in ("_deciding", "funding"):
        patch.setattr(groups, name, _bare(getattr(groups, name)))


def _bare(make: Callable[..., Update]) -> Callable[..., Update]:
    return lambda *given, **facts: bare(make(*given, **facts))


def mails_each_take_alone_too(patch: Patch) -> None:
    def leave_out(self: GroupMails, job: Job) -> bool:
        tell(self, job)
        return True

    tell = GroupMails.leave_out
    patch.setattr(GroupMails, "leave_out", leave_out)


def tells_groups_before_all_have_ended(patch: Patch) -> None:
    patch.setattr(GroupMails, "_is_over", lambda *_: True)
