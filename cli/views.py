"""Tables and cards that several commands show. Other people's words are never taken for markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cli.facts import colour, spent, usd, word
from dropreel.jobs.job import Job, JobSummary, from_iso
from dropreel.mail.message import one_line


def table(title: str, *columns: str) -> Table:
    shown = Table(title=title or None, box=SIMPLE_HEAD, title_justify="left", title_style="bold")
    for column in columns:
        right = column in ("cost", "age", "after", "reserved", "spent", "of", "price")
        shown.add_column(column, justify="right" if right else "left", overflow="fold")
    return shown


def card(title: str, rows: Mapping[str, Any]) -> Table:
    """Names and values, without those that are empty."""
    shown = Table(title=plain(title), box=None, show_header=False, title_justify="left")
    shown.title_style = "bold"
    shown.add_column(style="dim", no_wrap=True)
    shown.add_column(overflow="fold")
    for name, value in rows.items():
        if value not in (None, "", (), []):
            shown.add_row(name, value if isinstance(value, Text) else plain(value))
    return shown


def job_table(jobs: Sequence[JobSummary | Job], now: datetime) -> RenderableType:
    if not jobs:
        return Text("No jobs.")
    shown = table("", "job", "image", "state", "provider", "cost", "age", "reason")
    for job in jobs:
        image = job.source.key if isinstance(job, Job) else job.image_key
        shown.add_row(
            job.job_id[:8],
            plain(image),
            Text(word(job), style=colour(job.state)),
            job.provider,
            usd(spent(job), real=job.cost_usd is not None),
            age(job.created_at, now),
            job.failure.row.label if job.failure else "",
        )
    return shown


def plain(words: object) -> Text:
    """In one line: a blank for each line break."""
    return Text(one_line(" ".join(str(words).splitlines())), overflow="fold")


def in_utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def age(created_at: str, now: datetime) -> str:
    seconds = max(0, int((now - from_iso(created_at)).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
