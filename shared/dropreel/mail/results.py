"""Mails for the people who dropped the files: a clip, an end without one, or a rejection.

Each says what happened, whether money was spent and the one next step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from dropreel.drops.pairing import BATCHES, DEFAULTS
from dropreel.errors import Problem
from dropreel.jobs.failure import ROWS, FailureKind, FailureRow
from dropreel.jobs.job import ClipInfo, Job, State, from_iso
from dropreel.mail.message import (
    DigestEntry,
    Links,
    Mail,
    about_usd,
    compose,
    compose_about,
    file_name,
    folder_attribute,
    money,
    prompt_of,
    reason_of,
    rows,
    shortened,
)

_MAX_PROBLEMS = 12  # a sidecar may hold thousands of unknown fields
_MAX_ROWS = 100  # problems of a batch

_NO_CLIP = "No clip was started for {name}. Nothing was paid for this drop."
_REJECTED = {
    DEFAULTS: "{name} cannot be used. Images that need it wait for the corrected file.",
    **dict.fromkeys(
        BATCHES, "Some rows of {name} cannot be used. Nothing was paid for them; the others go on."
    ),
}


_SUBJECTS = {
    State.REFUSED: "no clip, nothing paid",
    State.FAILED: "no clip",
    State.CANCELLED: "no clip, cancelled",
    State.UNKNOWN: "no clip yet, ask your operator",
    State.STALLED: "no clip yet",
}
_ANOTHER = (
    "What to do: Nothing; the clip is stored. To make another clip of this image, change the "
    "prompt or a setting in the sidecar and drop the sidecar again. To make another one with the "
    'same settings, set "take": {take} in the sidecar. Every clip is charged.'
)


def clip_delivered(job: Job, clip: ClipInfo, links: Links) -> Mail:
    """The clip is stored."""
    name = file_name(job.source.key)
    seconds = (from_iso(job.delivered_at) - from_iso(job.created_at)).total_seconds()
    facts = {
        "Clip": links.uri(job.clip_key),
        "Image": job.source.key,
        "Settings": _settings(job),
        "Made by": _maker(job),
        "Video": f"{clip.width}x{clip.height}, {clip.duration_s:.1f} s, {_size(clip.size)}",
        "Took": _time(seconds),
        "Cost": _cost(job),
        **labels_row(job),
    }
    parts = [
        f"The clip of {name} is ready.",
        *_remark(job),
        _watch(job, links),
        rows(facts),
        f"Prompt:\n{prompt_of(job)}",
        *_unconfirmed(job),
        _ANOTHER.format(take=job.settings.take + 1),
        f"Execution:\n{links.execution_link()}",
    ]
    price = job.cost_usd if job.cost_usd is not None else job.estimate_usd
    entry = _entry(job, "", price is not None)
    told: dict[str, Any] = {
        "seconds": round(seconds, 1),
        "video": asdict(clip),
        "page": links.page or None,
    }
    if job.remark:
        told["remark"] = job.remark
    return compose_about(job, f"{name}: your clip is ready", parts, links, told, entry)


def clip_not_delivered(job: Job, links: Links) -> Mail:
    """The job has ended without a clip."""
    name = file_name(job.source.key)
    step = _next_step(job)
    what, reason, spent = _row(job).what.format(provider=job.provider), reason_of(job), money(job)
    facts = {
        "Image": job.source.key,
        "Settings": _settings(job),
        "Provider": _maker(job),
        "Provider's job": job.provider_job_id or "none",
        "Record": links.uri(job.record_key),
        **labels_row(job),
    }
    parts = [
        f"There is no clip of {name}.",
        f"What happened: {what}",
        *([f"Reason given: {reason}"] if reason else []),
        f"Money: {spent}",
        f"What to do: {step}",
        rows(facts),
        f"Prompt:\n{prompt_of(job)}",
        f"Execution:\n{links.execution_link()}",
    ]
    brief = f"{what[:-1]} ({shortened(reason, 200)})." if reason else what
    entry = _entry(job, f"{brief} {step}", not spent.startswith("Nothing"))
    return compose_about(job, f"{name}: {_subject(job)}", parts, links, {}, entry)


def drop_rejected(key: str, problems: Sequence[Problem], record_key: str, links: Links) -> Mail:
    """What was dropped cannot become a clip: all problems at once."""
    name = file_name(key)
    for_many = name in _REJECTED
    then = "goes on with it" if for_many else "starts the clip"
    listed = list(problems[: _MAX_ROWS if name in BATCHES else _MAX_PROBLEMS])
    more = len(problems) - len(listed)
    parts = [
        _REJECTED.get(name, _NO_CLIP).format(name=name),
        *(_problem_text(problem) for problem in listed),
        *([f"And {more:,} more problems."] if more else []),
        f"What to do: {_correction(problems)} dropreel then {then}.",
        rows({"File": key, "Record": links.uri(record_key)}),
    ]
    document = {
        "outcome": "rejected",
        "file": key,
        "problems": [asdict(problem) for problem in listed],
        "problems_in_all": len(problems),
        "record": links.uri(record_key),
    }
    attributes = {"outcome": "rejected", "folder": folder_attribute(key)}
    words = "; ".join(f"{problem.field}: found {problem.found}" for problem in listed)
    entry = DigestEntry(
        PurePosixPath(record_key).stem,
        key,
        "rejected",
        f"{shortened(words, 300)}. {_correction(problems)}",
    )
    subject = "please correct this file" if for_many else "no clip, please correct the files"
    return compose(f"{name}: {subject}", parts, document, attributes, entry)


def _entry(job: Job, text: str, spent: bool) -> DigestEntry:
    real = job.cost_usd is not None
    usd = (job.cost_usd if real else job.estimate_usd) if spent else None
    return DigestEntry(
        job.mail_id, job.source.key, job.state.value, text, usd, real and usd is not None
    )


def _watch(job: Job, links: Links) -> str:
    if links.page:
        days = "1 day" if links.page_days == 1 else f"{links.page_days} days"
        return f"Watch and download it here, for {days}, without signing in:\n{links.page}"
    console = links.object_link(job.clip_key)
    return f"Watch it in the AWS console (you have to sign in):\n{console}"


def _subject(job: Job) -> str:
    replaced = job.failure is not None and job.failure.kind is FailureKind.REPLACED
    return "replaced by newer files, nothing paid" if replaced else _SUBJECTS[job.state]


def _row(job: Job) -> FailureRow:
    return job.failure.row if job.failure else ROWS[FailureKind.ACCIDENT]


def _next_step(job: Job) -> str:
    row = _row(job)
    words = (row.next_if_ordered if job.state is State.STALLED else "") or row.next
    again = "drop the files again"
    if job.state in (State.FAILED, State.CANCELLED) and not job.may_start_again:
        again = (
            f'set "take": {job.settings.take + 1} in the sidecar and drop the sidecar again '
            "(you may pay twice)"
        )
    return words.format(provider=job.provider, again=again)


def _correction(problems: Sequence[Problem]) -> str:
    if all(problem.found.startswith("none beside") for problem in problems):
        return "Drop the missing file into the same folder."
    return "Correct this and drop the changed file again."


def _problem_text(problem: Problem) -> str:
    facts = rows({"  Found": problem.found, "  Allowed": problem.allowed})
    hint = f"\n  {problem.hint}" if problem.hint else ""
    right = f"\n\nThis would be right:\n{problem.corrected}" if problem.corrected else ""
    return f"{problem.field}\n{facts}{hint}{right}"


def _settings(job: Job) -> str:
    settings = job.settings
    loop = ", loop" if settings.loop else ""
    take = f", take {settings.take}" if settings.take > 1 else ""
    return f"{settings.duration}, {settings.resolution}, {settings.aspect_ratio}{loop}{take}"


def _maker(job: Job) -> str:
    return (
        f"{job.provider} (instead of {job.first_provider})" if job.first_provider else job.provider
    )


def labels_row(job: Job) -> dict[str, str]:
    return {"Labels": ", ".join(job.labels)} if job.labels else {}


def _size(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB"


def _time(seconds: float) -> str:
    whole = round(seconds)
    if whole < 100:
        return f"{whole} seconds"
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes < 100 else f"{seconds / 3600:.1f} hours"


def _cost(job: Job) -> str:
    if job.cost_usd is not None:
        return f"${job.cost_usd:.2f} (charged by {job.provider})"
    if job.estimate_usd is None:
        return f"unknown; see your invoice from {job.provider}"
    return f"{about_usd(job.estimate_usd)} (estimate)"


def _remark(job: Job) -> list[str]:
    if not job.remark:
        return []
    differs = f"{job.provider} made a clip that differs from the order: {job.remark}."
    return [f"Please note: {differs} It was paid for, so you get it as it is."]


def _unconfirmed(job: Job) -> list[str]:
    if not job.unconfirmed:
        return []
    doubtful = ", ".join(job.unconfirmed)
    return [
        f"Please check the clip: {job.provider} may not have followed these settings: {doubtful}."
    ]
