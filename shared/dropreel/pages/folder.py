"""The page of a folder: the newest clip of each image in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from dropreel.jobs.job import Job, State
from dropreel.jobs.naming import folder_of
from dropreel.mail.message import file_name, one_line
from dropreel.pages.layout import document, footer
from dropreel.pages.markup import Markup, tag
from dropreel.pages.media import Media
from dropreel.pages.takes import reasons
from dropreel.pages.words import cost_of

_PER_PAGE = 48


@dataclass(frozen=True, slots=True)
class Shelf:
    """One image: the job that stands for it, and how many there are."""

    job: Job
    jobs: int


def shelves(jobs: Iterable[Job]) -> list[Shelf]:
    """One for each image, by name: its newest clip, or its newest job if it has none."""

    def newest(job: Job) -> tuple[bool, str]:
        return job.state is State.DELIVERED, job.created_at

    by_name = sorted(jobs, key=lambda job: job.source.key)
    groups = (list(group) for _, group in groupby(by_name, key=lambda job: job.source.key))
    return [Shelf(max(group, key=newest), len(group)) for group in groups]


def folder_page(
    jobs: Sequence[Job], media: Media, until: int, number: int, compare: Callable[[str], str]
) -> str:
    """`number` counts from 1; `compare` makes the link to the page of the image with a key."""
    found = shelves(jobs)
    pages = -(-len(found) // _PER_PAGE)
    page = min(max(1, number), pages)
    shown = found[(page - 1) * _PER_PAGE :][:_PER_PAGE]
    name = one_line(folder_of(jobs[0].source.key)) or "All images"
    images = "1 image" if len(found) == 1 else f"{len(found):,} images"
    return document(
        name,
        tag("header", tag("h1", tag("bdi", name)), tag("p", images)),
        tag(
            "main",
            tag("div", *(_card(shelf, media, compare) for shelf in shown), class_="takes small"),
            data_in_view=True,
        ),
        *([_turn(page, pages)] if pages > 1 else []),
        footer(until),
    )


def _card(shelf: Shelf, media: Media, compare: Callable[[str], str]) -> Markup:
    job = shelf.job
    link = compare(job.source.key)
    more = f"Compare all {shelf.jobs:,}" if shelf.jobs > 1 else "Prompt and settings"
    return tag(
        "article",
        _clip(job, media) if job.state is State.DELIVERED else reasons(job),
        tag("h2", tag("bdi", file_name(job.source.key))),
        *([_download(job, media)] if job.state is State.DELIVERED else []),
        tag("p", tag("a", more, href=link)),
    )


def _clip(job: Job, media: Media) -> Markup:
    """It is loaded when it is seen."""
    return tag(
        "video",
        src=media.clip(job),
        aria_label=file_name(job.source.key),
        poster=media.thumbnail(job),
        muted=True,
        loop=True,
        playsinline=True,
        controls=True,
        preload="none",
    )


def _download(job: Job, media: Media) -> Markup:
    link = tag("a", "Download", href=media.download(job), title=job.clip_name)
    return tag("p", link, f" · {job.provider} · {cost_of(job)}")


def _turn(page: int, pages: int) -> Markup:
    """To the pages before and after this one."""
    parts: list[str] = [f"Page {page} of {pages} "]
    if page > 1:
        parts.append(tag("a", "Back", href=f"?page={page - 1}"))
    if page < pages:
        parts.append(tag("a", "More", href=f"?page={page + 1}"))
    return tag("nav", *parts)
