"""Finding jobs by what an operator knows of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

from cli.desk import Desk
from cli.errors import CommandError, NotFoundError
from dropreel.jobs.job import Job, JobSummary

MONTHS = 3  # of jobs among which a name is looked for
MOST_READ = 5000
_ID = re.compile(r"[0-9a-f]{24}")
_PART = re.compile(r"[0-9a-f]{6,23}")
_AGO = re.compile(r"(\d+)([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LISTED = 5


def find_job(desk: Desk, words: str) -> Job:
    """The job with this ID, the beginning of one, or the newest one of a file. Raises
    NotFoundError if none or several files fit."""
    ledger = desk.container.ledger
    job = ledger.get(words) if _ID.fullmatch(words) else None
    return job or ledger.require(_find(desk, words).job_id)


def _find(desk: Desk, words: str) -> JobSummary:
    known = list(islice(newest(desk, desk.now - timedelta(days=31 * (MONTHS - 1))), MOST_READ))
    found = [job for job in known if _PART.fullmatch(words) and job.job_id.startswith(words)]
    found = found or _of_file(known, words)
    keys = list(dict.fromkeys(job.image_key for job in found))
    if not found:
        raise NotFoundError(f"no job of the last {MONTHS} months fits {words}: see `dropreel jobs`")
    if len(keys) > 1:
        some = ", ".join(keys[:_LISTED])
        raise NotFoundError(f"{words} fits {len(keys)} images ({some}): say more of the name")
    return found[0]


def _of_file(known: list[JobSummary], words: str) -> list[JobSummary]:
    """By the whole key, else the end of it, else any part; the newest first."""
    low = words.lower()
    for fits in (
        lambda key: key == words,
        lambda key: f"/{key}".lower().endswith((f"/{low}", f"/{low}.jpg", f"/{low}.png")),
        lambda key: low in key.lower(),
    ):
        found = [job for job in known if fits(job.image_key)]
        if found:
            return found
    return []


def newest(desk: Desk, since: datetime) -> Iterator[JobSummary]:
    """The jobs that were created since then, newest first."""
    month = month_of(desk.now)
    while month >= month_of(since):
        for job in desk.container.ledger.newest(f"{month:%Y-%m}"):
            if datetime.fromisoformat(job.created_at) < since:
                return
            yield job
        month = month_of(month - timedelta(days=1))


def month_of(moment: datetime) -> datetime:
    """Its first moment."""
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def moment(words: str, now: datetime) -> datetime:
    """`90m`, `12h`, `3d`, `2w` ago, or a date such as `2026-11-20` (UTC)."""
    ago = _AGO.fullmatch(words)
    if ago:
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        given = datetime.fromisoformat(words)
    except ValueError:
        raise CommandError(f"{words} is no time: write 90m, 12h, 3d, 2w or 2026-11-20") from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)
