"""The mails: plain text for a phone, a JSON document for machines, attributes for filters.

A mail tells what happened, whether money was spent and the one next step. Nothing in here talks
to AWS; `notices.py` sends what these functions return.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from dropreel.clip import ClipInfo
from dropreel.errors import Problem
from dropreel.jobs import Job, State, from_iso

MAX_SUBJECT = 99  # SNS: fewer than 100 characters


@dataclass(frozen=True, slots=True)
class Mail:
    """One message. `document` is the JSON body that every protocol but e-mail gets."""

    subject: str
    text: str
    document: Mapping[str, Any]
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where things lie: for `s3://` names and console links."""

    region: str
    clips_bucket: str
    execution_arn: str = ""

    def uri(self, key: str) -> str:
        return f"s3://{self.clips_bucket}/{key}"

    def object_link(self, key: str) -> str:
        place = f"{self.clips_bucket}?region={self.region}&prefix={quote(key, safe='')}"
        return f"{self._console}/s3/object/{place}"

    def resume_command(self, job_id: str, word: str) -> str:
        """What an operator types (or gives to "Start execution" in the console) to go on."""
        machine = self.execution_arn.replace(":execution:", ":stateMachine:").rpartition(":")[0]
        given = f'{{"job_id": "{job_id}", "resume": {word}}}'
        return (
            f"aws stepfunctions start-execution --region {self.region} \\\n"
            f"  --state-machine-arn {machine} \\\n"
            f"  --input '{given}'"
        )

    def execution_link(self) -> str:
        arn = quote(self.execution_arn, safe=":")
        return f"{self._console}/states/home?region={self.region}#/v2/executions/details/{arn}"

    @property
    def _console(self) -> str:
        if self.region.startswith("cn-"):
            return f"https://{self.region}.console.amazonaws.cn"
        if self.region.startswith("us-gov-"):
            return "https://console.amazonaws-us-gov.com"
        return f"https://{self.region}.console.aws.amazon.com"


@dataclass(frozen=True, slots=True)
class _Advice:
    """`next` is more than dropping the same files again, or `asks_for_more` is false."""

    what: str
    next: str
    asks_for_more: bool = True


_ADVICE = {
    "bad_input": _Advice(
        "{provider} did not accept the image or a setting.",
        "Change what the reason names, then drop the files again.",
    ),
    "moderated": _Advice(
        "The content filter of {provider} refused the image or the prompt.",
        "Change the prompt or the image, then drop the files again.",
    ),
    "auth": _Advice(
        "{provider} did not accept the API key of this installation.",
        "Ask your operator to check the key, then drop the files again.",
    ),
    "no_credit": _Advice(
        "The account at {provider} has no credit left.",
        "Ask your operator to add credit, then drop the files again.",
    ),
    "throttled": _Advice(
        "{provider} is too busy for more clips at the moment.",
        "Drop the files again later.",
        asks_for_more=False,
    ),
    "transient": _Advice(
        "{provider} had a fault of its own.",
        "Drop the files again later.",
        asks_for_more=False,
    ),
    "unreachable": _Advice(
        "{provider} could not be reached.",
        "Drop the files again later.",
        asks_for_more=False,
    ),
    "cancelled": _Advice(
        "The clip was cancelled at {provider}.",
        "Drop the files again if you still want it.",
        asks_for_more=False,
    ),
    "not_a_clip": _Advice(
        "What {provider} delivered is not the clip that was asked for.",
        "Show this mail to your operator; the record keeps the provider's job number.",
    ),
    "deadline": _Advice(
        "{provider} has not finished the clip in the time allowed.",
        "Show this mail to your operator; the clip may still come. Do not drop the files again.",
    ),
    "download": _Advice(
        "{provider} has made the clip, but it could not be fetched.",
        "Show this mail to your operator; the clip can still be fetched. "
        "Do not drop the files again.",
    ),
    "lost_answer": _Advice(
        "{provider} was asked for the clip, but its answer was lost.",
        "Ask your operator to look at {provider} for this clip before anybody drops it again.",
    ),
}
_ADVICE |= {
    "over_cap": _Advice(
        "The clip would cost more than is allowed.",
        "Ask your operator for a higher limit or wait for the next day or month, or choose a "
        "smaller clip (or a higher max_cost_usd in the sidecar). Then drop the files again.",
    ),
    "unknown_price": _Advice(
        "The price of this clip is not known, so it was not ordered.",
        "Choose other settings, or ask your operator to enter the price. Then drop the files "
        "again.",
    ),
    "paid_calls_off": _Advice(
        "Your operator has switched paid clips off.",
        "Ask your operator when they are on again, then drop the files again.",
    ),
    "nothing_made": _Advice(
        "Your operator has found that the clip was never ordered.",
        "Drop the files again if you still want it.",
    ),
}
_ADVICE["unsafe_result"] = _ADVICE["not_a_clip"]
_ACCIDENT = _Advice(
    "Something went wrong inside dropreel.",
    "Show this mail to your operator.",
)

_MONEY = {
    State.REFUSED: "Nothing was paid: no clip was ordered.",
    State.UNKNOWN: "It is not known whether this clip was ordered and paid.",
    State.STALLED: "The clip is ordered; it may be or become paid.",
}
_MONEY_FAILED = {
    False: "The provider does not charge for this.",
    None: "The provider may have charged for this; its pages do not say.",
    True: "The provider charges for this.",
}


def clip_delivered(job: Job, clip: ClipInfo, place: Place) -> Mail:
    """The clip is stored."""
    name = _name(job.source.key)
    seconds = (from_iso(job.delivered_at) - from_iso(job.created_at)).total_seconds()
    rows = {
        "Clip": place.uri(job.clip_key),
        "Image": job.source.key,
        "Settings": _settings(job),
        "Made by": job.provider,
        "Video": f"{clip.width}x{clip.height}, {clip.duration_s:.1f} s, {clip.size:,} bytes",
        "Took": f"{seconds:.0f} seconds",
        "Cost": _cost(job),
    }
    parts = [f"The clip of {name} is ready.", _rows(rows), f"Prompt:\n{_prompt(job)}"]
    parts += _unconfirmed(job)
    parts.append(
        "Open it in the AWS console:\n"
        f"{place.object_link(job.clip_key)}\n\nHow it was made:\n{place.execution_link()}"
    )
    facts = {"seconds": round(seconds, 1), "video": asdict(clip)}
    return _job_mail(job, f"{name}: your clip is ready", parts, facts, place)


def clip_not_delivered(job: Job, place: Place) -> Mail:
    """The job has ended without a clip."""
    name = _name(job.source.key)
    advice = _ADVICE.get(str(job.failure.get("kind")), _ACCIDENT)
    reason = str(job.failure.get("message", ""))
    parts = [
        f"There is no clip of {name}.",
        f"What happened: {advice.what.format(provider=job.provider)}",
        *([f"Reason given: {reason}"] if reason else []),
        f"Money: {_money(job)}",
        f"What to do: {_next_step(job, advice)}",
        _rows(
            {
                "Image": job.source.key,
                "Settings": _settings(job),
                "Provider": job.provider,
                "Provider's job": job.provider_job_id or "none",
                "Record": place.uri(job.record_key),
            }
        ),
        f"How it went:\n{place.execution_link()}",
    ]
    return _job_mail(job, f"{name}: {_SUBJECTS[job.state]}", parts, {}, place)


_SUBJECTS = {
    State.REFUSED: "no clip, nothing paid",
    State.FAILED: "no clip",
    State.CANCELLED: "no clip, cancelled",
    State.UNKNOWN: "no clip yet, please ask your operator",
    State.STALLED: "no clip yet, please ask your operator",
}


def _next_step(job: Job, advice: _Advice) -> str:
    step = advice.next.format(provider=job.provider)
    if job.state not in (State.FAILED, State.CANCELLED) or job.may_start_again:
        return step
    again = (
        f'To order the very same clip once more, put "take": {job.settings.take + 1} into the '
        "sidecar; it may then be paid twice."
    )
    return f"{step} {again}" if advice.asks_for_more else again


def drop_rejected(key: str, problems: Sequence[Problem], record_key: str, place: Place) -> Mail:
    """What was dropped cannot become a clip: all problems at once."""
    name = _name(key)
    parts = [
        f"{name} starts no clip like this. Nothing was paid for it.",
        "\n\n".join(_problem_text(problem) for problem in problems),
        "What to do: mend this and drop the changed file again. That starts the clip.",
        _rows({"File": key, "Record": place.uri(record_key)}),
    ]
    document = {
        "outcome": "rejected",
        "file": key,
        "problems": [
            {"field": p.field, "found": p.found, "allowed": p.allowed, "hint": p.hint}
            for p in problems
        ],
        "record": place.uri(record_key),
    }
    return _mail(f"{name}: no clip, please mend", parts, document, {"outcome": "rejected"})


def _job_mail(
    job: Job, subject: str, parts: Sequence[str], facts: Mapping[str, Any], place: Place
) -> Mail:
    document = {
        "outcome": job.state.value,
        "job_id": job.job_id,
        "image": job.source.key,
        "provider": job.provider,
        "provider_job_id": job.provider_job_id,
        "settings": {
            "aspect_ratio": job.settings.aspect_ratio,
            "resolution": job.settings.resolution,
            "duration": job.settings.duration,
            "loop": job.settings.loop,
        },
        "clip": place.uri(job.clip_key) if job.state is State.DELIVERED else None,
        "record": place.uri(job.record_key),
        "execution": place.execution_arn,
        "estimate_usd": str(job.estimate_usd) if job.estimate_usd is not None else None,
        "cost_usd": str(job.cost_usd) if job.cost_usd is not None else None,
        "failure": job.failure or None,
        **facts,
    }
    return _mail(subject, parts, document, {"outcome": job.state.value, "provider": job.provider})


def _mail(
    subject: str, parts: Sequence[str], document: Mapping[str, Any], attributes: Mapping[str, str]
) -> Mail:
    text = "\n\n".join(parts) + "\n"
    legal = legal_subject(subject)
    return Mail(legal, text, {**document, "subject": legal, "text": text}, attributes)


def legal_subject(text: str) -> str:
    """Printable ASCII, no leading blank, at most 99 characters: what SNS never refuses.

    A long file name is cut in its middle, so that the outcome behind it stays readable.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "replace").decode()
    plain = re.sub(r"\?+", "?", re.sub(r"[^ -~]", " ", plain))
    plain = " ".join(plain.split()) or "dropreel"
    if len(plain) <= MAX_SUBJECT:
        return plain
    name, colon, outcome = plain.rpartition(": ")
    room = max(10, MAX_SUBJECT - len(colon + outcome) - 3)
    return f"{name[: room // 2]}...{name[-(room - room // 2) :]}{colon}{outcome}"[:MAX_SUBJECT]


def _problem_text(problem: Problem) -> str:
    rows = {"Found": problem.found, "Allowed": problem.allowed}
    hint = f"\n  {problem.hint}" if problem.hint else ""
    lines = "\n".join(f"  {label}: {value}" for label, value in rows.items())
    return f"{problem.field}\n{lines}{hint}"


def _rows(rows: Mapping[str, str]) -> str:
    return "\n".join(f"{label}: {value}" for label, value in rows.items())


def _name(key: str) -> str:
    """The file's own name, on one line whatever the key holds."""
    name = key.rstrip("/").rpartition("/")[2] or key
    return "".join(char if char.isprintable() else "?" for char in name)


def _settings(job: Job) -> str:
    settings = job.settings
    loop = ", loop" if settings.loop else ""
    take = f", take {settings.take}" if settings.take > 1 else ""
    return f"{settings.duration}, {settings.resolution}, {settings.aspect_ratio}{loop}{take}"


def _prompt(job: Job) -> str:
    return textwrap.shorten(job.settings.prompt, 400, placeholder=" ...")


def _cost(job: Job) -> str:
    if job.cost_usd is not None:
        return f"${job.cost_usd:.2f}"
    return f"about ${job.estimate_usd:.2f}" if job.estimate_usd is not None else "unknown"


def _money(job: Job) -> str:
    if job.state is State.REFUSED and job.orders:
        return "Nothing was paid: what was ordered came to nothing and is not charged."
    if job.state in _MONEY:
        return _MONEY[job.state]
    return _MONEY_FAILED[job.failure.get("billed")]


def _unconfirmed(job: Job) -> list[str]:
    if not job.unconfirmed:
        return []
    doubtful = ", ".join(job.unconfirmed)
    return [f"Please check the clip: {job.provider} does not promise to follow {doubtful}."]


_OPERATOR_STEPS = {
    "auth": "Check this provider's key in the stack's secret.",
    "no_credit": "Add credit to the account at this provider.",
    "lost_answer": "Look at the provider for a job of this time and prompt before anything else: "
    "a second order would be paid twice.",
    "deadline": "Look at the provider for this job: the clip may still come.",
    "download": "Look at the provider for this job: the clip is made and can be fetched there.",
    "not_a_clip": "Look at the provider for this job: it is made, and may have been paid.",
    "unsafe_result": "The provider gave an address that must not be fetched. Ask them why.",
    "accident": "Read the execution's history and the functions' logs.",
}


def needs_operator(job: Job) -> bool:
    return job.failure.get("kind") in _OPERATOR_STEPS


def operator_note(job: Job, place: Place) -> Mail | None:
    """What the operator has to look at after this end, or None when it is the dropper's turn."""
    if not needs_operator(job):
        return None
    kind = str(job.failure.get("kind"))
    name = _name(job.source.key)
    parts = [
        f"{job.provider}, {name}: {job.state.value} ({kind}).",
        f"What to do: {_OPERATOR_STEPS[kind]}",
        f"Reason given: {job.failure.get('message') or 'none'}",
        f"Money: {_money(job)}",
        _rows(
            {
                "Image": job.source.key,
                "Job": job.job_id,
                "Provider's job": job.provider_job_id or "none",
                "Asked at": job.asked_at or "never",
                "Record": place.uri(job.record_key),
            }
        ),
        *_ways_on(job, place),
        f"Execution:\n{place.execution_link()}",
    ]
    return _job_mail(job, f"{name}: operator needed ({kind})", parts, {}, place)


def _ways_on(job: Job, place: Place) -> list[str]:
    """Commands that take an unsettled job further without ordering anything."""
    if job.state is State.STALLED:
        return [f"To look again, without ordering:\n{place.resume_command(job.job_id, '{}')}"]
    if job.state is not State.UNKNOWN:
        return []
    found = place.resume_command(job.job_id, '{"provider_job_id": "..."}')
    nothing = place.resume_command(job.job_id, '{"nothing_made": true}')
    return [
        f"If the provider has the job, go on with it by its number:\n{found}",
        f"If the provider has no such job, say so; then the files can be dropped again:\n{nothing}",
    ]


def operator_warning(subject: str, text: str, what_to_do: str) -> Mail:
    """Something that is not about one job."""
    parts = [text, f"What to do: {what_to_do}"]
    return _mail(f"dropreel: {subject}", parts, {"outcome": "warning"}, {"outcome": "warning"})
