"""The mail that a clip waits for the next day, because the day's cap is used up. Sent once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from dropreel.jobs.group import group_mail_id
from dropreel.jobs.job import Job, utc_iso
from dropreel.mail.message import (
    DigestEntry,
    Mail,
    compose,
    file_name,
    folder_attribute,
    rows,
)
from dropreel.mail.once import SendOnce, Turn
from dropreel.mail.publisher import Mailer

_NEXT = (
    "Nothing. dropreel orders automatically when the new day begins. Dropping the files again "
    "changes nothing. If it is urgent, ask your operator, who can raise the limit and order today."
)


@dataclass(frozen=True, slots=True)
class NextDayMails:
    """Tells those who dropped the files that their clips wait."""

    send_once: SendOnce
    results: Mailer
    now: Callable[[], datetime]

    def send(self, job: Job, clips: int, reason: str, until: datetime) -> bool:
        """Send the mail, once for a run of a job or for its group. False if somebody else is at
        it: only when it comes back with True was the mail sent."""
        one = group_mail_id(job.group) if job.group else f"{job.job_id}-{job.run}"
        mail_id = f"{one}-waits"
        turn = self.send_once.begin(mail_id, self.now().timestamp())
        if turn is Turn.OURS:
            self.results.send(clips_wait(job, mail_id, clips, reason, until))
            self.send_once.end(mail_id, utc_iso(self.now()))
        return turn is not Turn.BUSY


def clips_wait(job: Job, mail_id: str, clips: int, reason: str, until: datetime) -> Mail:
    """`clips` of one image wait until then (UTC); `reason` names the cap and the numbers."""
    name, key = file_name(job.source.key), job.source.key
    what = "Your clip is waiting" if clips == 1 else f"Your {clips} clips are waiting"
    day = f"{until:%Y-%m-%d}"
    parts = [
        f"{what} until {day}, 00:00 UTC. Nothing has been paid so far.",
        f"Why: today's budget is used up ({reason}).",
        f"What to do: {_NEXT}",
        rows({"Image": key}),
    ]
    document = {
        "outcome": "waiting",
        "image": key,
        "clips": clips,
        "until": utc_iso(until),
        "reason": reason,
    }
    attributes = {"outcome": "waiting", "folder": folder_attribute(key)}
    entry = DigestEntry(mail_id, key, "waiting", f"{what} until {day}, 00:00 UTC.")
    subject = f"{name}: waiting until {day}, nothing paid"
    return compose(subject, parts, document, attributes, entry)
