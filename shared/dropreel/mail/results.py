"""Mails for the people who dropped the files: a clip, or an end without one.

Each says what happened, whether money was spent and the one next step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from dropreel.jobs.failure import ROWS, FailureKind, FailureRow
from dropreel.jobs.job import ClipInfo, Job, State, from_iso
from dropreel.mail.message import (
    DigestEntry,
    Links,
    Mail,
    about_usd,
    compose_about,
    file_name,
    money,
    prompt_of,
    reason_of,
    rows,
    shape_of,
    shortened,
    sidecar_name,
)

_SUBJECTS = {
    State.REFUSED: "no clip, nothing paid",
    State.FAILED: "no clip",
    State.CANCELLED: "no clip, cancelled",
    State.UNKNOWN: "please wait, do not upload it again",
    State.STALLED: "your clip is delayed",
}
_FIRST = {
    State.UNKNOWN: "We do not know yet whether the clip of {name} was ordered.",
    State.STALLED: "The clip of {name} is delayed.",
}
_ANOTHER = (
    'Want another one? Change the prompt in {sidecar}, or add "take": {take} there for the same '
    "settings once more, and drop that file. If there is no {sidecar} beside the image yet, make "
    'one that contains only {{"take": {take}}}. Every clip costs money.'
)


def clip_delivered(job: Job, clip: ClipInfo, links: Links) -> Mail:
    """The clip is stored."""
    name = file_name(job.source.key)
    seconds = (from_iso(job.delivered_at) - from_iso(job.created_at)).total_seconds()
    facts = {
        "Prompt": prompt_of(job),
        "Settings": shape_of(job),
        "Made by": f"{_maker(job)}, in {_time(seconds)}",
        "Cost": _cost(job),
        **labels_row(job),
    }
    kept = {
        "Image": job.source.key,
        "Video": f"{clip.width}x{clip.height}, {clip.duration_s:.1f} s, {_size(clip.size)}",
        "Clip": links.uri(job.clip_key),
        "Log": links.execution_link(),
    }
    parts = [
        f"Your clip of {name} is ready.",
        watch(job, links),
        *_remark(job),
        rows(facts),
        *_unconfirmed(job),
        *_advice(job),
        _ANOTHER.format(take=job.settings.take + 1, sidecar=sidecar_name(job)),
        for_operators(kept),
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
    step = next_step(job)
    what, spent = _row(job).what.format(provider=job.provider), money(job)
    reason = reason_of(job) if _row(job).reason_helps else ""
    kept = {
        "Image": job.source.key,
        "Order": f"{_maker(job)}, {job.provider_job_id or 'none'}",
        "Record": links.uri(job.record_key),
        "Log": links.execution_link(),
    }
    parts = [
        _FIRST.get(job.state, "There is no clip of {name}.").format(name=name),
        f"{what[:-1]}: {reason.rstrip('.')}." if reason else what,
        spent,
        f"What to do: {step}",
        rows({"Prompt": prompt_of(job), "Settings": shape_of(job), **labels_row(job)}),
        *_advice(job),
        for_operators(kept),
    ]
    brief = f"{what[:-1]} ({shortened(reason, 200)})." if reason else what
    entry = _entry(job, f"{brief} {step}", not spent.startswith("Nothing"))
    return compose_about(job, f"{name}: {_subject(job)}", parts, links, {}, entry)


def _entry(job: Job, text: str, spent: bool) -> DigestEntry:
    real = job.cost_usd is not None
    usd = (job.cost_usd if real else job.estimate_usd) if spent else None
    return DigestEntry(
        job.mail_id, job.source.key, job.state.value, text, usd, real and usd is not None
    )


def watch(job: Job, links: Links) -> str:
    if links.page:
        return links.on_page("Watch and download it")
    console = links.object_link(job.clip_key)
    return f"Watch it in the AWS console (you have to sign in):\n{console}"


def _subject(job: Job) -> str:
    own = job.failure.row.subject if job.failure and job.state is State.REFUSED else ""
    return own or _SUBJECTS[job.state]


def for_operators(facts: Mapping[str, str]) -> str:
    return f"For your operator:\n{rows(facts)}"


def _advice(job: Job) -> list[str]:
    """What could make the next clip better."""
    if not job.advice:
        return []
    return ["Tips for the next one:\n" + "\n".join(f"- {text}" for text in job.advice)]


def _row(job: Job) -> FailureRow:
    return job.failure.row if job.failure else ROWS[FailureKind.ACCIDENT]


def next_step(job: Job, *, of_group: bool = False) -> str:
    """What its owner may do about a job without a clip; `of_group`: about all takes of a sidecar.

    Never to order again what may have been paid or may still come, without a word about it.
    """
    row = _row(job)
    words = (row.next_if_ordered if job.state is State.STALLED else "") or row.next
    return words.format(provider=job.provider, again=_again(job, of_group=of_group))


def _again(job: Job, *, of_group: bool) -> str:
    if job.state not in (State.FAILED, State.CANCELLED) or job.may_start_again:
        return "drop the sidecar again" if of_group else "drop the files again"
    another = "ask for more takes" if of_group else f'set "take": {job.settings.take + 1}'
    place = "the sidecar" if of_group else sidecar_name(job)
    return f"{another} in {place} and drop that file again (you may pay twice)"


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
