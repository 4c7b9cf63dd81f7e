"""Watching what is under way in the stack: `watch`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from cli.commands.money import caps_of
from cli.desk import Desk, desk_of
from cli.facts import summary, usd
from cli.views import in_utc, job_table, table
from dropreel.jobs.job import Job
from dropreel.ledger.breaker import Breaker
from dropreel.ledger.pause import Pauses
from dropreel.ledger.slots import SlotSettings
from dropreel.providers.catalog import CATALOG, limit_of

MOST = 100


def watch(
    context: typer.Context,
    every: Annotated[float, typer.Option(min=0.5, help="Seconds between updates.")] = 3.0,
    *,
    once: Annotated[bool, typer.Option("--once", help="Show it once and exit.")] = False,
) -> None:
    """Show live what is under way: jobs, slots, lines of the providers, spending. Ctrl-C exits.

    Example: dropreel watch
    """
    desk = desk_of(context)
    if once or desk.as_json or not desk.out.is_terminal:
        jobs, facts = _look(desk)
        desk.show(facts, lambda: _view(jobs, facts, desk.now))
        return
    with Live(console=desk.out, screen=False, auto_refresh=False) as live:
        while True:
            jobs, facts = _look(desk)
            live.update(_view(jobs, facts, desk.now), refresh=True)
            time.sleep(every)


def _look(desk: Desk) -> tuple[list[Job], dict[str, Any]]:
    ledger = desk.container.ledger
    found = [ledger.get(job_id) for job_id in ledger.unsettled(MOST)]
    jobs = [job for job in found if job]
    pause = Pauses(desk.container.table).read()
    since = datetime.fromtimestamp(pause.since, UTC).isoformat() if pause else None
    return jobs, {
        "jobs": [summary(job) for job in jobs],
        "providers": [_provider(desk, name) for name in CATALOG],
        "caps": caps_of(desk),
        "paused_since": since,
    }


def _provider(desk: Desk, name: str) -> dict[str, Any]:
    """Slots, line and circuit breaker of one provider."""
    limits = desk.container.settings(SlotSettings).provider_limits
    table_ = desk.container.table
    stopped = Breaker(table_).state(name, desk.now.timestamp())
    works = stopped is None or stopped.limited
    return {
        "provider": name,
        "slots_held": desk.container.slots.holders(name),
        "slots": limit_of(name, {str(key): limit for key, limit in limits.items()}).jobs,
        "jobs_in_line": table_.count(f"WAITING#{name}"),
        "works": works,
        "last_failure": stopped.reason if stopped and not works else None,
        "rate_limited": bool(stopped and stopped.limited),
    }


def _orders(one: Mapping[str, Any], *, paused: bool) -> Text:
    if not one["works"]:
        return Text("stopped", style="red")
    if paused:
        return Text("paused", style="yellow")
    return Text("wait for a rate limit", style="yellow") if one["rate_limited"] else Text("go on")


def _view(jobs: list[Job], facts: Mapping[str, Any], now: datetime) -> RenderableType:
    since = facts["paused_since"]
    shown = table("Providers", "provider", "slots", "in line", "orders")
    for one in facts["providers"]:
        slots = f"{one['slots_held']} of {one['slots']}"
        shown.add_row(
            one["provider"], slots, str(one["jobs_in_line"]), _orders(one, paused=bool(since))
        )
    money = "   ".join(
        f"{one['period']}: {usd(one['committed_usd'])} of {usd(one['cap_usd'])}"
        for one in facts["caps"]
    )
    notice = [_notice(datetime.fromisoformat(since))] if since else []
    return Group(*notice, job_table(jobs, now), shown, Text(money))


def _notice(since: datetime) -> Text:
    return Text(f"ALL ORDERS ARE PAUSED since {in_utc(since)}", style="bold yellow")
