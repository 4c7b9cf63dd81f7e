"""What was spent: `spend`."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Any

import typer
from rich.console import Group

from cli.desk import Desk, desk_of
from cli.errors import CommandError
from cli.facts import usd
from cli.find import moment, month_of, newest
from cli.views import card, plain, table
from dropreel.jobs.job import ENDS, Job, Reservation, State
from dropreel.money.policy import CapSettings

_ZERO = Decimal(0)


class By(StrEnum):
    DAY = "day"
    MONTH = "month"
    PROVIDER = "provider"
    FOLDER = "folder"
    STATE = "state"
    LABEL = "label"


@dataclass(slots=True)
class Sum:
    """Of one group: what is paid or counted as paid, set aside, and perhaps paid."""

    jobs: int = 0
    spent: Decimal = _ZERO
    reserved: Decimal = _ZERO
    unknown: Decimal = _ZERO

    def add(self, job: Job) -> None:
        self.jobs += 1
        amount = job.reservation.amount_usd if job.reservation else _ZERO
        if job.state in (State.UNKNOWN, State.STALLED):
            self.unknown += amount
        elif job.state in ENDS:
            self.spent += amount
        else:
            self.reserved += amount


def spend(
    context: typer.Context,
    by: Annotated[By, typer.Option(help="How to group the sums.")] = By.DAY,
    since: Annotated[str, typer.Option(help="Only newer jobs: 90m, 12h, 3d, 2w or a date.")] = "",
    *,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Show what was spent, is reserved, or may have been paid, against the caps.

    Example: dropreel spend --by provider --since 2026-11-01 --csv
    """
    desk = desk_of(context)
    if as_csv and desk.as_json:
        raise CommandError("choose one of --csv and --json")
    begin = moment(since, desk.now) if since else month_of(desk.now)
    sums: dict[str, Sum] = defaultdict(Sum)
    for row in newest(desk, begin):
        job = desk.container.ledger.get(row.job_id)
        if job:
            sums[_GROUPS[by](job)].add(job)
    rows = [_row(by, name, one) for name, one in sorted(sums.items())]
    if as_csv:
        typer.echo(_csv(by, rows), nl=False)
        return
    caps = caps_of(desk)
    desk.show({"by": by.value, "rows": rows, "caps": caps}, lambda: _view(by, rows, caps))


_GROUPS: Mapping[By, Callable[[Job], str]] = {
    By.DAY: lambda job: job.reservation.day if job.reservation else job.created_at[:10],
    By.MONTH: lambda job: job.reservation.month if job.reservation else job.created_at[:7],
    By.PROVIDER: lambda job: job.provider,
    By.FOLDER: lambda job: str(PurePosixPath(job.source.key).parent),
    By.STATE: lambda job: job.state.value,
    By.LABEL: lambda job: ", ".join(job.labels) or "none",
}


def _row(by: By, name: str, one: Sum) -> dict[str, Any]:
    return {
        by.value: name,
        "jobs": one.jobs,
        "spent_usd": one.spent,
        "reserved_usd": one.reserved,
        "unknown_usd": one.unknown,
    }


def _csv(by: By, rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    amounts = ("spent_usd", "reserved_usd", "unknown_usd")
    writer = csv.DictWriter(text, [by.value, "jobs", *amounts], lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, **{name: f"{row[name]:.2f}" for name in amounts}} for row in rows)
    return text.getvalue()


def caps_of(desk: Desk) -> list[dict[str, Any]]:
    """Day and month as the budget has them: also earlier orders of jobs that were started again."""
    caps = desk.container.settings(CapSettings).caps()
    today = Reservation.at(desk.now, _ZERO)
    return [
        {"period": one.period, "committed_usd": one.committed, "cap_usd": one.cap}
        for one in desk.container.ledger.spending(today, caps)
    ]


def _view(by: By, rows: list[dict[str, Any]], caps: list[dict[str, Any]]) -> Group:
    shown = table("", by.value, "jobs", "spent", "reserved", "perhaps paid")
    for row in rows:
        amounts = [usd(row[f"{name}_usd"]) for name in ("spent", "reserved", "unknown")]
        shown.add_row(plain(row[by.value]), str(row["jobs"]), *amounts)
    used = {
        one["period"]: f"{usd(one['committed_usd'])} of {usd(one['cap_usd'])} used or reserved"
        for one in caps
    }
    return Group(shown, card("Caps (UTC)", used))
