"""What the people who dropped the files are told: a clip, an end without one, or a rejection.

A mail tells what happened, whether money was spent and the one next step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

from dropreel.errors import Problem
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


@dataclass(frozen=True, slots=True)
class _Advice:
    """`{again}` in `next` is how the same clip is ordered once more, or started again."""

    what: str
    next: str


_LATER = "Wait a while, then {again}."
_ADVICE = {
    "bad_input": _Advice(
        "{provider} did not accept the image or a setting.",
        "Change what the reason names, then drop the changed file.",
    ),
    "moderated": _Advice(
        "The content filter of {provider} refused the image or the prompt.",
        "Change the prompt or the image, then drop the changed file.",
    ),
    "auth": _Advice(
        "{provider} did not accept the API key of this installation.",
        "Ask your operator to check the key, then {again}.",
    ),
    "no_credit": _Advice(
        "The account at {provider} has no credit left.",
        "Ask your operator to add credit, then {again}.",
    ),
    "throttled": _Advice("{provider} is too busy for more clips at the moment.", _LATER),
    "transient": _Advice("{provider} had a fault of its own.", _LATER),
    "unreachable": _Advice("{provider} could not be reached.", _LATER),
    "unexpected": _Advice(
        "{provider} gave an answer that dropreel does not know.",
        "Show this mail to your operator, then {again}.",
    ),
    "cancelled": _Advice("The clip was cancelled at {provider}.", "If you still want it, {again}."),
    "not_a_clip": _Advice(
        "What {provider} delivered is not the clip that was asked for.",
        "Show this mail to your operator. For another try, {again}.",
    ),
    "deadline": _Advice(
        "{provider} has not finished the clip in the time allowed.",
        "Wait: for three days a late clip is delivered by itself. Do not drop the files again.",
    ),
    "download": _Advice(
        "{provider} has made the clip, but it could not be fetched.",
        "Wait: for three days it is tried again. Then ask your operator. Do not drop the files "
        "again.",
    ),
    "lost_answer": _Advice(
        "{provider} was asked for the clip, but its answer was lost.",
        "Ask your operator to look at {provider} for this clip before anybody drops it again.",
    ),
    "over_cap": _Advice(
        "The clip would cost more than is allowed.",
        "Choose a smaller clip or a higher max_cost_usd in the sidecar, ask your operator for a "
        "higher limit, or wait for the next day or month. Then {again}.",
    ),
    "unknown_price": _Advice(
        "The price of this clip is not known, so it was not ordered.",
        "Choose other settings, or ask your operator to enter the price. Then {again}.",
    ),
    "paid_calls_off": _Advice(
        "Your operator has switched paid clips off.",
        "Ask your operator when they are on again, then {again}.",
    ),
    "nothing_made": _Advice(
        "Your operator has found that the clip was never ordered.",
        "If you still want it, {again}.",
    ),
}
_ADVICE["unsafe_result"] = _ADVICE["not_a_clip"]
_ACCIDENT = "Something went wrong inside dropreel."
_ACCIDENTS = {
    State.REFUSED: _Advice(
        _ACCIDENT,
        "Try once more: {again}. If it happens twice, show this mail to your operator.",
    ),
    State.STALLED: _Advice(
        _ACCIDENT,
        "Show this mail to your operator; the clip may still come. Do not drop the files again.",
    ),
}
_OTHERWISE = _Advice(_ACCIDENT, "Show this mail to your operator.")

_SUBJECTS = {
    State.REFUSED: "no clip, nothing paid",
    State.FAILED: "no clip",
    State.CANCELLED: "no clip, cancelled",
    State.UNKNOWN: "no clip yet, please ask your operator",
    State.STALLED: "no clip yet",
}
_ANOTHER = (
    "What to do: watch it. For another clip of this image change the prompt or a setting in the "
    'sidecar and drop that again. With "take": {take} in it, it is another one with the same '
    "settings. Each new clip is paid."
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
    }
    parts = [
        f"The clip of {name} is ready.",
        f"Watch it in the AWS console (you have to sign in):\n{links.object_link(job.clip_key)}",
        rows(facts),
        f"Prompt:\n{prompt_of(job)}",
        *_unconfirmed(job),
        _ANOTHER.format(take=job.settings.take + 1),
        f"How it was made:\n{links.execution_link()}",
    ]
    price = job.cost_usd if job.cost_usd is not None else job.estimate_usd
    entry = _entry(job, "", price is not None)
    told = {"seconds": round(seconds, 1), "video": asdict(clip)}
    return compose_about(job, f"{name}: your clip is ready", parts, links, told, entry)


def clip_not_delivered(job: Job, links: Links) -> Mail:
    """The job has ended without a clip."""
    name = file_name(job.source.key)
    advice = _advice(job)
    step = _next_step(job, advice)
    what, reason, spent = advice.what.format(provider=job.provider), reason_of(job), money(job)
    facts = {
        "Image": job.source.key,
        "Settings": _settings(job),
        "Provider": _maker(job),
        "Provider's job": job.provider_job_id or "none",
        "Record": links.uri(job.record_key),
    }
    parts = [
        f"There is no clip of {name}.",
        f"What happened: {what}",
        *([f"Reason given: {reason}"] if reason else []),
        f"Money: {spent}",
        f"What to do: {step}",
        rows(facts),
        f"Prompt:\n{prompt_of(job)}",
        f"How it went:\n{links.execution_link()}",
    ]
    brief = f"{what[:-1]} ({shortened(reason, 200)})." if reason else what
    entry = _entry(job, f"{brief} {step}", not spent.startswith("Nothing"))
    return compose_about(job, f"{name}: {_SUBJECTS[job.state]}", parts, links, {}, entry)


def drop_rejected(key: str, problems: Sequence[Problem], record_key: str, links: Links) -> Mail:
    """What was dropped cannot become a clip: all problems at once."""
    name = file_name(key)
    listed = list(problems[:_MAX_PROBLEMS])
    more = len(problems) - len(listed)
    parts = [
        f"{name} starts no clip like this. Nothing was paid for it.",
        *(_problem_text(problem) for problem in listed),
        *([f"And {more:,} more problems."] if more else []),
        f"What to do: {_mending(problems)} That starts the clip.",
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
    mending = _mending(problems).capitalize()
    words = "; ".join(f"{problem.field}: found {problem.found}" for problem in listed)
    entry = DigestEntry(
        PurePosixPath(record_key).stem, key, "rejected", f"{shortened(words, 300)}. {mending}"
    )
    return compose(f"{name}: no clip, please mend", parts, document, attributes, entry)


def _entry(job: Job, text: str, spent: bool) -> DigestEntry:
    real = job.cost_usd is not None
    usd = (job.cost_usd if real else job.estimate_usd) if spent else None
    return DigestEntry(
        job.mail_id, job.source.key, job.state.value, text, usd, real and usd is not None
    )


def _advice(job: Job) -> _Advice:
    known = _ADVICE.get(str(job.failure.get("kind")))
    return known or _ACCIDENTS.get(job.state, _OTHERWISE)


def _next_step(job: Job, advice: _Advice) -> str:
    again = "drop the files again"
    if job.state in (State.FAILED, State.CANCELLED) and not job.may_start_again:
        again = (
            f'put "take": {job.settings.take + 1} into the sidecar and drop that (it may then be '
            "paid twice)"
        )
    return advice.next.format(provider=job.provider, again=again)


def _mending(problems: Sequence[Problem]) -> str:
    if all(problem.found.startswith("none beside") for problem in problems):
        return "drop the missing file beside it."
    return "mend this and drop the changed file again."


def _problem_text(problem: Problem) -> str:
    facts = rows({"  Found": problem.found, "  Allowed": problem.allowed})
    hint = f"\n  {problem.hint}" if problem.hint else ""
    return f"{problem.field}\n{facts}{hint}"


def _settings(job: Job) -> str:
    settings = job.settings
    loop = ", loop" if settings.loop else ""
    take = f", take {settings.take}" if settings.take > 1 else ""
    return f"{settings.duration}, {settings.resolution}, {settings.aspect_ratio}{loop}{take}"


def _maker(job: Job) -> str:
    return (
        f"{job.provider} (instead of {job.first_provider})" if job.first_provider else job.provider
    )


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
        return f"${job.cost_usd:.2f} (what {job.provider} charged)"
    if job.estimate_usd is None:
        return f"unknown; see the invoice of {job.provider}"
    return f"{about_usd(job.estimate_usd)} (estimate)"


def _unconfirmed(job: Job) -> list[str]:
    if not job.unconfirmed:
        return []
    doubtful = ", ".join(job.unconfirmed)
    return [f"Please check the clip: {job.provider} does not promise to follow {doubtful}."]
