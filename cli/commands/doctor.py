"""Checking a stack from end to end: `doctor`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cli.checks.every import CHECKS, SELF_TEST
from cli.checks.visit import Check, Visit, examine, worst
from cli.desk import Desk, desk_of
from cli.errors import Exit
from cli.views import plain
from dropreel.providers.checkup import Finding, Level

_MARKS = {Level.GREEN: "✓", Level.YELLOW: "!", Level.RED: "✗"}
_NAME_WIDE = 21

Line = tuple[Check, Finding]


def doctor(
    context: typer.Context,
    *,
    self_test: Annotated[
        bool, typer.Option(help="Upload a small file and check that its event arrives.")
    ] = True,
) -> None:
    """Check everything that an order needs, from the credentials to the providers. Orders nothing.

    Exit code 1 if anything is red, 3 without a stack. Example: dropreel doctor --json
    """
    desk = desk_of(context)
    lines: list[Line] = []
    for line in examined(desk, self_test=self_test):
        lines.append(line)
        if not desk.as_json:
            desk.print(shown(line))
    level = worst([finding for _, finding in lines])
    if desk.as_json:
        desk.print_json({"level": level, "checks": [_facts(line) for line in lines]})
    else:
        desk.say(total(lines))
    if level is Level.RED:
        raise typer.Exit(Exit.NOT_MADE)


def examined(desk: Desk, *, self_test: bool = True) -> Iterator[Line]:
    """The findings, each as soon as it is there."""
    visit = Visit(desk.stack, now=lambda: desk.now, sleep=time.sleep)
    yield from examine(visit, [one for one in CHECKS if self_test or one is not SELF_TEST])


def shown(line: Line) -> RenderableType:
    check, finding = line
    row = Table.grid(padding=(0, 1, 0, 0))
    row.add_column(width=_NAME_WIDE, no_wrap=True)
    row.add_column(overflow="fold")
    mark = Text(f"{_MARKS[finding.level]} {check.name}", style=finding.level.value)
    row.add_row(mark, plain(finding.words))
    if finding.todo:
        row.add_row("", Text(f"→ {finding.todo}", style="dim"))
    return row


def total(lines: list[Line]) -> str:
    counts = Counter(finding.level for _, finding in lines)
    return f"{len(lines)} checks: " + ", ".join(f"{counts[level]} {level}" for level in Level)


def _facts(line: Line) -> dict[str, Any]:
    check, finding = line
    todo = finding.todo or None
    return {"check": check.name, "level": finding.level, "words": finding.words, "todo": todo}
