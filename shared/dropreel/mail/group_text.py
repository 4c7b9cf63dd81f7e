"""The mail of a group: a line for each take, what they cost together, and one link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from dropreel.jobs.group import AGAIN, Group
from dropreel.jobs.job import Job, State, from_iso
from dropreel.jobs.naming import output_folder
from dropreel.mail.message import (
    DigestEntry,
    Links,
    Mail,
    about_usd,
    compose,
    file_name,
    folder_attribute,
    one_line,
    reason_of,
    settings_of,
    shortened,
)
from dropreel.mail.results import next_step

_MOST_PROMPT = 80
_MOST_REASON = 200
_LATER: Mapping[str, str] = {
    State.STALLED.value: "delayed. You will get another mail when it is ready.",
    State.UNKNOWN.value: (
        "it is not known yet whether it was ordered. Please wait: your operator is checking, "
        "and you will get another mail. Do not drop the files again before that."
    ),
    AGAIN: "no clip. It has been dropped again since, and that drop gets its own mail.",
}
_STORED = (
    "The clips that are ready are stored. They are ordered (and paid) again only if their image, "
    "prompt or settings change."
)


@dataclass(frozen=True, slots=True)
class _Take:
    """A job in the state in which the mail names it; empty if an earlier drop has ordered it."""

    job: Job
    state: str

    @property
    def made(self) -> bool:
        return self.state == State.DELIVERED

    @property
    def usd(self) -> Decimal:
        """What it has cost, or may have."""
        job, billed = self.job, self.job.failure.billed if self.job.failure else None
        if self.state in (State.REFUSED, AGAIN, "") or (not self.made and billed is False):
            return Decimal(0)
        return job.cost_usd if job.cost_usd is not None else job.estimate_usd or Decimal(0)


def group_ended(group: Group, jobs: Sequence[Job], links: Links) -> Mail:
    """All takes have ended for people. `jobs` are those of the group's takes, in their order.

    The page of `links`, if there are pages, compares them.
    """
    name = file_name(group.image_key)
    takes = [_Take(job, group.told.get(job.job_id, "")) for job in jobs]
    own = [take for take in takes if take.state]
    labels = list(dict.fromkeys(label for job in jobs for label in job.labels))
    labelled = {"labels": labels} if labels else {}
    attributes = {"outcome": "group", "folder": folder_attribute(group.image_key), **labelled}
    step = _next_step(own, elsewhere="The records of its takes say more.") if _steps(own) else ""
    said = f"{_ready(own)}. {step}".strip()
    entry = DigestEntry(group.mail_id, group.image_key, "group", said, _sum(own), _is_real(own))
    document = {**_document(group, own, links), **labelled}
    parts, subject = _parts(group, takes, links), f"{name}: {_ready(own)}"
    # The mail about a batch lists each of its jobs.
    return replace(compose(subject, parts, document, attributes, entry), batch=jobs[0].batch)


def _parts(group: Group, takes: Sequence[_Take], links: Links) -> list[str]:
    own = [take for take in takes if take.state]
    why = f"Why: {shortened(group.failure.message, 600)}." if group.failure else ""
    return [
        _first(file_name(group.image_key), own),
        *([why] if why else []),
        *([compare(group.image_key, links)] if any(take.made for take in own) else []),
        "\n".join(_lines(takes, told=bool(why))),
        f"Cost: {_cost(own)}",
        f"What to do: {_next_step(own)}",
        f"Image: {one_line(group.image_key)}",
    ]


def _document(group: Group, own: Sequence[_Take], links: Links) -> dict[str, Any]:
    return {
        "outcome": "group",
        "group": group.group_id,
        "image": group.image_key,
        "takes": [_facts(take, links) for take in own],
        "page": links.page or None,
        "cost_usd": str(_sum(own)),
        "cost_is_real": _is_real(own),
    }


def _first(name: str, own: Sequence[_Take]) -> str:
    made = sum(take.made for take in own)
    if len(own) == 1:
        return f"The clip of {name} is ready." if made else f"There is no clip of {name}."
    if made in (0, len(own)):
        return f"{'All' if made else 'None of the'} {len(own)} clips of {name} are ready."
    return f"{made} of the {len(own)} clips of {name} {'is' if made == 1 else 'are'} ready."


def _ready(own: Sequence[_Take]) -> str:
    made = sum(take.made for take in own)
    if not made and all(take.state == State.REFUSED for take in own):
        return "no clip, nothing paid"
    if len(own) == 1:
        return "your clip is ready" if made else "no clip"
    return f"{'all' if made == len(own) else f'{made} of'} {len(own)} clips ready"


def compare(image_key: str, links: Links) -> str:
    """Where the clips of an image can be seen."""
    if links.page:
        return links.on_page("Compare them")
    folder = links.folder_link(output_folder(image_key))
    return f"Watch them in the AWS console (you have to sign in):\n{folder}"


def _lines(takes: Sequence[_Take], *, told: bool) -> list[str]:
    """One for each take, which begins with what tells it from the others.

    `told`: why none was ordered stands above.
    """
    facts = [_settings(take.job) for take in takes]
    differ = len(_steps([take for take in takes if take.state])) > 1
    telling = [name for name in facts[0] if len({fact[name] for fact in facts}) > 1]
    if len({tuple(fact[name] for name in telling[:-1]) for fact in facts}) == len(facts):
        telling = telling[:-1]  # without the number of the take, which comes last
    return [
        f"{number}. {', '.join(fact[name] for name in telling)}: "
        f"{'not ordered.' if told and take.state == State.REFUSED else _came_to(take, differ)}"
        for number, (take, fact) in enumerate(zip(takes, facts, strict=True), 1)
    ]


def _settings(job: Job) -> dict[str, str]:
    """What may tell one take from another, in words."""
    settings = job.settings
    return {
        "prompt": f'"{shortened(settings.prompt, _MOST_PROMPT)}"',
        "provider": job.provider,
        "resolution": settings.resolution,
        "duration": settings.duration,
        "aspect_ratio": settings.aspect_ratio,
        "loop": "loop" if settings.loop else "no loop",
        "references": f"{len(settings.reference_image_urls)} reference images",
        "take": f"take {settings.take}",
    }


def _came_to(take: _Take, says_step: bool) -> str:
    job = take.job
    if not take.state:
        return "ordered by an earlier drop, which has its own mail."
    if take.state in _LATER:
        return _LATER[take.state]
    if take.made:
        seconds = (from_iso(job.delivered_at) - from_iso(job.created_at)).total_seconds()
        return f"ready after {round(seconds):,} seconds, {_price(job)}."
    if job.failure is None:
        return "no clip."
    row = job.failure.row
    reason = shortened(reason_of(job), _MOST_REASON) if row.reason_helps else ""
    why = f"{row.what.format(provider=job.provider)}{f' Reason: {reason}.' if reason else ''}"
    paid = f"It may be charged ({about_usd(take.usd)})." if take.usd else "Nothing was paid."
    return f"no clip. {why} {paid}{f' {_step(take)}' if says_step else ''}"


def _price(job: Job) -> str:
    return f"${job.cost_usd:.2f}" if job.cost_usd is not None else about_usd(job.estimate_usd)


def _cost(own: Sequence[_Take]) -> str:
    made = [take for take in own if take.made]
    perhaps = sum((take.usd for take in own if not take.made), Decimal(0))
    about = "" if _is_real(own) else "about "
    paid = f"{about}${_sum(made):.2f} together" if made else "nothing was paid"
    if not perhaps:
        return f"{paid}."
    more = f"up to ${perhaps:.2f} may be charged"
    return f"{paid}; {more} for the others." if made else f"{more}."


def _next_step(own: Sequence[_Take], elsewhere: str = "See the line of each take.") -> str:
    """That of all takes without a clip, if they have the same one; else where each has its own."""
    steps = _steps(own)
    if not steps:
        return "Nothing; the clips are stored."
    step = steps.pop() if len(steps) == 1 else elsewhere
    return f"{step} {_STORED}" if any(take.made for take in own) else step


def _steps(own: Sequence[_Take]) -> set[str]:
    return {_step(take) for take in own if not take.made}


def _step(take: _Take) -> str:
    """For a take without a clip. Its job may have gone on since."""
    if take.state == AGAIN:
        return "Nothing. The newer drop gets its own mail."
    if take.state in _LATER:
        return "Please wait, and do not drop the files again."
    return next_step(take.job, of_group=True)


def _facts(take: _Take, links: Links) -> dict[str, Any]:
    job = take.job
    return {
        "job_id": job.job_id,
        "outcome": take.state,
        "provider": job.provider,
        "prompt": shortened(job.settings.prompt, 400),
        "settings": settings_of(job),
        "clip": links.uri(job.clip_key) if take.made else None,
        "record": links.uri(job.record_key),
        "estimate_usd": str(job.estimate_usd) if job.estimate_usd is not None else None,
        "cost_usd": str(job.cost_usd) if job.cost_usd is not None else None,
        "failure": job.failure.kind.value if job.failure and not take.made else None,
    }


def _sum(takes: Sequence[_Take]) -> Decimal:
    return sum((take.usd for take in takes if take.made), Decimal(0))


def _is_real(takes: Sequence[_Take]) -> bool:
    return all(take.job.cost_usd is not None for take in takes if take.made)
