"""The newest jobs, as the dashboard's custom widget shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Self

from dropreel.clips.bucket import ClipsBucket
from dropreel.dashboard.page import DESCRIPTION, Entry, Shown, page
from dropreel.jobs.job import JobSummary
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.pause import Pause, Pauses
from dropreel.mail.message import Links
from dropreel.settings import LedgerSettings
from dropreel.steps.outcomes import WidgetEvent

if TYPE_CHECKING:
    from dropreel.container import Container

MOST_ROWS = 20
MOST_READ = 400  # of the newest jobs, when looking for those of one kind


class WidgetSettings(LedgerSettings):
    aws_region: str
    state_machine_arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Widget:
    """What the `widget` function shows."""

    ledger: Ledger
    pauses: Pauses
    clips: ClipsBucket
    region: str
    machine_arn: str
    now: Callable[[], datetime]

    @classmethod
    def build(cls, container: Container) -> Self:
        settings = container.settings(WidgetSettings)
        return cls(
            ledger=container.ledger,
            pauses=Pauses(container.table),
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
        jobs = islice((job for job in self._newest() if shown.includes(job.state)), MOST_ROWS)
        entries = [self._entry(job) for job in jobs]
        notice = _notice(self.pauses.read())
        return page(entries, shown, function_arn=function_arn, now=self.now(), notice=notice)

    def _newest(self) -> Iterator[JobSummary]:
        """The newest jobs of this month and the one before."""
        this_month = self.now().replace(day=1)
        months = (this_month, this_month - timedelta(days=1))
        found = (job for month in months for job in self.ledger.newest(f"{month:%Y-%m}"))
        return islice(found, MOST_READ)

    def _entry(self, job: JobSummary) -> Entry:
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
