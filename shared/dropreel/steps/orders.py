"""What every step needs to know of a job's order: what it says, and what its failure looks like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from dropreel.clips.bucket import ClipsBucket
from dropreel.jobs.job import Job
from dropreel.observability import logger, measure
from dropreel.providers.base import ClipRequest, Failure

LOST_ANSWER = "lost_answer"
# At a busy provider, or when the step died: the waits of `busy_wait` add up to about 45 minutes.
MAX_TRIES = 12
STALE_S = 90  # a POST with its time-outs, and the function around it, is over long before


def clip_request(job: Job, clips: ClipsBucket, url_seconds: int) -> ClipRequest:
    """The order as the provider gets it; signs the image's address now."""
    settings = job.settings
    return ClipRequest(
        job_id=job.job_id,
        image_url=clips.source_url(job.source.pinned_key, url_seconds),
        prompt=settings.prompt,
        aspect_ratio=settings.aspect_ratio,
        resolution=settings.resolution,
        duration=settings.duration,
        loop=settings.loop,
        reference_image_urls=settings.reference_image_urls,
    )


def released(job: Job) -> dict[str, Any]:
    """Facts that free the money of a job that cannot cost anything any more."""
    if job.reservation is None:
        return {}
    return {"reservation": job.reservation.of(0 * job.reservation.amount_usd)}


def failure_facts(failure: Failure) -> dict[str, Any]:
    """A failure as the ledger and the records hold it."""
    facts = {**asdict(failure), "kind": failure.kind.value}
    return {name: value for name, value in facts.items() if value is not None} | {
        "billed": failure.billed
    }


def report_failure(text: str, failure: Failure, log: Callable[..., None] = logger.warning) -> None:
    """Log what a provider did not do, and count it by its kind."""
    log(text, **failure_words(failure))
    measure("ProviderErrors", 1, kind=failure.kind.value)


def failure_words(failure: Failure) -> dict[str, Any]:
    """What logs tell of a failure: not the provider's text, which may quote the prompt."""
    words = {"kind": failure.kind.value, "code": failure.code, "http_status": failure.http_status}
    return {name: value for name, value in words.items() if value is not None}
