"""From an upload to the end of its jobs, with one line for each clip."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from cli.desk import Desk
from cli.facts import Facts, colour, spent, summary, usd, word
from cli.files import Files
from cli.views import job_table, plain
from dropreel.jobs.job import ENDS, Job, State, from_iso
from dropreel.jobs.naming import output_folder
from dropreel.ledger.newest import NewestDrops
from dropreel.ledger.runtimes import MeasuredRuntimes
from dropreel.waiting.runtimes import JobKind

TICK_S = 1.0
_TAKE = "job_"


@dataclass(slots=True)
class Dropped:
    """One image in the inbox, since when, and what has become of it.

    `awaits_rejection`: its jobs had ended before, which a rejection will probably say.
    """

    key: str
    at: datetime
    awaits_rejection: bool = False
    jobs: list[Job] = field(default_factory=list)
    rejection: str = ""

    @property
    def over(self) -> bool:
        return bool(self.rejection or self.jobs) and all(job.state in ENDS for job in self.jobs)

    @property
    def made(self) -> bool:
        return bool(self.jobs) and all(job.state is State.DELIVERED for job in self.jobs)

    def facts(self) -> Facts:
        jobs = [summary(job) for job in self.jobs]
        return {"image": self.key, "jobs": jobs, "rejected": self.rejection or None}


def upload(desk: Desk, files: Files) -> None:
    """Put all files into the inbox."""
    for key in files.in_order:
        _put(desk, key, files.contents[key])


def dropped(desk: Desk, files: Files, images: Sequence[str]) -> list[Dropped]:
    """These images, each since its file or what speaks for it was uploaded."""
    s3, bucket = desk.stack.client("s3"), desk.stack.outputs["InboxBucketName"]

    def at(key: str) -> datetime:
        found: datetime = s3.head_object(Bucket=bucket, Key=key)["LastModified"]
        return found

    since = {
        image: [image] if image in files.contents else files.speakers(image) for image in images
    }
    return [Dropped(image, min(map(at, keys))) for image, keys in since.items()]


def _put(desk: Desk, key: str, content: Path | bytes) -> None:
    s3, bucket = desk.stack.client("s3"), desk.stack.outputs["InboxBucketName"]
    if isinstance(content, bytes):
        s3.put_object(Bucket=bucket, Key=key, Body=content)
        return
    with content.open("rb") as body:
        s3.put_object(Bucket=bucket, Key=key, Body=body)


def follow(desk: Desk, drops: Sequence[Dropped], timeout_s: float) -> bool:
    """Show how the jobs of these drops go, until all have ended. Returns whether all have clips."""
    until = time.monotonic() + timeout_s
    lines = Lines(desk, len(drops))
    with lines.progress:
        while time.monotonic() < until:
            for one in drops:
                look(desk, one)
            lines.show(drops)
            if all(one.over for one in drops):
                break
            time.sleep(TICK_S)
    desk.show({"drops": [one.facts() for one in drops]}, lambda: _table(desk, drops))
    return all(one.made for one in drops)


def look(desk: Desk, drop: Dropped) -> None:
    """What the ledger, or the record of a rejection, says of a drop now."""
    if drop.over:
        return
    if drop.jobs:
        drop.jobs = [desk.container.ledger.require(job.job_id) for job in drop.jobs]
        return
    drop.rejection = _rejection(desk, drop)
    found = [] if drop.rejection else _jobs_of(desk, drop)
    ended_before = bool(found) and all(_ended_before(job, drop) for job in found)
    if ended_before and not drop.awaits_rejection:
        drop.awaits_rejection = True
        return
    drop.jobs = found


def _jobs_of(desk: Desk, drop: Dropped) -> list[Job]:
    """What this drop became: new jobs, or those of the same files that there were already."""
    bucket = desk.stack.outputs["InboxBucketName"]
    newest = NewestDrops(desk.container.table).read(bucket, drop.key)
    noted = [value for name, value in newest.item.items() if name.startswith(_TAKE)]
    named = dict.fromkeys(job_id for value in noted for job_id in str(value).split())
    found = [job for job in map(desk.container.ledger.get, named) if job]
    return [job for job in found if from_iso(max(job.dropped_at, job.newest_drop_at)) >= drop.at]


def _ended_before(job: Job, drop: Dropped) -> bool:
    return job.state in ENDS and from_iso(job.dropped_at) < drop.at


def _rejection(desk: Desk, drop: Dropped) -> str:
    """The newest rejection of this file since it was dropped."""
    bucket = desk.stack.outputs["ClipsBucketName"]
    listed = desk.stack.client("s3").list_objects_v2(
        Bucket=bucket, Prefix=f"{output_folder(drop.key)}/rejected-"
    )
    for item in listed.get("Contents", []):
        if item["LastModified"] >= drop.at:
            record = json.loads(desk.container.clips.load(item["Key"]))
            return "; ".join(f"{one['field']}: {one['found']}" for one in record["problems"])
    return ""


def _table(desk: Desk, drops: Sequence[Dropped]) -> RenderableType:
    shown = job_table([job for one in drops for job in one.jobs], desk.now)
    rejected = [one for one in drops if one.rejection]
    if not rejected:
        return shown
    text = Text()
    for one in rejected:
        text.append(f"{one.key}: rejected: {one.rejection}\n", style="red")
    return text


class Lines:
    """One progress line for each clip, and one for all; plain lines where there is no terminal."""

    def __init__(self, desk: Desk, drops: int) -> None:
        self._desk = desk
        self._tasks: dict[str, Any] = {}
        self._told: dict[str, str] = {}
        self._live = desk.out.is_terminal and not desk.as_json
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24, complete_style="blue", finished_style="green"),
            StateColumn(),
            console=desk.out,
            disable=not self._live,
        )
        self._all = self.progress.add_task("in all", total=drops) if drops > 1 else None

    def show(self, drops: Sequence[Dropped]) -> None:
        for one in drops:
            for name, state, style, share in self._rows(one):
                self._row(name, state, style, share)
        if self._all is not None:
            ended = sum(one.over for one in drops)
            state = f"{ended} of {len(drops)}"
            self.progress.update(self._all, completed=ended, state=state, style="bold")

    def _rows(self, drop: Dropped) -> Iterator[tuple[str, str, str, float]]:
        if drop.rejection:
            yield drop.key, "rejected", "red", 1
        elif not drop.jobs:
            yield drop.key, "dropped", "dim", 0
        for job in drop.jobs:
            name = drop.key if len(drop.jobs) == 1 else f"{drop.key} take {job.settings.take}"
            yield name, *self._progress_of(job)

    def _progress_of(self, job: Job) -> tuple[str, str, float]:
        """In words, its colour, and how much of the time that such clips take has passed."""
        price = usd(spent(job), real=job.cost_usd is not None)
        if job.state in ENDS:
            return f"{word(job)}, {price}", colour(job.state), 1
        if not job.asked_at:
            return f"{word(job)}, {price}", colour(job.state), 0
        usual = MeasuredRuntimes(self._desk.container.table).of(JobKind.of(job)).usual_s
        passed = (self._desk.now - from_iso(job.asked_at)).total_seconds()
        words = f"{word(job)}, {passed:.0f} of about {usual:.0f} s, {price}"
        return words, colour(job.state), min(0.98, passed / usual)

    def _row(self, name: str, state: str, style: str, share: float) -> None:
        if self._live:
            if name not in self._tasks:
                self._tasks[name] = self.progress.add_task(plain(name).plain, total=1)
            self.progress.update(self._tasks[name], completed=share, state=state, style=style)
            return
        first = state.partition(",")[0]
        if self._told.get(name) != first:
            self._told[name] = first
            self._desk.say(f"{plain(name).plain}: {state}")


class StateColumn(ProgressColumn):
    """The state in words, in its colour."""

    def render(self, task: Task) -> Text:
        return Text(str(task.fields.get("state", "")), style=str(task.fields.get("style", "")))
