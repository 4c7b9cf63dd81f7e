"""The newest jobs and rejected drops, as the dashboard's custom widget shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Self, TypeVar

from dropreel.clips.bucket import ClipsBucket
from dropreel.dashboard.page import DESCRIPTION, Entry, RejectedEntry, Shown, page
from dropreel.jobs.job import JobSummary
from dropreel.jobs.naming import rejection_record
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.pause import Pause, Pauses
from dropreel.ledger.rejected import Rejected, newest_rejected
from dropreel.ledger.table import Table
from dropreel.mail.message import Links
from dropreel.settings import LedgerSettings
from dropreel.steps.outcomes import WidgetEvent

if TYPE_CHECKING:
    from dropreel.container import Container

_Row = TypeVar("_Row", JobSummary, Rejected)

MOST_ROWS = 20
MOST_READ = 400  # of the newest jobs, when looking for those of one kind


class WidgetSettings(LedgerSettings):
    aws_region: str
    state_machine_arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Widget:
    """What the `widget` function shows."""

    table: Table
    ledger: Ledger
    clips: ClipsBucket
    region: str
    machine_arn: str
    now: Callable[[], datetime]

    @classmethod
    def build(cls, container: Container) -> Self:
        settings = container.settings(WidgetSettings)
        return cls(
            table=container.table,
            ledger=container.ledger,
            clips=container.clips,
            region=settings.aws_region,
            machine_arn=settings.state_machine_arn,
            now=container.now,
        )

    def handle(self, event: WidgetEvent, function_arn: str) -> str:
        """The answer to CloudWatch: HTML, or this widget's manual when it asks for one."""
        if event.describe:
            return DESCRIPTION
        shown = Shown.of(event.show)
        rows: list[Iterable[JobSummary | Rejected]] = [
            (job for job in self._newest(self.ledger.newest) if shown.includes(job.state))
        ]
        if shown.rejections:
            rows.append(self._newest(partial(newest_rejected, self.table)))
        newest = merge(*rows, key=lambda row: row.created_at, reverse=True)
        entries = [self._entry(row) for row in islice(newest, MOST_ROWS)]
        notice = _notice(Pauses(self.table).read())
        return page(entries, shown, function_arn=function_arn, now=self.now(), notice=notice)

    def _newest(self, read: Callable[[str], Iterator[_Row]]) -> Iterator[_Row]:
        """The newest of this month and the one before."""
        this_month = self.now().replace(day=1)
        months = (this_month, this_month - timedelta(days=1))
        return islice((one for month in months for one in read(f"{month:%Y-%m}")), MOST_READ)

    def _entry(self, one: JobSummary | Rejected) -> Entry | RejectedEntry:
        if isinstance(one, JobSummary):
            return self._job_entry(one)
        links = Links(self.region, self.clips.bucket, "")
        return RejectedEntry(one, links.object_link(rejection_record(one.key, one.rejection_id)))

    def _job_entry(self, job: JobSummary) -> Entry:
        links = Links(self.region, self.clips.bucket, job.execution or self._arn(job))
        return Entry(
            job,
            thumbnail=self.clips.thumbnail(job.job_id),
            execution_link=links.execution_link(),
            clip_link=links.object_link(job.clip_key),
        )

    def _arn(self, job: JobSummary) -> str:
        """Of the execution that a job has before any has taken charge of it."""
        machine = self.machine_arn.replace(":stateMachine:", ":execution:")
        return f"{machine}:{job.execution_name}"


def _notice(pause: Pause) -> str:
    if not pause:
        return ""
    since = datetime.fromtimestamp(pause.since, UTC)
    return (
        f"All orders are paused since {since:%Y-%m-%d %H:%M} UTC. Jobs wait in line, unpaid, until "
        "an operator runs `dropreel unpause`."
    )
