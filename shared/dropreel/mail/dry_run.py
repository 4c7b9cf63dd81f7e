"""The mail about a dry run: what would be ordered, of whom, for how much. Nothing is ordered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from dropreel.drops.pairing import BATCHES, DEFAULTS
from dropreel.jobs.job import Job, utc_iso
from dropreel.jobs.naming import dry_run_id
from dropreel.mail.message import (
    DigestEntry,
    Mail,
    about_usd,
    compose,
    file_name,
    folder_attribute,
    one_line,
    prompt_of,
    settings_of,
    shape_of,
    sidecar_name,
)
from dropreel.mail.once import SendOnce, Turn
from dropreel.mail.publisher import Mailer
from dropreel.observability import logger

_TO_ORDER = 'To order it, change "dry_run": true to false in {name} and drop that file again.'
_IN_A_BATCH = "To order it, write false in its row, in the column dry_run, and drop {name} again."
_FROM_DEFAULTS = (
    'To order it, put {{"dry_run": false}} into {sidecar} beside the image and drop that file. For '
    "all images of the folder, change it in defaults.json, drop that, then the images again."
)


@dataclass(frozen=True, slots=True)
class DryRuns:
    """Tells, once for each upload, what a drop would order."""

    send_once: SendOnce
    results: Mailer
    now: Callable[[], datetime]

    def tell(self, jobs: Sequence[Job]) -> None:
        mail_id = dry_run_id(jobs[0].dropped_at, [job.job_id for job in jobs])
        if self.send_once.begin(mail_id, self.now().timestamp()) is not Turn.OURS:
            logger.info("this dry run was mailed before")
            return
        self.results.send(would_order(jobs, mail_id))
        self.send_once.end(mail_id, utc_iso(self.now()))
        logger.info("a dry run: nothing is ordered")


def would_order(jobs: Sequence[Job], mail_id: str) -> Mail:
    """The jobs that a drop asks for, in the order of its takes."""
    key = jobs[0].source.key
    name = file_name(key)
    prices = [job.estimate_usd for job in jobs]
    known = [price for price in prices if price is not None]
    total = sum(known, Decimal(0)) if len(known) == len(prices) else None
    what = "a clip" if len(jobs) == 1 else f"{len(jobs)} clips"
    parts = [
        f"This was a dry run: {what} of {name} would cost {about_usd(total)}. Nothing was ordered.",
        "\n".join(_line(number, job) for number, job in enumerate(jobs, 1)),
        *_advice(jobs),
        f"What to do: {_to_order(jobs[0])}",
        f"Image: {one_line(key)}",
    ]
    document = {
        "outcome": "dry_run",
        "image": key,
        "clips": [_facts(job) for job in jobs],
        "estimate_usd": None if total is None else str(total),
    }
    attributes = {"outcome": "dry_run", "folder": folder_attribute(key)}
    entry = DigestEntry(mail_id, key, "dry_run", f"{what} would cost {about_usd(total)}.")
    return compose(f"{name}: dry run, {about_usd(total)}", parts, document, attributes, entry)


def _to_order(job: Job) -> str:
    origin = job.origins.get("dry_run", "")
    name = file_name(origin) if origin else sidecar_name(job)
    if name in BATCHES:
        return _IN_A_BATCH.format(name=name)
    if name == DEFAULTS or not name.endswith(".json"):
        return _FROM_DEFAULTS.format(sidecar=sidecar_name(job))
    return _TO_ORDER.format(name=name)


def _line(number: int, job: Job) -> str:
    price = about_usd(job.estimate_usd)
    return f'{number}. {job.provider}, {shape_of(job)}, {price}: "{prompt_of(job)}"'


def _advice(jobs: Sequence[Job]) -> list[str]:
    """What is said of several takes is said once."""
    said = dict.fromkeys(text for job in jobs for text in job.advice)
    return ["Tips:\n" + "\n".join(f"- {text}" for text in said)] if said else []


def _facts(job: Job) -> dict[str, object]:
    return {
        "provider": job.provider,
        "prompt": job.settings.prompt,
        "settings": settings_of(job),
        "estimate_usd": None if job.estimate_usd is None else str(job.estimate_usd),
        "advice": list(job.advice),
    }
