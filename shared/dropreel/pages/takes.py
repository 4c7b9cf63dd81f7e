"""The page of one clip, and the page that compares all clips of one image."""

from __future__ import annotations

from collections.abc import Sequence

from dropreel.jobs.job import ENDS, Job, State
from dropreel.mail.message import file_name, sidecar_name
from dropreel.pages.layout import document, footer
from dropreel.pages.markup import Markup, joined, tag
from dropreel.pages.media import Media
from dropreel.pages.words import (
    Comparison,
    again,
    cost_of,
    labelled_settings,
    price_again,
    seconds_to_clip,
    sidecar_again,
    why_no_clip,
)


def clip_page(job: Job, media: Media, until: int) -> str:
    """One clip, or why there is none."""
    name = file_name(job.source.key)
    article = _take(job, [job], Comparison.of([job]), media)
    return document(name, _header(name), tag("main", article, class_="one"), footer(until))


def compare_page(jobs: Sequence[Job], media: Media, until: int) -> str:
    """All clips of one image side by side, playing in step.

    The newest drop comes first, its takes in the order of their list, as in the mail.
    """
    jobs = sorted(jobs, key=lambda job: job.group_take or job.settings.take)
    jobs.sort(key=lambda job: job.created_at, reverse=True)
    name = file_name(jobs[0].source.key)
    made = [job for job in jobs if job.state is State.DELIVERED]
    compared = Comparison.of(jobs)
    takes = tag("div", *(_take(job, jobs, compared, media) for job in jobs), class_="takes")
    main = tag(
        "main",
        tag("figure", tag("img", src=media.still(jobs[0]), alt="The image"), class_="still"),
        *([tag("button", "Pause", type="button", data_pause=True)] if made else []),
        takes,
        data_together=True,
    )
    count = "1 clip" if len(made) == 1 else f"{len(made):,} clips"
    return document(name, _header(name, count), main, footer(until))


def _header(name: str, below: str = "") -> Markup:
    return tag("header", tag("h1", tag("bdi", name)), *([tag("p", below)] if below else []))


def _take(job: Job, jobs: Sequence[Job], compared: Comparison, media: Media) -> Markup:
    made = job.state is State.DELIVERED
    return tag(
        "article",
        *(_clip(job, media) if made else _reasons(job)),
        _prompt(job, compared),
        _facts(job, compared),
        *([_again(job, jobs)] if made else []),
    )


def _clip(job: Job, media: Media) -> list[Markup]:
    name = job.clip_name
    video = tag(
        "video",
        src=media.clip(job),
        aria_label=name,
        poster=media.still(job),
        muted=True,
        loop=True,
        autoplay=True,
        playsinline=True,
        controls=True,
        preload="auto",
    )
    link = tag("a", f"Download {name}", href=media.download(job), class_="download")
    remark = f"Please note: this clip differs from its order: {job.remark}."
    return [video, *([tag("p", remark, class_="remark")] if job.remark else []), tag("p", link)]


def _reasons(job: Job) -> list[Markup]:
    return [reasons(job, tag("h2", "No clip" if job.state in ENDS else "No clip yet"))]


def reasons(job: Job, *title: Markup) -> Markup:
    """Why there is no clip to see."""
    lines = (tag("p", sentence) for sentence in why_no_clip(job))
    return tag("div", *title, *lines, class_="without" if job.state in ENDS else "not-yet")


def _prompt(job: Job, compared: Comparison) -> Markup:
    """With the words marked that most prompts of this page do not have."""
    pieces = (
        _marked(text) if marked else text for text, marked in compared.pieces(job.settings.prompt)
    )
    return tag("p", *pieces, class_="prompt", dir="auto")


def _marked(text: str) -> Markup:
    words = text.rstrip()
    return joined([tag("mark", words), text[len(words) :]])


def _facts(job: Job, compared: Comparison) -> Markup:
    rows = [
        (label, value if (label, value) in compared.settings else tag("mark", value))
        for label, value in labelled_settings(job).items()
    ]
    if job.labels:
        rows.append(("Labels", ", ".join(job.labels)))
    if job.clip:
        video = job.clip
        rows.append(("Video", f"{video.width} x {video.height}, {video.duration_s:.1f} s"))
    if job.state is State.DELIVERED:
        rows += [("Cost", cost_of(job)), ("Made in", seconds_to_clip(job))]
    facts = (tag("div", tag("dt", label), tag("dd", value)) for label, value in rows)
    tips = (tag("p", f"Tip: {text}") for text in job.advice)
    return joined([tag("dl", *facts), *tips])


def _again(job: Job, jobs: Sequence[Job]) -> Markup:
    sidecar, image = tag("bdi", sidecar_name(job)), tag("bdi", file_name(job.source.key))
    how = ("Save this text as ", sidecar, " and drop it beside ", image, f". {price_again(job)}")
    return tag(
        "details",
        tag("summary", again(job)),
        tag("p", *how),
        tag("pre", sidecar_again(job, jobs)),
        tag("button", "Copy", type="button", data_copy=True),
    )
