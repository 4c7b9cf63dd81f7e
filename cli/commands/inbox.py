"""Dropping files: `drop`, `estimate`, `lint`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from cli.around import Around
from cli.commands.money import caps_of
from cli.desk import Desk, desk_of
from cli.errors import CommandError, Exit
from cli.estimate import Checked, check_all
from cli.facts import many, usd
from cli.files import Files
from cli.follow import dropped, follow, upload
from cli.views import plain, table
from dropreel.drops.sidecar import Sidecar
from dropreel.errors import Problem
from dropreel.mail.message import one_line
from dropreel.money.policy import CapSettings
from dropreel.money.pricing import PriceList
from dropreel.providers.catalog import CATALOG
from dropreel.steps.retry import RetrySettings

_PATHS = Annotated[list[Path], typer.Argument(help="Images, sidecars and folders.")]
_PROMPT = Annotated[str, typer.Option(help="The prompt, in place of the sidecar's.")]
_SET = Annotated[
    list[str] | None, typer.Option("--set", help="A field of the sidecar: resolution=720p.")
]
_TO = Annotated[str, typer.Option(help="Folder of the inbox to drop into.")]
_ALL = ",".join(CATALOG)
_HIDDEN = (
    "Your credentials cannot read the inbox: this is without the defaults, sidecars and images "
    "that lie there."
)
_PROVIDERS = Annotated[str, typer.Option(help="Providers in order of preference, comma-separated.")]


def lint(
    context: typer.Context,
    paths: _PATHS,
    prompt: _PROMPT = "",
    fields: _SET = None,
    providers: _PROVIDERS = _ALL,
) -> None:
    """Check images and sidecars offline, for editors and hooks. Needs no stack.

    Example: dropreel lint shots/
    """
    desk = desk_of(context)
    files = Files.of(paths, _fields(prompt, fields))
    checked = check_all(files, _known(providers), PriceList())
    desk.show(_report(checked), lambda: _lint_view(checked))
    _end_if_wrong(checked)


def estimate(
    context: typer.Context,
    paths: _PATHS,
    prompt: _PROMPT = "",
    fields: _SET = None,
    to: _TO = "",
) -> None:
    """Show price and advice for each image, and the total against the caps. Orders nothing.

    Example: dropreel estimate shots/ --set resolution=1080p
    """
    desk = desk_of(context)
    files = Files.of(paths, _fields(prompt, fields), to, _around(desk))
    checked = _checked(desk, files)
    total, caps = _total(checked), caps_of(desk)
    hidden = files.around.hidden
    facts = {**_report(checked), "total_usd": total, "caps": caps, "without_inbox": hidden}
    desk.show(facts, lambda: _estimate_view(checked, total, caps))
    if hidden:
        desk.say(_HIDDEN)
    _end_if_wrong(checked)


def drop(
    context: typer.Context,
    paths: _PATHS,
    prompt: _PROMPT = "",
    fields: _SET = None,
    to: _TO = "",
    timeout: Annotated[int, typer.Option(help="Seconds to follow the clips at most.")] = 3600,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Follow each clip until its end.")] = False,
) -> None:
    """Check files and drop them. With --watch, follow each clip until it is made.

    Example: dropreel drop lighthouse.jpg --prompt "slow push-in" --watch
    """
    desk = desk_of(context)
    files = Files.of(paths, _fields(prompt, fields), to, _around(desk))
    checked = _checked(desk, files)
    if any(one.problems for one in checked):
        desk.show(_report(checked), lambda: _lint_view(checked))
        hidden = f" {_HIDDEN}" if files.around.hidden else ""
        raise CommandError(f"nothing was dropped: correct these files first.{hidden}")
    ordered = [one for one in checked if one.orders]
    if ordered or files.around.hidden:
        desk.ask(_question(ordered, hidden=files.around.hidden))
    upload(desk, files)
    if not watch or not ordered:
        keys = [one.file for one in checked]
        dry = "" if ordered else " That orders nothing: a mail says what it would cost."
        desk.show({"dropped": keys}, lambda: plain(f"Dropped {', '.join(keys)}.{dry}"))
        return
    if not follow(desk, dropped(desk, files, [one.file for one in ordered]), timeout):
        raise typer.Exit(Exit.NOT_MADE)


def _question(ordered: Sequence[Checked], *, hidden: bool) -> str:
    clips = sum(len(one.clips) for one in ordered)
    question = f"Order {many(clips, 'clip')}, for about {usd(_total(ordered))} in all?"
    return f"{_HIDDEN} {question}" if hidden else question


def _fields(prompt: str, given: Sequence[str] | None) -> dict[str, Any]:
    """Of `--prompt` and `--set`: values are JSON where they can be, else texts."""
    fields: dict[str, Any] = {"prompt": prompt} if prompt else {}
    for one in given or ():
        name, equals, value = one.partition("=")
        if not equals or name not in Sidecar.model_fields:
            known = ", ".join(Sidecar.model_fields)
            raise CommandError(f"--set {one} names no field: write name=value, with one of {known}")
        try:
            fields[name] = json.loads(value)
        except ValueError:
            fields[name] = value
    return fields


def _known(providers: str) -> list[str]:
    names = [name.strip() for name in providers.split(",") if name.strip()]
    wrong = [name for name in names if name not in CATALOG]
    if wrong or not names:
        raise CommandError(f"{providers} names no provider: {', '.join(CATALOG)}")
    return names


def _around(desk: Desk) -> Around:
    return Around(desk.stack.client("s3"), desk.stack.outputs["InboxBucketName"])


def _checked(desk: Desk, files: Files) -> list[Checked]:
    """As the stack would decide. Raises CommandError where there is nothing to decide on."""
    settings = desk.container.settings(RetrySettings)
    cap = desk.container.settings(CapSettings).job_cap_usd
    prices = PriceList(settings.price_overrides)
    checked = check_all(files, settings.providers, prices, cap)
    if not checked:
        raise CommandError("no image here")
    return checked


def _total(checked: Sequence[Checked]) -> Decimal:
    return sum((one.price for one in checked), Decimal(0))


def _report(checked: Sequence[Checked]) -> dict[str, Any]:
    wrong = any(one.problems for one in checked)
    return {"ok": not wrong, "files": [one.facts() for one in checked]}


def _end_if_wrong(checked: Sequence[Checked]) -> None:
    if any(one.problems for one in checked):
        raise typer.Exit(Exit.WRONG)


def _lint_view(checked: Sequence[Checked]) -> RenderableType:
    lines: list[Text] = []
    for one in checked:
        lines += [
            Text.assemble((one.file, "bold"), ": ", ("error", "red"), f": {_words(problem)}")
            for problem in one.problems
        ]
        lines += [
            Text.assemble((one.file, "bold"), ": ", ("advice", "yellow"), f": {text}")
            for text in one.advice
        ]
    wrong = sum(bool(one.problems) for one in checked)
    return Group(*lines, plain(f"{many(len(checked), 'file')} checked, {wrong} with errors"))


def _words(problem: Problem) -> str:
    """As a mail says it, in one line; below it the whole file that would be right."""
    said = one_line(f"{problem.text} {problem.hint}".strip() if problem.text else str(problem))
    right = "\n".join(map(one_line, problem.corrected.split("\n")))
    return f"{said} This would be correct:\n{right}" if right else said


def _estimate_view(
    checked: Sequence[Checked], total: Decimal, caps: list[dict[str, Any]]
) -> RenderableType:
    shown = table("", "image", "provider", "settings", "price", "remarks")
    for one in checked:
        remarks = "; ".join([*map(str, one.problems), *one.advice])
        for clip in one.clips:
            price = usd(clip.price, real=False)
            shown.add_row(
                *map(plain, (one.file, clip.choice.provider, clip.settings, price, remarks))
            )
        if not one.clips:
            shown.add_row(*map(plain, (one.file, "", "", "", remarks)))
    lines = [plain(f"In all about {usd(total)}.")]
    for cap in caps:
        left = max(Decimal(0), cap["cap_usd"] - cap["committed_usd"])
        fits = "fits" if total <= left else "does not fit: some will be refused"
        lines.append(plain(f"{cap['period']}: {usd(left)} left of {usd(cap['cap_usd'])}; {fits}."))
    return Group(shown, *lines)
