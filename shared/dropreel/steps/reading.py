"""What a pair asks for: both files are checked, and become one job for each clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from dropreel.drops.image import ImageInfo, inspect_image
from dropreel.drops.inbox import Drop, Inbox
from dropreel.drops.selection import Choice
from dropreel.drops.settling import Pair
from dropreel.drops.sidecar import Sidecar
from dropreel.drops.takes import choose_all, parse_takes
from dropreel.errors import Problem, RejectedError
from dropreel.jobs.job import ClipSettings, Job, Source, State, utc_iso
from dropreel.jobs.naming import group_id, job_id
from dropreel.ledger.jobs import Ledger
from dropreel.money.pricing import PriceList

_NO_SETTINGS = {"max_cost_usd", "priority"}  # they change nothing in the clip


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads pairs. `providers` are those the stack may use, in order of preference."""

    inbox: Inbox
    ledger: Ledger
    prices: PriceList
    providers: Sequence[str]
    now: Callable[[], datetime]

    def jobs_of(self, pair: Pair) -> list[Job]:
        """Check both files, reporting what is wrong with either of them at once."""
        problems: list[Problem] = []
        try:
            takes = self._parsed(pair)
        except RejectedError as error:
            problems += error.problems
        try:
            info = inspect_image(self.inbox.reader(pair.image))
        except RejectedError as error:
            problems += error.problems
        if problems:
            raise RejectedError(problems)
        choices = choose_all(takes, info.width, info.height, self.providers)
        image = _Image(pair, info, self.inbox.sha256(pair.image), utc_iso(self.now()))
        jobs = [
            self._job(image, sidecar, choice)
            for sidecar, choice in zip(takes, choices, strict=True)
        ]
        return jobs if len(jobs) == 1 else self._grouped(pair, jobs)

    def _grouped(self, pair: Pair, jobs: Sequence[Job]) -> list[Job]:
        names = [job.job_id for job in jobs]
        group = group_id(self.inbox.bucket, pair.image.key, pair.dropped_at, names)
        return [replace(job, group=group) for job in jobs]

    def _job(self, image: _Image, sidecar: Sidecar, choice: Choice) -> Job:
        dropped, info = image.pair.image, image.info
        # Defaults are left out, so that new fields leave the ids of old drops alone.
        asked = sidecar.model_dump(mode="json", exclude=_NO_SETTINGS, exclude_defaults=True)
        name = self._job_id(dropped, image.sha256, asked)
        return Job(
            job_id=name,
            state=State.CLAIMED,
            source=Source(
                bucket=self.inbox.bucket,
                key=dropped.key,
                etag=dropped.etag,
                media_type=info.media_type,
                width=info.width,
                height=info.height,
                pinned_key=f"sources/{name}{info.extension}",
                sha256=image.sha256,
            ),
            settings=_clip_settings(sidecar, choice.aspect_ratio),
            provider=choice.provider,
            unconfirmed=choice.unconfirmed,
            dropped_at=image.pair.dropped_at,
            created_at=image.seen_at,
            estimate_usd=self.prices.estimate(
                choice.provider, sidecar.resolution, sidecar.duration
            ),
            max_cost_usd=sidecar.max_cost_usd,
            priority=sidecar.priority,
        )

    def _job_id(self, image: Drop, sha256: str, asked: dict[str, Any]) -> str:
        """The job of this image and these settings: the one of an older version, if there is."""
        older = job_id(self.inbox.bucket, image.key, image.etag, asked)
        if self.ledger.get(older):
            return older
        return job_id(self.inbox.bucket, image.key, sha256, asked)

    def _parsed(self, pair: Pair) -> tuple[Sidecar, ...]:
        own = {"prompt": pair.image.prompt} if pair.image.prompt else {}
        data = self.inbox.read_sidecar(pair.sidecar) if pair.sidecar else None
        return parse_takes(data, own)


@dataclass(frozen=True, slots=True)
class _Image:
    """What all jobs of one drop have in common."""

    pair: Pair
    info: ImageInfo
    sha256: str
    seen_at: str


def _clip_settings(sidecar: Sidecar, aspect_ratio: str) -> ClipSettings:
    fields = sidecar.model_dump(exclude={"provider", "aspect_ratio", *_NO_SETTINGS})
    return ClipSettings(aspect_ratio=aspect_ratio, **fields)
