"""The mail of a group: once, when all have ended for people; what comes later has its own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from dropreel.errors import MailBusyError
from dropreel.jobs.job import Job, State
from dropreel.ledger.groups import Groups
from dropreel.ledger.jobs import UNSETTLED_INDEX, Ledger
from dropreel.ledger.table import Table
from dropreel.mail.group import GroupMails
from dropreel.mail.message import Links, Mail
from dropreel.mail.once import LEASE_S, SendOnce
from tests.support.aws import Clock
from tests.support.groups import GROUP, claimed, deliver, end, takes


@dataclass
class Outbox:
    """Remembers what was sent. It can break."""

    sent: list[Mail] = field(default_factory=list)
    broken: bool = False

    def send(self, mail: Mail) -> None:
        if self.broken:
            raise ConnectionError
        self.sent.append(mail)

    @property
    def outcomes(self) -> list[list[str]]:
        """Those of the takes, mail by mail."""
        return [[take["outcome"] for take in mail.document["takes"]] for mail in self.sent]


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


@pytest.fixture
def mails(table: Table, groups: Groups, outbox: Outbox, clock: Clock) -> GroupMails:
    return GroupMails(groups, SendOnce(table), outbox, Links("eu-west-1", "clips"), clock)


def other_process(mails: GroupMails, table: Table) -> GroupMails:
    return replace(mails, send_once=SendOnce(table))


def leave_out(mails: GroupMails, job: Job) -> bool:
    """As `finalize` does when it tells of the end of a job."""
    mails.send_once.begin(job.mail_id, mails.now().timestamp())
    return mails.leave_out(job)


def all_end(ledger: Ledger, jobs: list[Job], *states: State) -> list[Job]:
    return [end(ledger, job, state) for job, state in zip(jobs, states, strict=True)]


DELIVERED, REFUSED, STALLED = State.DELIVERED, State.REFUSED, State.STALLED


def test_the_last_to_end_sends_the_mail(
    mails: GroupMails, groups: Groups, ledger: Ledger, outbox: Outbox
) -> None:
    jobs = claimed(groups)
    for job, state in zip(jobs, (DELIVERED, REFUSED, DELIVERED), strict=True):
        assert outbox.sent == []
        assert not leave_out(mails, end(ledger, job, state))
    assert outbox.outcomes == [["delivered", "refused", "delivered"]]


def test_of_two_that_end_at_the_same_time_one_sends_it(
    mails: GroupMails, groups: Groups, ledger: Ledger, outbox: Outbox
) -> None:
    ended = all_end(ledger, claimed(groups, 2), DELIVERED, DELIVERED)
    for job in ended:  # both have begun to tell their end before they look at the other
        mails.send_once.begin(job.mail_id, mails.now().timestamp())
    assert [leave_out(mails, job) for job in ended] == [False, False]
    assert len(outbox.sent) == 1


def test_an_order_that_is_still_searched_for_has_not_ended(
    mails: GroupMails, groups: Groups, ledger: Ledger, outbox: Outbox
) -> None:
    lost, made = claimed(groups, 2)
    for step in (State.SUBMITTING, State.UNKNOWN):
        lost = ledger.move(lost, step)
    assert not leave_out(mails, end(ledger, made, DELIVERED))
    assert outbox.sent == []
    assert not leave_out(mails, lost)
    assert outbox.outcomes == [["unknown", "delivered"]]


def test_a_sender_that_dies_is_followed_by_another_when_its_time_is_over(
    mails: GroupMails, groups: Groups, ledger: Ledger, table: Table, outbox: Outbox, clock: Clock
) -> None:
    job, *_ = all_end(ledger, claimed(groups, 1), DELIVERED)
    outbox.broken = True
    with pytest.raises(ConnectionError):
        leave_out(mails, job)
    outbox.broken = False
    with pytest.raises(MailBusyError):
        leave_out(other_process(mails, table), job)
    clock.pass_time(seconds=LEASE_S + 1)
    leave_out(other_process(mails, table), job)
    assert len(outbox.sent) == 1


def test_a_take_that_is_late_is_named_as_delayed_and_has_its_own_mail_later(
    mails: GroupMails, groups: Groups, ledger: Ledger, outbox: Outbox
) -> None:
    late, made = all_end(ledger, claimed(groups, 2), STALLED, DELIVERED)
    assert not leave_out(mails, late)
    assert not leave_out(mails, made)
    (mail,) = outbox.sent
    assert "1. take 1: delayed. You will get another mail when it is ready." in mail.text
    assert leave_out(mails, deliver(ledger, ledger.move(late, State.SUBMITTED)))
    assert len(outbox.sent) == 1


def test_a_late_take_that_comes_before_the_last_one_needs_no_mail_of_its_own(
    mails: GroupMails, groups: Groups, ledger: Ledger, outbox: Outbox
) -> None:
    first, second = claimed(groups, 2)
    late = end(ledger, first, STALLED)
    assert not leave_out(mails, late)
    under_way = ledger.move(late, State.SUBMITTED)
    last = end(ledger, second, DELIVERED)
    assert not leave_out(mails, last)
    assert outbox.sent == []
    assert not leave_out(mails, deliver(ledger, under_way))
    assert outbox.outcomes == [["delivered", "delivered"]]


def test_what_comes_after_the_mail_was_decided_has_its_own(
    mails: GroupMails, groups: Groups, ledger: Ledger, outbox: Outbox
) -> None:
    late, made = all_end(ledger, claimed(groups, 2), STALLED, DELIVERED)
    groups.tell(groups.require(GROUP), {late.job_id: STALLED.value, made.job_id: DELIVERED.value})
    assert leave_out(mails, deliver(ledger, ledger.move(late, State.SUBMITTED)))
    assert not leave_out(mails, made)
    assert outbox.outcomes == [["stalled", "delivered"]]


def test_the_sweep_sends_what_the_last_one_could_not(
    mails: GroupMails, groups: Groups, ledger: Ledger, table: Table, outbox: Outbox
) -> None:
    """The last one was dropped again before its end could be told."""
    all_end(ledger, claimed(groups, 2), REFUSED, REFUSED)
    claimed(groups, 2, group="newer", dropped_at="2026-11-20T11:00:00.000Z")
    mails.send_overdue()
    assert outbox.outcomes == [["again", "again"]]
    assert UNSETTLED_INDEX not in (table.get(f"GROUP#{GROUP}") or {})
    mails.send_overdue()
    assert len(outbox.sent) == 1
    assert mails.groups.require("newer").told == {}


def test_the_sweep_leaves_groups_alone_that_are_under_way(
    mails: GroupMails, groups: Groups, ledger: Ledger, outbox: Outbox
) -> None:
    end(ledger, claimed(groups, 2)[0], DELIVERED)
    mails.send_overdue()
    assert outbox.sent == []


def test_a_take_of_an_earlier_drop_is_listed_and_not_waited_for(
    mails: GroupMails, groups: Groups, ledger: Ledger, outbox: Outbox
) -> None:
    earlier = ledger.claim(takes(1, group="")[0])
    jobs = claimed(groups, 2)
    assert not leave_out(mails, end(ledger, jobs[1], DELIVERED))
    (mail,) = outbox.sent
    assert "1. take 1: ordered by an earlier drop, which has its own mail." in mail.text
    assert mail.subject == "photo.jpg: your clip is ready"
    assert leave_out(mails, replace(end(ledger, earlier, DELIVERED), group=GROUP))
