"""The mails of groups of takes, and of what waits for the next day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.group import Group, Take
from dropreel.jobs.job import Job, State
from dropreel.mail.group_text import group_ended
from dropreel.mail.message import Links, Mail
from dropreel.mail.next_day import clips_wait
from tests.support.aws import make_job
from tests.support.groups import CLIP, GROUP

LINKS = Links("eu-central-1", "dropreel-clips")
PAGE = replace(LINKS, page="https://clips.example.com/abc", page_days=7)
OVER = JobFailure.of(
    FailureKind.OVER_CAP,
    "these 3 clips together cost about $1.20; of the $25.00 allowed for 2026-11-20 (UTC), "
    "$24.10 are used or reserved",
)
MODERATED = JobFailure(FailureKind.MODERATED, "Prompt was flagged by moderation", billed=False)
_WAITS = "this clip costs about $0.40; of the $25.00 allowed for 2026-11-20 (UTC), $24.80 are used"
_TOMORROW = datetime(2026, 11, 21, tzinfo=UTC)


def job(number: int, state: State, failure: JobFailure | None = None, **changes: Any) -> Job:
    """The `number`th take. `changes` are settings of the clip, or the provider."""
    made = make_job(job_id=f"{number:024}", state=state, failure=failure)
    provider = changes.pop("provider", "luma")
    return replace(
        made,
        source=make_job().source,
        provider=provider,
        settings=replace(made.settings, take=number, **changes),
        estimate_usd=Decimal("0.40"),
        cost_usd=Decimal("0.38") if provider == "eachlabs" and state is State.DELIVERED else None,
        clip=CLIP if state is State.DELIVERED else None,
        delivered_at=f"2026-11-20T09:31:1{number}.000Z",
    )


def mail(jobs: Sequence[Job], links: Links = PAGE, failure: JobFailure | None = None) -> Mail:
    own = [one for one in jobs if one.state is not State.CLAIMED]
    takes = tuple(Take(one.job_id, int(one in own)) for one in jobs)
    told = {one.job_id: one.state.value for one in own}
    group = Group(GROUP, jobs[0].source.key, jobs[0].created_at, takes, "", failure, told)
    return group_ended(group, jobs, links)


def group_mails() -> Iterator[tuple[str, Mail]]:
    orbit = job(3, State.DELIVERED, prompt="slow orbit to the left", provider="eachlabs")
    ready = [job(1, State.DELIVERED), job(2, State.DELIVERED), orbit]
    yield "group all ready", mail(ready)
    labelled = [replace(one, labels=("campaign=spring",)) for one in ready[:2]]
    yield "group in the console", mail(labelled, LINKS)
    late = [job(2, State.STALLED, provider="fal"), job(3, State.UNKNOWN, provider="oxen")]
    failed = job(4, State.FAILED, MODERATED, resolution="1080p")
    perhaps = job(5, State.FAILED, replace(MODERATED, billed=None), provider="oxen")
    yield "group of all sorts", mail([ready[0], *late, failed, perhaps])
    yield "group of three with one refused", mail([*ready[:2], job(3, State.FAILED, MODERATED)])
    broken = JobFailure(FailureKind.TRANSIENT, "Internal server error")
    yield "group perhaps paid", mail([job(number, State.FAILED, broken) for number in (1, 2)])
    lost = JobFailure(FailureKind.ACCIDENT, "States.Timeout")
    yield "group delayed", mail([job(number, State.STALLED, lost) for number in (1, 2)])
    yield "group after an earlier drop", mail([job(1, State.CLAIMED), *ready[1:2]])
    refused = [job(number, State.REFUSED, OVER) for number in (1, 2, 3)]
    yield "group over a cap", mail(refused, failure=OVER)
    newer = JobFailure.of(FailureKind.REPLACED, "the newer files are job 89abcdef0123456789abcdef")
    yield "group replaced", mail([job(number, State.REFUSED, newer) for number in (1, 2)])
    yield "waiting", clips_wait(ready[0], "waits", 1, _WAITS, _TOMORROW)
    yield "waiting group", clips_wait(ready[0], "waits", 3, OVER.message, _TOMORROW)
