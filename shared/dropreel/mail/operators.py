"""Mails for the operator: jobs that need an operator, and alerts about the whole stack."""

from __future__ import annotations

from dropreel.jobs.job import Job, State
from dropreel.ledger.pause import Pause
from dropreel.mail.message import (
    Links,
    Mail,
    compose,
    compose_about,
    file_name,
    money,
    one_line,
    prompt_of,
    reason_of,
    rows,
    shortened,
)
from dropreel.money.budget import Spending

RUNBOOK = "docs/operations.md"

_CHECK_SETTINGS = (
    "Check whether this provider still accepts the settings that dropreel sends. Until then, "
    "other clips may differ as well."
)

_WITHOUT = "Without the command dropreel:"


def needs_operator(job: Job) -> bool:
    return bool(job.remark) or (job.failure is not None and bool(job.failure.row.operator))


def job_alert(job: Job, links: Links) -> Mail | None:
    """The mail to the operator about this end, or None if the dropper can act alone."""
    if job.remark:
        return _remark_alert(job, links)
    if job.failure is None or not needs_operator(job):
        return None
    name, kind, row = file_name(job.source.key), job.failure.kind.value, job.failure.row
    parts = [
        f"The job for {name} at {job.provider} ended as {job.state.value} ({kind}).",
        f"What to do: {row.operator}",
        f"Reason given: {reason_of(job) or 'none'}",
        f"Money: {money(job)}",
        *_facts(job, links),
        *_ways_on(job, links),
        f"Execution:\n{links.execution_link()}",
        _runbook(row.runbook),
    ]
    return compose_about(job, f"{name}: operator needed ({kind})", parts, links, {})


def _remark_alert(job: Job, links: Links) -> Mail:
    """A paid clip was delivered that is not quite what was ordered."""
    name = file_name(job.source.key)
    parts = [
        f"{job.provider} made a clip of {name} that differs from the order. It was delivered.",
        f"Difference: {job.remark}",
        f"What to do: {_CHECK_SETTINGS}",
        *_facts(job, links),
        f"Execution:\n{links.execution_link()}",
        _runbook("A clip is not what was ordered"),
    ]
    return compose_about(job, f"{name}: the clip differs from the order", parts, links, {})


def _facts(job: Job, links: Links) -> list[str]:
    facts = {
        "Image": job.source.key,
        "Job": job.job_id,
        "Provider's job": job.provider_job_id or "none",
        "Order sent at": job.asked_at or "never",
        "Record": links.uri(job.record_key),
    }
    return [rows(facts), f"Prompt:\n{prompt_of(job)}"]


def general_alert(kind: str, subject: str, text: str, what_to_do: str, section: str) -> Mail:
    """Something that is not about one job; `kind` is a word for machines."""
    parts = [text, f"What to do: {what_to_do}", _runbook(section)]
    document = {"outcome": "alert", "alert": kind}
    return compose(f"dropreel: {subject}", parts, document, {"outcome": "alert"})


def budget_alert(spending: Spending) -> Mail:
    return general_alert(
        "budget",
        f"{int(100 * spending.share)}% of the budget of {spending.period} is used",
        f"${spending.committed:.2f} of the ${spending.cap:.2f} allowed for {spending.period} "
        "(UTC) are used or reserved.",
        f"{_raise_cap(spending)}. Otherwise jobs are refused once it is reached.",
        "The budget",
    )


def cap_alert(spending: Spending) -> Mail:
    return general_alert(
        "cap",
        f"a job exceeds the budget of {spending.period}",
        f"Of the ${spending.cap:.2f} allowed for {spending.period} (UTC), "
        f"${spending.committed:.2f} are used or reserved. Jobs that would exceed it are refused, "
        "or wait for the next day if OverDailyCap says so.",
        f"{_raise_cap(spending)}, or wait for the next period. Then run "
        "`dropreel retry --refused over_cap` to start the refused jobs again.",
        "The budget",
    )


def _raise_cap(spending: Spending) -> str:
    is_month = spending.period.count("-") == 1
    name = "MonthlyCapUsd" if is_month else "DailyCapUsd"
    return f"Raise the cap with `make set PARAM={name} VALUE=<dollars>`"


def provider_alert(provider: str, failures: int, reason: str) -> Mail:
    return general_alert(
        "provider",
        f"{provider} does not work",
        f"{failures} orders in a row failed at {provider}. "
        f"Last reason: {shortened(reason, 300) or 'none'}",
        "Check the key, the credit and the status page of this provider. Its jobs wait. One of "
        "them tries again after two minutes, then at intervals of up to half an hour.",
        "A provider does not work",
    )


def change_alert(provider: str, found: str, what_to_do: str) -> Mail:
    return general_alert(
        "provider_changed",
        f"{provider} has changed",
        f"Something new was found at {provider}: {shortened(found, 600)}.",
        what_to_do,
        "A provider has changed",
    )


def pause_alert(pause: Pause) -> Mail:
    why = f" Reason given: {shortened(pause.reason, 300)}" if pause.reason else ""
    return general_alert(
        "paused",
        "all orders are paused",
        f"{one_line(pause.by)} has paused all orders. Jobs wait in line, unpaid. Clips that were "
        f"ordered before are made and delivered.{why}",
        "Run `dropreel unpause` to let orders go on.",
        "Pausing orders",
    )


def unpause_alert(pause: Pause, by: str) -> Mail:
    return general_alert(
        "unpaused",
        "orders are no longer paused",
        f"{one_line(by)} has ended the pause of {one_line(pause.by)}. The jobs in line are being "
        "ordered.",
        "Nothing.",
        "Pausing orders",
    )


def subscriber_alert() -> Mail:
    return general_alert(
        "subscribers",
        "nobody receives the mails about clips",
        "The topic for results has no confirmed subscriber. Either nobody has confirmed yet, or a "
        "person or a link scanner has unsubscribed.",
        "Subscribe the address again and confirm it with `make confirm`, so that a single click "
        "cannot end the subscription.",
        "Nobody is subscribed",
    )


def _runbook(section: str) -> str:
    return f'More: {RUNBOOK}, section "{section}".'


def _ways_on(job: Job, links: Links) -> list[str]:
    """Commands that resume an unsettled job; none of them orders."""
    resume = f"dropreel resume {job.job_id} --region {links.region}"
    if job.state is State.STALLED:
        return [
            f"To check again now (this never orders):\n{resume}",
            f"{_WITHOUT}\n{links.resume_command(job.job_id, '{}')}",
        ]
    if job.state is not State.UNKNOWN:
        return []
    confirm = "If the provider has no such job, confirm that. The files can then be dropped:"
    found = links.resume_command(job.job_id, '{"provider_job_id": "..."}')
    nothing = links.resume_command(job.job_id, '{"nothing_made": true}')
    return [
        f"If the provider has the job, continue with its ID:\n{resume} --order ID",
        f"{confirm}\n{resume} --nothing-made",
        f"{_WITHOUT}\n{found}\nor:\n{nothing}",
    ]
