"""Acting on single jobs: `cancel`, `resume`, `retry`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError
from rich.console import Group
from rich.text import Text

from cli.desk import Desk, desk_of
from cli.errors import CommandError, Exit, is_denied
from cli.facts import many, prefix_of, spent, summary, usd
from cli.facts import word as shown
from cli.find import find_job, newest
from cli.foreign import holder_of
from cli.views import plain
from dropreel.errors import OperatorError
from dropreel.jobs.failure import FailureKind
from dropreel.jobs.job import ENDS, Job, State, workflow_input
from dropreel.providers.base import CancelOutcome
from dropreel.steps.cancel import Cancel
from dropreel.steps.resume import require_order
from dropreel.steps.retry import Retry

_JOB = Annotated[str, typer.Argument(help="ID, the beginning of one, or a file's name.")]
_JOBS = Annotated[list[str], typer.Argument(help="IDs, beginnings of IDs, or names of files.")]
_FOLLOW_S = 20
_TICK_S = 0.5
_ANSWERS = {
    CancelOutcome.REQUESTED: "{provider} was asked to stop; it may still charge {usd}",
    CancelOutcome.TOO_LATE: "it was too late for {provider} to stop; it may charge {usd}",
    CancelOutcome.NOT_FOUND: "{provider} does not know the order; it may charge {usd}",
    CancelOutcome.NOT_SUPPORTED: "{provider} cannot stop orders, and will charge {usd}",
}


def cancel(
    context: typer.Context,
    jobs: _JOBS,
    wait: Annotated[
        int, typer.Option(help="Seconds to wait until the jobs have ended.")
    ] = _FOLLOW_S,
) -> None:
    """Cancel jobs. Nothing is paid before the order; after it, the clip is not delivered.

    Example: dropreel cancel lighthouse.jpg
    """
    desk = desk_of(context)
    found = [find_job(desk, words) for words in jobs]
    ordered = [job for job in found if job.state not in (State.CLAIMED, *ENDS)]
    if ordered:
        total = sum((spent(job) or Decimal(0) for job in ordered), Decimal(0))
        are = "is" if len(ordered) == 1 else "are"
        desk.ask(
            f"{len(ordered)} of {len(found)} {are} ordered already: up to {usd(total)} may be "
            "charged, and no clip is delivered. Cancel?"
        )
    results = [_cancel(desk, job) for job in found]
    _follow(desk, [result["job_id"] for result in results if "error" not in result], wait)
    for result in results:
        result["state"] = desk.container.ledger.require(result["job_id"]).state.value
    desk.show({"jobs": results}, lambda: Group(*map(_cancel_line, results)))
    if any("error" in result for result in results):
        raise typer.Exit(Exit.NOT_MADE)


def _cancel(desk: Desk, job: Job) -> dict[str, Any]:
    facts: dict[str, Any] = {"job_id": job.job_id, "image": job.source.key}
    try:
        marked = desk.container.step(Cancel).handle(job.job_id)
    except OperatorError as error:
        return {**facts, "error": str(error)}
    return {**facts, "was": marked.state.value, "money": _money(marked)}


def _money(job: Job) -> str:
    if job.state is State.CLAIMED:
        return "nothing was ordered"
    price = usd(spent(job), real=job.cost_usd is not None)
    if not job.cancel_answer:
        return f"{job.provider} may charge {price}"
    words = _ANSWERS[CancelOutcome(job.cancel_answer)]
    return words.format(provider=job.provider, usd=price)


def _cancel_line(result: dict[str, Any]) -> Text:
    name = f"{result['job_id'][:8]} {result['image']}: "
    if "error" in result:
        return plain(name + result["error"])
    ended = result["state"] in (State.CANCELLED, State.DELIVERED)
    word = result["state"] if ended else "is being cancelled; nothing more to do"
    return plain(f"{name}{word}; {result['money']}")


def _follow(desk: Desk, job_ids: list[str], seconds: float) -> None:
    """Wait a while for these jobs to end."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        states = [desk.container.ledger.require(job_id).state for job_id in job_ids]
        if all(state in ENDS for state in states):
            return
        time.sleep(_TICK_S)


# --- resume --------------------------------------------------------------------------------------


def resume(
    context: typer.Context,
    job: _JOB,
    order: Annotated[str, typer.Option(help="The order's ID at the provider.")] = "",
    *,
    nothing_made: Annotated[
        bool, typer.Option("--nothing-made", help="The provider has no such order.")
    ] = False,
    wait: Annotated[int, typer.Option(help="Seconds to wait for the answer.")] = _FOLLOW_S,
) -> None:
    """Continue a stalled job, or settle a job whose payment is unknown. Never orders.

    Examples: dropreel resume lighthouse.jpg --order 3c90c3cc-0d44
              dropreel resume lighthouse.jpg --nothing-made
    """
    desk = desk_of(context)
    found = find_job(desk, job)
    instruction = _instruction(desk, found, order, nothing_made=nothing_made)
    if nothing_made:
        held = usd(found.reservation.amount_usd if found.reservation else Decimal(0))
        desk.ask(f"This frees {held}, and the files may be ordered again. Go on?")
    execution = _start(desk, found, instruction)
    refusal = _refusal(desk, execution, wait)
    if refusal:
        raise OperatorError(refusal)
    now = desk.container.ledger.require(found.job_id)
    desk.show(
        {**summary(now), "execution": execution},
        lambda: plain(f"{now.job_id[:8]} {now.source.key}: {shown(now)} at {now.provider}"),
    )


def _instruction(desk: Desk, job: Job, order: str, *, nothing_made: bool) -> dict[str, Any]:
    if order and nothing_made:
        raise CommandError("--order and --nothing-made exclude each other")
    if job.state is State.UNKNOWN and not (order or nothing_made):
        raise CommandError(f"check at {job.provider} first: then say --order ID, or --nothing-made")
    if order:
        _require_unheld(desk, job, order)
        if _may_read_keys(desk):
            require_order(desk.container.provider(job.provider), order)
        else:
            desk.say("Your credentials cannot read the provider's key: the stack checks the ID.")
        return {"provider_job_id": order}
    return {"nothing_made": True} if nothing_made else {}


def _require_unheld(desk: Desk, job: Job, order: str) -> None:
    """An order of another job would deliver that job's clip under this image."""
    holder = holder_of(desk, order, job)
    if holder:
        owner = f"{holder.job_id[:8]} {holder.source.key}"
        raise CommandError(f"{order} is the order of {owner}; nothing was changed")


def _may_read_keys(desk: Desk) -> bool:
    secret = desk.stack.outputs["ProviderKeysSecretArn"]
    try:
        desk.stack.client("secretsmanager").get_secret_value(SecretId=secret)
    except ClientError as error:
        if not is_denied(error):
            raise
        return False
    return True


def _start(desk: Desk, job: Job, instruction: dict[str, Any]) -> str:
    started = desk.stack.client("stepfunctions").start_execution(
        stateMachineArn=desk.stack.outputs["RenderStateMachineArn"],
        name=f"{job.execution_name[:60]}-hand-{desk.now:%Y%m%d%H%M%S}",
        input=json.dumps({**workflow_input(job), "resume": instruction}),
    )
    return str(started["executionArn"])


def _refusal(desk: Desk, execution: str, seconds: float) -> str:
    """Why the instruction was not followed; empty if it was, or if no answer came in time."""
    workflow, until = desk.stack.client("stepfunctions"), time.monotonic() + seconds
    while time.monotonic() < until:
        described = workflow.describe_execution(executionArn=execution)
        if described["status"] != "RUNNING":
            refused = described.get("error") == "nothing_to_resume"
            return str(described.get("cause", "")) if refused else ""
        time.sleep(_TICK_S)
    return ""


# --- retry ---------------------------------------------------------------------------------------


def retry(
    context: typer.Context,
    jobs: Annotated[
        list[str] | None, typer.Argument(help="IDs, beginnings of IDs, or names of files.")
    ] = None,
    refused: Annotated[
        FailureKind | None, typer.Option(help="All jobs that were refused for this reason.")
    ] = None,
    folder: Annotated[str, typer.Option(help="Of these, only images below this folder.")] = "",
    days: Annotated[int, typer.Option(min=1, help="How many days to look back.")] = 7,
) -> None:
    """Restart jobs that ended unpaid, without another upload. The caps apply as always.

    Examples: dropreel retry lighthouse.jpg
              dropreel retry --refused over_cap --folder summer
    """
    desk = desk_of(context)
    step = desk.container.step(Retry)
    wanted = [find_job(desk, words).job_id for words in jobs or ()]
    if refused:
        wanted += list(_refused(desk, refused, folder, days))
    if not wanted:
        raise CommandError(_none_wanted(refused, folder, days))
    runs, results = [], []
    for job_id in dict.fromkeys(wanted):
        try:
            runs.append(step.plan(job_id))
        except OperatorError as error:
            results.append({"job_id": job_id, "error": str(error)})
    if runs:
        total = sum((run.estimate_usd or Decimal(0) for run in runs), Decimal(0))
        desk.ask(f"Start {many(len(runs), 'job')}, for about {usd(total)} in all?")
    results += [_retried(step, run) for run in runs]
    desk.show({"jobs": results}, lambda: Group(*map(_retry_line, results)))
    if any("error" in result for result in results):
        raise typer.Exit(Exit.NOT_MADE)


def _none_wanted(refused: FailureKind | None, folder: str, days: int) -> str:
    if not refused:
        return "no job to start: name jobs, or a reason with --refused"
    where = f" in {folder}" if folder else ""
    return f"no job{where} of the last {many(days, 'day')} was refused as {refused}"


def _refused(desk: Desk, kind: FailureKind, folder: str, days: int) -> Iterator[str]:
    prefix = prefix_of(folder)
    for job in newest(desk, desk.now - timedelta(days=days)):
        same = job.failure is not None and job.failure.kind is kind
        if job.state is State.REFUSED and same and job.image_key.startswith(prefix):
            yield job.job_id


def _retried(step: Retry, run: Job) -> dict[str, Any]:
    facts: dict[str, Any] = {"job_id": run.job_id, "image": run.source.key}
    try:
        started = step.handle(run.job_id)
    except OperatorError as error:
        return {**facts, "error": str(error)}
    return {**facts, "run": started.run, "estimate_usd": started.estimate_usd}


def _retry_line(result: dict[str, Any]) -> Text:
    if "error" in result:
        return plain(result["error"])
    price = usd(result["estimate_usd"], real=False)
    return plain(f"{result['job_id'][:8]} {result['image']}: run {result['run']}, {price}")
