"""Calls of the steps as the workflow makes them: fields in, the outcome's payload out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dropreel.jobs.job import Job
from dropreel.steps.generate import Generate
from dropreel.steps.outcomes import GenerateEvent, PollEvent
from dropreel.steps.poll import Poll


def generate(step: Generate, job_id: str, **fields: Any) -> dict[str, Any]:
    return step.handle(GenerateEvent.of({"job_id": job_id, **fields})).payload()


def poll(
    step: Poll, job_id: str, *, time_left: Callable[[], float] | None = None, **fields: Any
) -> dict[str, Any]:
    return step.handle(PollEvent.of({"job_id": job_id, **fields}), time_left).payload()


def failure_of(job: Job) -> dict[str, Any]:
    """The job's failure as records and mails show it; empty if there is none."""
    return job.failure.facts() if job.failure else {}
