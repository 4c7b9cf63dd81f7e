"""How a play has ended, job by job, as AWS and the provider show it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from dropreel.ledger.table import plain
from local.faults.faults import Cell, Kind
from local.faults.scenarios import SCENARIOS, Scenario
from local.faults.services import RESULTS, Published
from local.faults.world import DROPS, IMAGE, World, holds
from local.simulators import JobView

REJECTED = "rejected"

# Whoever dies, or hears nothing, between SNS and the ledger must send the mail once more.
MAY_MAIL_TWICE = frozenset(
    {Kind.ERROR, Kind.CRASH, Kind.KILL, Kind.TIMEOUT, Kind.REPEAT, Kind.OUTAGE}
)


@dataclass(frozen=True, slots=True)
class Line:
    """Who still has a slot or stands in line, the longest time there, the most at work at once."""

    held: tuple[str, ...]
    waiting: tuple[str, ...]
    longest_s: float
    most_at_once: int


@dataclass(frozen=True, slots=True)
class End:
    """How a play has ended for one job, as AWS and the provider show it."""

    cell: Cell
    scenario: Scenario
    job: dict[str, Any]
    states: tuple[tuple[int, str], ...]
    ordered: tuple[JobView, ...]
    mails: tuple[Published, ...]
    may_be_mailed_twice: bool
    line: Line
    budget: dict[str, Decimal]
    clips: tuple[str, ...]
    record: dict[str, Any] | None
    running: tuple[str, ...]
    resumed_and_ordered: tuple[str, ...]
    dropped_again: str
    undelivered: tuple[str, ...]
    keys_seen_on_cdn: int
    others: tuple[End, ...] = ()  # the ends of the other jobs of the play

    @property
    def state(self) -> str:
        return str(self.job.get("state", ""))

    @property
    def provider(self) -> str:
        """Who was asked last."""
        return str(self.job["provider"])

    @property
    def runs(self) -> dict[int, list[str]]:
        """The states of each run, in order."""
        found: dict[int, list[str]] = {}
        for run, state in self.states:
            found.setdefault(run, []).append(state)
        return found

    @property
    def results(self) -> list[str]:
        """The mails to droppers about the job, by outcome."""
        mailed = [mail.outcome for mail in self.mails if mail.topic == RESULTS]
        return [outcome for outcome in mailed if outcome != REJECTED]

    @property
    def rejections(self) -> int:
        """How often droppers were mailed that what they dropped starts no job."""
        return sum(1 for mail in self.mails if mail.outcome == REJECTED)

    @property
    def committed_usd(self) -> Decimal:
        return sum((amount for key, amount in self.budget.items() if is_day(key)), Decimal(0))


def ends_of(world: World, cell: Cell) -> list[End]:
    """One for each job, the first image's first."""
    jobs = [plain(item) for item in world.dynamo.items("JOB#").values()]
    jobs.sort(key=lambda job: DROPS.index(job["source"]["key"].removesuffix(".jpg")))
    ends = [_end_of(world, cell, job) for job in jobs]
    return [replace(end, others=tuple(other for other in ends if other is not end)) for end in ends]


def _end_of(world: World, cell: Cell, job: dict[str, Any]) -> End:
    job_id, first = job["job_id"], job["source"]["key"] == IMAGE
    budget = {
        key.removeprefix("BUDGET#"): plain(item)["committed_usd"]
        for key, item in world.dynamo.items("BUDGET#").items()
    }
    fault = cell.fault
    return End(
        cell=cell,
        scenario=SCENARIOS[cell.scenario],
        job=job,
        states=tuple(world.story.states[job_id]),
        ordered=tuple(
            one for one in world.providers.jobs() if one.prompt == job["settings"]["prompt"]
        ),
        mails=tuple(
            mail
            for mail in world.sns.published
            if mail.document.get("job_id", job_id if first else "") == job_id
        ),
        may_be_mailed_twice=bool(
            fault and fault.kind in MAY_MAIL_TWICE and world.story.sent_not_noted
        ),
        budget=budget,
        line=_line(world),
        clips=tuple(
            key
            for key in world.s3.keys("clips", "clips/")
            if job_id in key and key.endswith(".mp4")
        ),
        record=_record(world, job),
        running=tuple(one.name for one in world.steps.executions if one.running),
        resumed_and_ordered=tuple(
            one.name
            for one in world.steps.executions
            if one.arn in world.wire.ordered_by and "resume" in json.loads(one.input)
        ),
        dropped_again=world.story.dropped_again if first else "",
        undelivered=tuple(world.story.undelivered),
        keys_seen_on_cdn=world.providers.keys_seen_on_cdn,
    )


def _line(world: World) -> Line:
    return Line(
        held=tuple(holds(world.dynamo)),
        waiting=tuple(str(item["sk"]["S"]) for item in world.dynamo.listed("WAITING#")),
        longest_s=world.workflow.longest_wait_s,
        most_at_once=world.providers.most_at_once,
    )


def _record(world: World, job: dict[str, Any]) -> dict[str, Any] | None:
    keys = world.s3.keys("clips", "clips/")
    found = [key for key in keys if key.endswith(f"{job.get('job_id')}.json")]
    if len(found) != 1:
        return None
    return dict(json.loads(world.s3.objects["clips", found[0]].body))


def is_day(period: str) -> bool:
    return len(period) == len("2026-11-20")
