"""Drops that start nothing: a record beside where the clip would be, and one mail that says why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from dropreel.clips.bucket import ClipsBucket
from dropreel.drops.inbox import Inbox
from dropreel.drops.pairing import file_of, is_image, near_misses
from dropreel.drops.sidecar import MAX_TAKES
from dropreel.errors import Problem
from dropreel.jobs.job import Job, State, utc_iso
from dropreel.jobs.naming import rejection_id, rejection_record, split_ending, stem
from dropreel.ledger.rejected import note_rejected
from dropreel.ledger.table import Table
from dropreel.mail.message import Links, Mail, sidecar_name
from dropreel.mail.once import SendOnce, Turn
from dropreel.mail.publisher import Mailer
from dropreel.mail.rejected import all_ordered, already_ordered, drop_rejected
from dropreel.observability import MetricUnit, logger, metrics
from dropreel.pages.links import PageLinks

NO_IMAGE = Problem(
    "image",
    "none beside this sidecar",
    "a JPEG, PNG or WebP image with the sidecar's name",
    "Drop it into the same folder.",
    text="There is no image with this name yet: a JPEG, PNG or WebP.",
)

_WAS = {
    State.DELIVERED: "was already made",
    State.FAILED: "was already ordered and may have been paid",
    State.CANCELLED: "was already ordered and may have been paid",
    State.STALLED: "was already ordered and may still come",
    State.UNKNOWN: "may have been ordered, which your operator has to find out",
}


Writer = Callable[[str, Sequence[Problem], str, Links], Mail]


@dataclass(frozen=True, slots=True)
class Rejections:
    """Records and mails what is wrong with a drop, once for each upload."""

    table: Table
    inbox: Inbox
    clips: ClipsBucket
    results: Mailer
    send_once: SendOnce
    links: Links
    pages: PageLinks
    now: Callable[[], datetime]

    def reject(
        self,
        key: str,
        dropped_at: str,
        problems: Sequence[Problem],
        write: Writer = drop_rejected,
    ) -> None:
        """Tell what is wrong with the file at `key`, uploaded at `dropped_at`."""
        texts = [str(problem) for problem in problems]
        mail_id = rejection_id(self.inbox.bucket, key, dropped_at, texts)
        record_key = rejection_record(key, mail_id)
        turn = self.send_once.begin(mail_id, self.now().timestamp())
        if turn is not Turn.OURS:
            logger.info("this rejection was mailed before")
            return
        mail = write(key, problems, record_key, self.links)
        record = {**mail.document, "dropped_at": dropped_at, "rejected_at": utc_iso(self.now())}
        self.clips.put_record(record_key, record)
        reason = mail.entry.text if mail.entry else texts[0]
        note_rejected(self.table, mail_id, key, reason, self.now())
        self.results.send(mail)
        self.send_once.end(mail_id, utc_iso(self.now()))
        metrics.add_metric("DropRejected", MetricUnit.Count, 1)
        logger.warning("drop rejected", fields=[problem.field for problem in problems])

    def reject_again(self, held: Sequence[Job], key: str, dropped_at: str) -> None:
        """The same files as those of jobs that are not to run again."""
        if len(held) > 1:
            page, problem = self.pages.image(held[0].source.key), all_made_before(held)
            tell: Writer = partial(all_ordered, held)
        else:
            (job,) = held
            page = self.pages.job(job.job_id) if job.state is State.DELIVERED else None
            problem, tell = made_before(job), partial(already_ordered, job)

        def write(key: str, problems: Sequence[Problem], record_key: str, links: Links) -> Mail:
            linked = replace(links, page=page or "", page_days=self.pages.days)
            return tell(key, problems, record_key, linked)

        self.reject(key, dropped_at, [problem], write)

    def reject_alone(self, key: str, dropped_at: str, problems: Sequence[Problem]) -> None:
        """The same for a file without its partner, naming one that was probably meant."""
        folder = self.inbox.beside(key)
        near = near_misses(key, folder)
        if not near:
            self.reject(key, dropped_at, problems)
            return
        image, sidecar = (key, near[0]) if is_image(key) else (near[0], key)
        # Both files lead to this one mail, whichever is looked at first.
        newest = max(dropped_at, utc_iso(folder[near[0]]))
        self.reject(image, newest, [near_miss(image, sidecar)])


def near_miss(image: str, sidecar: str) -> Problem:
    """Two files that differ too much in name to belong together."""
    right = stem(file_of(image)) + split_ending(sidecar)[1]
    return Problem(
        "sidecar",
        f"{file_of(sidecar)} beside {file_of(image)}: the names differ",
        "the image's name to the letter, with another ending",
        f"Rename {file_of(sidecar)} to {right} and drop it again.",
        text=f"{file_of(sidecar)} does not have quite the same name as {file_of(image)}.",
    )


def made_before(held: Job) -> Problem:
    """What is wrong with a drop of the files of a job that is not to run again."""
    take = held.settings.take
    wait = held.state in (State.STALLED, State.UNKNOWN)
    return Problem(
        "take",
        f"{take}, but this clip {_WAS[held.state]}",
        "a new number: dropreel then orders (and pays for) another clip of this image",
        "Please wait, and do not upload it again: you will get a mail as soon as we know."
        if wait
        else f'Put "take": {take + 1}, or another prompt, into {sidecar_name(held)}.',
    )


def all_made_before(held: Sequence[Job]) -> Problem:
    """The same of all takes that one sidecar asks for."""
    return Problem(
        "takes",
        f"{len(held)} clips that were all made before, or ordered and may have been paid",
        f"more takes, up to {MAX_TAKES}, or other settings: dropreel then orders what is new",
        "Raise the number of takes in the sidecar, or change the prompt.",
    )
