"""Stopping all orders, and letting them go on: `pause`, `unpause`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cli.desk import desk_of
from cli.facts import many
from cli.views import in_utc, plain
from dropreel.ledger.pause import Pause
from dropreel.providers.catalog import CATALOG
from dropreel.steps.pause import PauseOrders


def pause(
    context: typer.Context,
    reason: Annotated[
        str, typer.Option(help="The reason, for the mail and for `dropreel doctor`.")
    ] = "",
) -> None:
    """Stop all orders at once. Jobs wait in line, unpaid; what is already ordered is delivered.

    Example: dropreel pause --reason "checking the invoice"
    """
    desk = desk_of(context)
    step = desk.container.step(PauseOrders)
    before = step.read()
    now = step.pause(desk.who, reason)
    begun = "were paused already" if before else "are paused now"
    desk.show(_facts(now), lambda: plain(f"All orders {begun}: {_words(now)}. {_UNPAUSE}"))


def unpause(context: typer.Context) -> None:
    """End the pause. The jobs in line are ordered as slots become free.

    Example: dropreel unpause
    """
    desk = desk_of(context)
    step = desk.container.step(PauseOrders)
    pause_now = step.read()
    if not pause_now:
        step.unpause(desk.who)  # wakes who was not woken by a command that broke off
        desk.show(_facts(Pause()), lambda: plain("Orders were not paused."))
        return
    waiting = sum(desk.container.table.count(f"WAITING#{name}") for name in CATALOG)
    desk.ask(f"{many(waiting, 'job')} in line will be ordered, and paid. End the pause?")
    step.unpause(desk.who)
    facts = {**_facts(Pause()), "jobs_in_line": waiting}
    desk.show(facts, lambda: plain(f"The pause has ended. In line: {many(waiting, 'job')}."))


_UNPAUSE = "Jobs wait in line, unpaid. `dropreel unpause` ends the pause."


def _facts(found: Pause) -> dict[str, Any]:
    since = datetime.fromtimestamp(found.since, UTC).isoformat() if found else None
    return {
        "paused": bool(found),
        "since": since,
        "by": found.by or None,
        "reason": found.reason or None,
    }


def _words(found: Pause) -> str:
    since = in_utc(datetime.fromtimestamp(found.since, UTC))
    why = f", {found.reason}" if found.reason else ""
    return f"since {since}, by {found.by}{why}"
