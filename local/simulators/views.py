"""How jobs are shown to tests: everything that was asked for, without secrets."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from local.simulators.jobs import Job


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as the control endpoint tells it: addresses without their query, times in seconds."""

    provider: str
    id: str
    prompt: str
    image_host: str
    parameters: dict[str, object]
    state: str
    accepted_at: float
    started_at: float | None
    ended_at: float | None
    problem: str | None


def view_of(job: Job) -> JobView:
    return JobView(
        provider=job.provider,
        id=job.id,
        prompt=job.order.prompt,
        image_host=urlsplit(job.order.image_urls[0]).netloc if job.order.image_urls else "",
        parameters={key: _bare(value) for key, value in job.order.parameters.items()},
        state=job.state.value,
        accepted_at=job.accepted_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
        problem=job.problem.kind if job.problem else None,
    )


def _bare(value: object) -> object:
    """Addresses lose their query, which may be a signature; data URIs lose their data."""
    if isinstance(value, str) and value.startswith("data:"):
        return value.partition(",")[0]
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        return urlunsplit(urlsplit(value)._replace(query="", fragment=""))
    if isinstance(value, dict):
        return {key: _bare(part) for key, part in value.items()}
    return [_bare(part) for part in value] if isinstance(value, list) else value
