"""The jobs of a pair: both files are checked, and become one job for each clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from dropreel.drops.advice import Facts, advise
from dropreel.drops.image import ImageInfo, inspect_image
from dropreel.drops.inbox import Drop, Inbox
from dropreel.drops.references import Reference, addresses_in, find_references
from dropreel.drops.selection import Choice
from dropreel.drops.settling import Pair
from dropreel.drops.sidecar import Sidecar
from dropreel.drops.takes import choose_all, takes_of
from dropreel.errors import Problem, RejectedError
from dropreel.jobs.job import ClipSettings, Job, Source, State, utc_iso
from dropreel.jobs.naming import group_id, job_id
from dropreel.ledger.jobs import Ledger
from dropreel.money.pricing import PriceList

# They change nothing in the clip, or are known by something else.
_NO_SETTINGS = {"max_cost_usd", "priority", "labels", "reference_images", "dry_run"}


@dataclass(frozen=True, slots=True)
class NewJobs:
    """Makes the jobs of pairs. `providers` are those the stack may use, in order of preference."""

    inbox: Inbox
    ledger: Ledger
    prices: PriceList
    providers: Sequence[str]
    now: Callable[[], datetime]

    def is_dry(self, pair: Pair) -> bool:
        """Whether nothing is to be ordered of this pair, which has jobs."""
        return any(take.dry_run for take in takes_of(pair.said))

    def of(self, pair: Pair) -> tuple[list[Job], list[Reference]]:
        """The jobs that a pair asks for, and the images in the inbox that guide their look.

        Raises RejectedError with all that is wrong with any of the files.
        """
        problems: list[Problem] = []
        try:
            takes = takes_of(pair.said)
            references = find_references(self.inbox, pair.image.key, takes)
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
        jobs = [self._job(image, *one) for one in zip(takes, choices, references, strict=True)]
        several = jobs if len(jobs) == 1 else self._grouped(pair, jobs)
        return several, list({one.pinned_key: one for each in references for one in each}.values())

    def _grouped(self, pair: Pair, jobs: Sequence[Job]) -> list[Job]:
        names = [job.job_id for job in jobs]
        _refuse_twins(names)
        group = group_id(self.inbox.bucket, pair.image.key, pair.dropped_at, names)
        return [replace(job, group=group, group_take=n) for n, job in enumerate(jobs, 1)]

    def _job(
        self, image: _Image, sidecar: Sidecar, choice: Choice, references: Sequence[Reference]
    ) -> Job:
        dropped, info = image.pair.image, image.info
        # Defaults are left out, so that new fields leave the ids of old drops alone.
        asked = sidecar.model_dump(mode="json", exclude=_NO_SETTINGS, exclude_defaults=True)
        if sidecar.reference_images:
            asked["references"] = [*addresses_in(sidecar), *(one.sha256 for one in references)]
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
            settings=_clip_settings(sidecar, choice.aspect_ratio, references),
            provider=choice.provider,
            unconfirmed=choice.unconfirmed,
            dropped_at=image.pair.dropped_at,
            created_at=image.seen_at,
            estimate_usd=self.prices.estimate(
                choice.provider, sidecar.resolution, sidecar.duration
            ),
            max_cost_usd=sidecar.max_cost_usd,
            priority=sidecar.priority,
            labels=sidecar.labels,
            origins=image.pair.said.origins,
            batch=image.pair.batch,
            references={one.pinned_key: f"/{one.drop.key}" for one in references},
            advice=self._advice(image, sidecar, choice),
        )

    def _advice(self, image: _Image, sidecar: Sidecar, choice: Choice) -> tuple[str, ...]:
        facts = Facts(
            width=image.info.width,
            height=image.info.height,
            size=image.pair.image.size,
            media_type=image.info.media_type,
            transparent=image.info.transparent,
            prompt=sidecar.prompt,
            aspect_ratio=choice.aspect_ratio,
            resolution=sidecar.resolution,
            duration=sidecar.duration,
            loop=sidecar.loop,
            provider=choice.provider,
            providers=tuple(self.providers),
        )
        return tuple(map(str, advise(facts)))

    def _job_id(self, image: Drop, sha256: str, asked: dict[str, Any]) -> str:
        """The job of this image and these settings: the one of an older version, if there is."""
        older = job_id(self.inbox.bucket, image.key, image.etag, asked)
        if self.ledger.get(older):
            return older
        return job_id(self.inbox.bucket, image.key, sha256, asked)


@dataclass(frozen=True, slots=True)
class _Image:
    """What all jobs of one drop have in common."""

    pair: Pair
    info: ImageInfo
    sha256: str
    seen_at: str


def _refuse_twins(names: Sequence[str]) -> None:
    """Takes of different words may be one job: two names of references with the same bytes."""
    for number, name in enumerate(names, 1):
        first = names.index(name) + 1
        if first < number:
            found = f"take {first} and take {number} of the list, which would be one clip"
            change = f'Change one of them, or put "take": {number} into the second one.'
            text = f"Two takes are the same: {found}. {change}"
            raise RejectedError([Problem("takes", found, "takes that differ", text=text)])


def _clip_settings(
    sidecar: Sidecar, aspect_ratio: str, references: Sequence[Reference]
) -> ClipSettings:
    places = (*addresses_in(sidecar), *(one.pinned_key for one in references))
    fields = sidecar.model_dump(
        exclude={"provider", "aspect_ratio", "reference_image_urls", *_NO_SETTINGS}
    )
    return ClipSettings(aspect_ratio=aspect_ratio, reference_image_urls=places, **fields)
