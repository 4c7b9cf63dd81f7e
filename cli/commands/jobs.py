"""Looking at jobs: `jobs`, `show`, `open`, `logs`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.desk import Desk, desk_of
from cli.errors import CommandError
from cli.facts import colour, details, prefix_of, spent, summary, usd, word
from cli.find import find_job, moment, newest
from cli.listing import Selection
from cli.views import card, job_table, table
from dropreel.jobs.job import Job, State, from_iso
from dropreel.jobs.naming import folder_id
from dropreel.mail.message import Links

_URL_S = 3600


def jobs(
    context: typer.Context,
    state: Annotated[
        list[str] | None,
        typer.Option(help="Only jobs in this state, as in the list or in JSON; repeatable."),
    ] = None,
    folder: Annotated[str, typer.Option(help="Only images below this folder.")] = "",
    since: Annotated[str, typer.Option(help="Only newer jobs: 90m, 12h, 3d, 2w or a date.")] = "7d",
    provider: Annotated[str, typer.Option(help="Only jobs of this provider.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many jobs to list at most.")] = 50,
) -> None:
    """List the newest jobs.

    Example: dropreel jobs --state refused --state failed --since 2d
    """
    desk = desk_of(context)
    selection = Selection.of(state or (), prefix_of(folder), provider)
    found = list(islice(selection.jobs(desk, newest(desk, moment(since, desk.now))), limit))
    desk.show({"jobs": [summary(job) for job in found]}, lambda: job_table(found, desk.now))


def show(
    context: typer.Context,
    job: Annotated[str, typer.Argument(help="ID, the beginning of one, or a file's name.")],
) -> None:
    """Show everything about one job: steps with times, attempts, money, links.

    Example: dropreel show lighthouse.jpg
    """
    desk = desk_of(context)
    found = find_job(desk, job)
    links = links_of(desk, found)
    steps = list(_steps(desk, found))
    console = {"execution": links.execution_link(), "clip": links.object_link(found.clip_key)}
    facts = {**details(found, links), "steps": steps, "console": console}
    desk.show(facts, lambda: _page(found, facts))


def open_page(
    context: typer.Context,
    job: Annotated[
        str, typer.Argument(help="ID, the beginning of one, a file's name, or FOLDER/.")
    ],
    *,
    console: Annotated[
        bool, typer.Option("--console", help="Open the execution in the AWS console instead.")
    ] = False,
) -> None:
    """Open the page of a clip or a folder, or the clip itself if the stack has no pages.

    Example: dropreel open lighthouse.jpg
    """
    desk = desk_of(context)
    if job.endswith("/"):
        _open(desk, {"folder": job}, _folder_page(desk, job))
        return
    found = find_job(desk, job)
    if console:
        address = links_of(desk, found).execution_link()
    elif found.state is State.DELIVERED:
        page = desk.container.page_links.job(found.job_id)
        address = page or desk.container.clips.page_url(found.clip_key, _URL_S)
    else:
        raise CommandError(f"job {found.job_id} has no clip: it is {word(found)}. Try --console.")
    _open(desk, {"job_id": found.job_id}, address)


def _folder_page(desk: Desk, folder: str) -> str:
    prefix = prefix_of(folder)
    page = desk.container.page_links.folder(prefix)
    if not page:
        raise CommandError("this stack has no pages: LinkDays is 0, or their key cannot be read")
    if not any(desk.container.ledger.of_folder(folder_id(prefix))):
        raise CommandError(f"there is no job in {prefix or '/'}")
    return page


def _open(desk: Desk, what: dict[str, Any], address: str) -> None:
    desk.show({**what, "url": address}, lambda: Text(address, overflow="fold"))
    if desk.out.is_terminal and not desk.as_json:
        typer.launch(address)


def logs(
    context: typer.Context,
    job: Annotated[str, typer.Argument(help="ID, the beginning of one, or a file's name.")],
) -> None:
    """Print the log lines of one job, from all functions, in order.

    Example: dropreel logs lighthouse.jpg
    """
    desk = desk_of(context)
    found = find_job(desk, job)
    lines = sorted(_log_lines(desk, found), key=lambda line: str(line["timestamp"]))
    desk.show({"job_id": found.job_id, "lines": lines}, lambda: _log(lines))


def links_of(desk: Desk, job: Job) -> Links:
    stack = desk.stack
    machine = stack.outputs["RenderStateMachineArn"].replace(":stateMachine:", ":execution:")
    execution = job.execution or f"{machine}:{job.execution_name}"
    return Links(stack.region, stack.outputs["ClipsBucketName"], execution)


# --- show ----------------------------------------------------------------------------------------


def _steps(desk: Desk, job: Job) -> Iterator[dict[str, Any]]:
    """The states of the workflow that the job's last execution has entered."""
    if not job.execution:
        return
    workflow = desk.stack.client("stepfunctions")
    pages = workflow.get_paginator("get_execution_history").paginate(executionArn=job.execution)
    try:
        events = [event for page in pages for event in page["events"]]
    except workflow.exceptions.ExecutionDoesNotExist:
        return
    for event in events:
        entered = event.get("stateEnteredEventDetails")
        if entered:
            yield {"step": entered["name"], "at": event["timestamp"].isoformat()}


def _page(job: Job, facts: Mapping[str, Any]) -> RenderableType:
    state = Text(word(job), style=colour(job.state))
    price = usd(spent(job), real=job.cost_usd is not None)
    cancelled = "Cancelled" if job.state is State.CANCELLED else "Cancel asked for"
    rows: dict[str, RenderableType] = {
        "Job": job.job_id,
        "State": state,
        "Labels": ", ".join(job.labels),
        "Reason": facts["reason"] or "",
        "Provider": job.provider,
        "Provider's job": job.provider_job_id,
        "Money": price,
        "Clip": facts["clip"] or "",
        "Record": facts["record"],
        cancelled: job.cancel_requested,
        "Console": facts["console"]["execution"],
    }
    parts: list[RenderableType] = [card(job.source.key, rows), card("Settings", facts["sidecar"])]
    if facts["steps"]:
        parts.append(_steps_table(facts["steps"]))
    if job.attempts:
        parts.append(_attempts(job))
    return Group(*parts)


def _steps_table(steps: list[dict[str, Any]]) -> Table:
    """When each began, and how many seconds after the first one."""
    shown = table("Steps", "time (UTC)", "step", "after")
    begun = datetime.fromisoformat(steps[0]["at"])
    for step in steps:
        at = datetime.fromisoformat(step["at"])
        seconds = (at - begun).total_seconds()
        shown.add_row(f"{at:%H:%M:%S}", step["step"], f"{seconds:.0f} s")
    return shown


def _attempts(job: Job) -> Table:
    shown = table("Orders", "sent at", "provider", "its job", "came to", "cost")
    for one in job.attempts:
        cost = usd(one.cost_usd if one.cost_usd is not None else one.estimate_usd)
        outcome = f"{one.outcome}: {one.reason}" if one.reason else one.outcome
        shown.add_row(one.asked_at[:19], one.provider, one.provider_job_id, outcome, cost)
    return shown


# --- logs ----------------------------------------------------------------------------------------


def _log_lines(desk: Desk, job: Job) -> Iterator[dict[str, Any]]:
    client = desk.stack.client("logs")
    start = int(from_iso(job.created_at).timestamp() * 1000) - 60_000
    for group in _log_groups(desk):
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=start, filterPattern=f'"{job.job_id}"'
        )
        for page in pages:
            for event in page["events"]:
                yield _line(event["message"], event["timestamp"])


def _log_groups(desk: Desk) -> list[str]:
    pages = desk.stack.client("cloudformation").get_paginator("list_stack_resources")
    return [
        row["PhysicalResourceId"]
        for page in pages.paginate(StackName=desk.stack.name)
        for row in page["StackResourceSummaries"]
        if row["ResourceType"] == "AWS::Logs::LogGroup"
    ]


def _line(message: str, at_ms: int) -> dict[str, Any]:
    """A line of the functions' logs is JSON; one of the platform may not be."""
    try:
        found = json.loads(message)
    except ValueError:
        found = None
    if not isinstance(found, dict) or "message" not in found:
        found = {"message": message.strip(), "level": ""}
    return {**found, "timestamp": datetime.fromtimestamp(at_ms / 1000).astimezone().isoformat()}


def _log(lines: list[dict[str, Any]]) -> RenderableType:
    if not lines:
        return Text("No log lines. They expire after LogRetentionDays.")
    shown = Text()
    for line in lines:
        service = _function(str(line.get("function_name") or line.get("service") or ""))
        shown.append(f"{line['timestamp'][11:23]} ", style="dim")
        shown.append(f"{line.get('level', ''):<8}", style=_level(line))
        shown.append(f"{service:<10}{line['message']}\n")
    return shown


def _function(name: str) -> str:
    """`dropreel-SubmitFunction-1A2B` is submit."""
    found = re.search(r"(\w+)Function", name)
    return found[1].lower() if found else name


def _level(line: Mapping[str, Any]) -> str:
    return {"ERROR": "red", "CRITICAL": "bold red", "WARNING": "yellow"}.get(
        str(line.get("level")), ""
    )
