"""A page as a browser finds it, and jobs to show on it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

from dropreel.jobs.job import ClipInfo, ClipSettings, Job, State
from tests.support.aws import make_job

BUCKET = "https://clips.s3.us-east-1.amazonaws.com"


@dataclass
class Page(HTMLParser):
    """What a browser finds in a page."""

    html: str
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    marked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._inside = ""
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._inside == "mark":
            self.marked.append(data)

    def all(self, tag: str, attribute: str) -> list[str]:
        return [str(of[attribute]) for name, of in self.tags if name == tag and attribute in of]

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())

    @property
    def downloads(self) -> list[str]:
        return [link for link in self.all("a", "href") if "response-content-disposition" in link]


def shown_job(number: int = 1, key: str = "campaign/photo.jpg", **changes: Any) -> Job:
    """A delivered job of `key`; a higher number is a newer one. `settings` may be changes."""
    job = make_job(
        job_id=f"{number:024x}",
        state=State.DELIVERED,
        created_at=f"2026-11-20T09:{number:02d}:00.000Z",
        delivered_at=f"2026-11-20T09:{number + 1:02d}:15.000Z",
        clip=ClipInfo(5.0, 960, 540, 1_200_000, "c" * 64),
        cost_usd=Decimal("0.15"),
    )
    settings: ClipSettings = replace(job.settings, **changes.pop("settings", {}))
    pinned = f"sources/{job.job_id}.jpg"
    source = replace(job.source, key=key, pinned_key=pinned)
    return replace(job, source=source, settings=settings, **changes)
