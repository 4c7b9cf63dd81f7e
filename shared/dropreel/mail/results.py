"""Mails for the people who dropped the files: a clip, an end without one, or a rejection.

Each says what happened, whether money was spent and the one next step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from dropreel.drops.pairing import BATCHES, DEFAULTS, is_image
from dropreel.errors import UNKNOWN_FIELD, Problem
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
    one_line,
    prompt_of,
    reason_of,
    rows,
    shape_of,
    shortened,
)

_MAX_PROBLEMS = 12  # a sidecar may hold thousands of unknown fields
_MAX_ROWS = 100  # problems of a batch

_NO_CLIP = "No clip of {name} yet, and nothing was paid."
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
    State.UNKNOWN: "please wait, do not upload it again",
    State.STALLED: "your clip is delayed",
}
_SUBJECTS_OF_KINDS = {
    FailureKind.REPLACED: "replaced by newer files, nothing paid",
    FailureKind.OVER_CAP: "over the spending limit, nothing paid",
    FailureKind.NO_KEY: "not set up yet, nothing paid",
}
_FIRST = {
    State.UNKNOWN: "We do not know yet whether the clip of {name} was ordered.",
    State.STALLED: "The clip of {name} is delayed.",
}
_ANOTHER = (
    "Want another one? Change the prompt in the sidecar and drop it again. For the same settings "
    'once more, put "take": {take} into it. Every clip costs money.'
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
        _watch(job, links),
        *_remark(job),
        rows(facts),
        *_unconfirmed(job),
        *_advice(job),
        _ANOTHER.format(take=job.settings.take + 1),
        _for_operators(kept),
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
        _for_operators(kept),
    ]
    brief = f"{what[:-1]} ({shortened(reason, 200)})." if reason else what
    entry = _entry(job, f"{brief} {step}", not spent.startswith("Nothing"))
    return compose_about(job, f"{name}: {_subject(job)}", parts, links, {}, entry)


def drop_rejected(key: str, problems: Sequence[Problem], record_key: str, links: Links) -> Mail:
    """What was dropped cannot become a clip: all problems at once."""
    name = file_name(key)
    for_many = name in _REJECTED
    then = "dropreel then goes on with it." if for_many else "Then your clip is made."
    listed = list(problems[: _MAX_ROWS if name in BATCHES else _MAX_PROBLEMS])
    more = len(problems) - len(listed)
    parts = [
        _REJECTED.get(name, _NO_CLIP).format(name=name),
        *(_problem_text(problem) for problem in listed),
        *([f"And {more:,} more problems."] if more else []),
        f"What to do: {_correction(problems)} {then}",
        _for_operators({"File": key, "Record": links.uri(record_key)}),
    ]
    words = "; ".join(_brief(problem) for problem in listed)
    text = f"{shortened(words, 300)}. {_correction(problems)}"
    said = (_wanted(name, problems), parts, text)
    return _rejection(key, problems, listed, record_key, links, said)


def _wanted(name: str, problems: Sequence[Problem]) -> str:
    """Which file is to be corrected: the one of this name, or what is said of it."""
    if _all_missing(problems):
        return "one file is missing"
    of_sidecar = is_image(name) and all(problem.field != "image" for problem in problems)
    return "please correct its sidecar" if of_sidecar else "please correct this file"


def all_ordered(
    held: Sequence[Job], key: str, problems: Sequence[Problem], record_key: str, links: Links
) -> Mail:
    """All takes of a sidecar were ordered before, and none is to run again."""
    made = all(job.state is State.DELIVERED for job in held)
    clips = f"these {len(held)} clips"
    subject = f"you already have {clips}" if made else f"{clips} were ordered before"
    step = "For more, ask for more takes in the sidecar, or change the prompt."
    if any(job.state in (State.STALLED, State.UNKNOWN) for job in held):
        step = "Please wait. Some of them may still come: you get a mail as soon as it is known."
    first = "Nothing was paid for this drop."
    facts = _for_operators({"File": key, "Record": links.uri(record_key)})
    parts = [f"{file_name(key)}: {subject}.", first, f"What to do: {step}", facts]
    said = (subject, parts, f"{first} {step}")
    return _rejection(key, problems, problems, record_key, links, said)


def already_ordered(
    held: Job, key: str, problems: Sequence[Problem], record_key: str, links: Links
) -> Mail:
    """The same files as those of a job that is not to run again."""
    name, take = file_name(key), held.settings.take + 1
    another = f'For another one, put "take": {take} into the sidecar, or change the prompt.'
    if held.state is State.DELIVERED:
        subject, first = "you already have this clip", _watch(held, links)
    elif held.state in (State.STALLED, State.UNKNOWN):
        subject, another = "please wait, do not upload it again", ""
        first = "This clip may have been ordered already. You get a mail as soon as it is known."
    else:
        subject = "this clip was ordered before"
        ended = "It was cancelled" if held.state is State.CANCELLED else "It failed"
        first = f"{ended} then, and may have been paid."
    parts = [
        f"{name}: {subject}.",
        first,
        "Nothing was paid for this drop.",
        *([f"What to do: {another}"] if another else ["What to do: Nothing. Please wait."]),
        _for_operators({"File": key, "Record": links.uri(record_key)}),
    ]
    text = f"{first.partition(chr(10))[0]} {another}".strip()
    return _rejection(key, problems, problems, record_key, links, (subject, parts, text))


def _rejection(
    key: str,
    problems: Sequence[Problem],
    listed: Sequence[Problem],
    record_key: str,
    links: Links,
    said: tuple[str, Sequence[str], str],
) -> Mail:
    """`said`: the outcome in the subject, the paragraphs, and what a digest says."""
    subject, parts, text = said
    document = {
        "outcome": "rejected",
        "file": key,
        "problems": [asdict(problem) for problem in listed],
        "problems_in_all": len(problems),
        "record": links.uri(record_key),
    }
    attributes = {"outcome": "rejected", "folder": folder_attribute(key)}
    entry = DigestEntry(PurePosixPath(record_key).stem, key, "rejected", text)
    return compose(f"{file_name(key)}: {subject}", parts, document, attributes, entry)


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
    kind = job.failure.kind if job.failure and job.state is State.REFUSED else None
    return _SUBJECTS_OF_KINDS[kind] if kind in _SUBJECTS_OF_KINDS else _SUBJECTS[job.state]


def _for_operators(facts: Mapping[str, str]) -> str:
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
    return f"{another} in the sidecar and drop the sidecar again (you may pay twice)"


def _all_missing(problems: Sequence[Problem]) -> bool:
    return all(problem.found.startswith("none beside") for problem in problems)


def _correction(problems: Sequence[Problem]) -> str:
    if _all_missing(problems):
        return "Drop the missing file into the same folder."
    return "Correct this and drop the changed file again."


def _problem_text(problem: Problem) -> str:
    said = f"{_brief(problem)}."
    if not problem.text and not (problem.hint and problem.found == UNKNOWN_FIELD):
        said += f" It can be: {one_line(problem.allowed)}."
    hint = f" {problem.hint}" if problem.hint else ""
    corrected = "\n".join(map(one_line, problem.corrected.split("\n")))
    right = f" This would be right:\n\n{corrected}" if corrected else ""
    return f"{said}{hint}{right}"


def _brief(problem: Problem) -> str:
    if problem.text:
        return one_line(problem.text).rstrip(".")
    found = {"nothing": "missing", UNKNOWN_FIELD: "no field that dropreel knows"}
    name = "The image" if problem.field == "image" else problem.field
    return one_line(f"{name} is {found.get(problem.found, problem.found)}")


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
