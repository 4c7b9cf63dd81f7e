"""What pages say of a job, in words for the people who dropped its files."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from typing import Any, Self, TypeVar

from dropreel.jobs.failure import ROWS, FailureKind
from dropreel.jobs.job import ENDS, ClipSettings, Job, State, from_iso
from dropreel.mail.message import money, reason_of
from dropreel.money.pricing import PriceList

T = TypeVar("T")

_BEST = "1080p"
_MOST_TAKES = 999
_SIGNS = ".,;:!?\"'()"  # not part of a word beside them


def labelled_settings(job: Job) -> dict[str, str]:
    """What was chosen for this clip, by label."""
    chosen = job.settings
    references = len(chosen.reference_image_urls)
    guided = {"Reference images": f"{references:,}"} if references else {}
    return {
        "Provider": job.provider,
        "Resolution": chosen.resolution,
        "Length": chosen.duration,
        "Shape": chosen.aspect_ratio,
        "Loop": "yes" if chosen.loop else "no",
        "Take": str(job.group_take or chosen.take),
        **guided,
    }


@dataclass(frozen=True, slots=True)
class Comparison:
    """What more than half of a page's jobs have in common: settings by label, words of prompts.

    Everything else is marked: with two jobs all that differs, with more what is out of line.
    """

    settings: frozenset[tuple[str, str]]
    words: frozenset[str]

    @classmethod
    def of(cls, jobs: Sequence[Job]) -> Self:
        settings = Counter(pair for job in jobs for pair in labelled_settings(job).items())
        words = Counter(word for job in jobs for word in _words(job.settings.prompt))
        return cls(_usual(settings, len(jobs)), _usual(words, len(jobs)))

    def pieces(self, prompt: str) -> list[tuple[str, bool]]:
        """The prompt in pieces, and whether each consists of words that are to be marked."""
        words = re.findall(r"\S+\s*|\s+", prompt)
        grouped = groupby(words, key=lambda word: bool(_words(word) - self.words))
        return [("".join(group), marked) for marked, group in grouped]


def _usual(counted: Counter[T], jobs: int) -> frozenset[T]:
    return frozenset(one for one, times in counted.items() if 2 * times > jobs)


def _words(text: str) -> frozenset[str]:
    found = (word.strip(_SIGNS).casefold() for word in text.split())
    return frozenset(word for word in found if word)


def cost_of(job: Job) -> str:
    """Of a delivered clip, in US dollars."""
    if job.cost_usd is not None:
        return f"${job.cost_usd:.2f}"
    return "unknown" if job.estimate_usd is None else f"about ${job.estimate_usd:.2f}"


def seconds_to_clip(job: Job) -> str:
    """From the drop until the clip was stored."""
    seconds = round((from_iso(job.delivered_at) - from_iso(job.created_at)).total_seconds())
    return f"{seconds:,} seconds"


def why_no_clip(job: Job) -> list[str]:
    """Why there is no clip to see: sentences in the order in which people ask."""
    if job.state not in ENDS:
        return [_under_way(job)]
    row = job.failure.row if job.failure else ROWS[FailureKind.ACCIDENT]
    reason = reason_of(job) if row.reason_helps else ""
    what = row.what.format(provider=job.provider)
    return [what, *([f"Reason: {reason}"] if reason else []), money(job)]


def _under_way(job: Job) -> str:
    if job.state is not State.CLAIMED:
        return "This clip is being made. Open this page again in a few minutes."
    if job.waits_until:
        day = f"{from_iso(job.waits_until):%d %B}".lstrip("0")
        return f"This clip waits for the budget of {day}. Open this page again then."
    return "This clip is waiting to be ordered. Open this page again in a few minutes."


def again(job: Job) -> str:
    """What `sidecar_again` does, in a few words."""
    is_best = job.settings.resolution == _BEST
    return "Order this clip once more" if is_best else f"Order this clip again in {_BEST}"


def price_again(job: Job) -> str:
    """By the list that comes with dropreel; an operator's own prices are not known here."""
    price = _prices().estimate(job.provider, _BEST, job.settings.duration)
    return "The clip is charged." if price is None else f"It costs about ${price:.2f}."


@cache
def _prices() -> PriceList:
    return PriceList()


def sidecar_again(job: Job, jobs: Sequence[Job]) -> str:
    """The text of a sidecar that orders the same clip in 1080p, or once more if it is.

    It holds every field that changes the clip or the number of clips, so that no other file of the
    folder does. Its take is one that none of `jobs` with the same settings has. Addresses of
    reference images come without what stands behind their `?`, which may be a secret.
    """
    wanted = replace(job.settings, resolution=_BEST)
    taken = {other.settings.take for other in jobs if _is_made(other, job.provider, wanted)}
    free = (take for take in range(wanted.take, _MOST_TAKES + 1) if take not in taken)
    fields: dict[str, Any] = {
        "prompt": wanted.prompt,
        "provider": job.provider,
        "aspect_ratio": wanted.aspect_ratio,
        "resolution": wanted.resolution,
        "duration": wanted.duration,
        "loop": wanted.loop,
        **_references(job),
        "take": next(free, 1),
        "dry_run": False,
    }
    return _json(fields)


def _references(job: Job) -> dict[str, list[str]]:
    """Both fields, as the images of the two are used together."""
    urls = job.settings.reference_image_urls
    places = [job.references.get(url, url.partition("?")[0]) for url in urls]
    return {
        "reference_images": places if job.references else [],
        "reference_image_urls": [] if job.references else places,
    }


def _is_made(job: Job, provider: str, wanted: ClipSettings) -> bool:
    """Whether the same order, but for its take, would not start this job again."""
    same = replace(job.settings, take=wanted.take) == wanted
    return same and job.provider == provider and not job.may_start_again


def _json(fields: Mapping[str, Any]) -> str:
    """JSON for people to copy: what cannot be seen is written as an escape."""
    text = json.dumps(fields, indent=2, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
