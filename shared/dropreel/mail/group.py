"""One mail for all takes of a group, when all have ended for people.

Invariants: (1) every end of a job of a group is told once: by the group's mail if `Group.told`
names that state, else by a mail of the job's own; `told` is written once, before the mail is sent.
(2) Of several that end at the same time one sends the mail, because each has begun to tell its own
end (`SendOnce.begin`) before it looks whether the others have. A job that is stalled or unknown
has ended for people: the group's mail says that it is delayed, and what becomes of it has a mail
of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from dropreel.errors import MailBusyError
from dropreel.jobs.group import AGAIN, Group, Take
from dropreel.jobs.job import ENDS, Job, utc_iso
from dropreel.ledger.groups import Groups
from dropreel.mail.group_text import group_ended
from dropreel.mail.message import Links
from dropreel.mail.once import SendOnce, Turn
from dropreel.mail.publisher import Mailer
from dropreel.observability import logger

_MOST_UNTOLD = 500  # in one sweep


@dataclass(frozen=True, slots=True)
class GroupMails:
    """Sends the mails of groups."""

    groups: Groups
    send_once: SendOnce
    results: Mailer
    links: Links
    now: Callable[[], datetime]
    page: Callable[[str], str | None] = lambda _: None  # that compares all clips of an image
    page_days: int = 0

    def leave_out(self, job: Job) -> bool:
        """Tell the group's people if `job`, whose mail was begun, is the last to end. Returns
        whether the group's mail leaves out the state that it is in, so that it needs its own.

        Raises MailBusyError if somebody else is sending that mail. May be repeated.
        """
        group = self.groups.get(job.group)
        if group is None or not any(take.claims(job) for take in group.takes):
            return True
        told = self._tell_if_over(group)
        return bool(told.told) and not told.covers(job)

    def send_overdue(self) -> None:
        """Send what the last job of a group could not, because it died or was dropped again."""
        for group in self.groups.untold(_MOST_UNTOLD):
            try:
                self._tell_if_over(group)
            except MailBusyError:
                logger.info("somebody else is sending this mail")

    def _tell_if_over(self, group: Group) -> Group:
        """The group as it is told, or as it was if some of its jobs have not ended."""
        jobs = self.groups.jobs(group)
        by_take = list(zip(group.takes, jobs, strict=True))
        if not group.told:
            if not all(self._is_over(take, job) for take, job in by_take if take.run):
                return group
            states = {
                take.job_id: job.state.value if take.claims(job) else AGAIN
                for take, job in by_take
                if take.run
            }
            group = self.groups.tell(group, states)
        self._send(group, jobs)
        return group

    def _is_over(self, take: Take, job: Job) -> bool:
        """Whether the end of the job is being told, or was. Its state alone does not say so: an
        order whose answer was lost is searched for as long as its execution lives."""
        if not take.claims(job):
            return True
        return job.state in ENDS and self.send_once.has_begun(job.mail_id)

    def _send(self, group: Group, jobs: list[Job]) -> None:
        turn = self.send_once.begin(group.mail_id, self.now().timestamp())
        if turn is Turn.BUSY:
            raise MailBusyError(f"another run is sending the mail {group.mail_id}")
        if turn is Turn.OURS:
            page = self.page(group.image_key) or ""
            links = replace(self.links, page=page, page_days=self.page_days)
            self.results.send(group_ended(group, jobs, links))
            self.send_once.end(group.mail_id, utc_iso(self.now()))
        self.groups.settle(group)
