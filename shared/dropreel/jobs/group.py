"""A group: takes of one image that were dropped together, ordered all or none, told in one mail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dropreel.jobs.failure import JobFailure
from dropreel.jobs.job import Job

AGAIN = "again"  # in `told`: another drop has started the job once more


def group_mail_id(group_id: str) -> str:
    return f"group-{group_id}"


class Decision(StrEnum):
    """Whether the group is ordered: written once, before its first order."""

    FUNDED = "funded"  # the money of all its jobs was set aside
    REFUSED = "refused"  # none is ordered


@dataclass(frozen=True, slots=True)
class Take:
    """One clip of a group. `run` is that of its job; 0 if an earlier drop had claimed the job."""

    job_id: str
    run: int

    def claims(self, job: Job) -> bool:
        """Whether this run of the job is the group's."""
        return (self.job_id, self.run) == (job.job_id, job.run)


@dataclass(frozen=True, slots=True)
class Group:
    """One group as the ledger holds it. `takes` are in the order of the sidecar.

    `failure` says why it was refused. `told` is empty until its mail is decided; then it holds, by
    job, the state in which the mail names it.
    """

    group_id: str
    image_key: str
    created_at: str
    takes: tuple[Take, ...]
    decision: str = ""
    failure: JobFailure | None = None
    told: Mapping[str, str] = field(default_factory=dict)

    @property
    def mail_id(self) -> str:
        return group_mail_id(self.group_id)

    def covers(self, job: Job) -> bool:
        """Whether the group's mail names the job in the state that it is in."""
        return self.told.get(job.job_id) == job.state
