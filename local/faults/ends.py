"""How a play has ended, job by job, as AWS and the provider show it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from dropreel.jobs.group import AGAIN
from dropreel.jobs.job import State
from dropreel.ledger.table import plain
from local.faults.faults import Cell, Kind
from local.faults.operating import holds
from local.faults.scenarios import SCENARIOS, Scenario
from local.faults.services import RESULTS, Published
from local.faults.world import IMAGE, World
from local.simulators import JobView

REJECTED, DIGEST, GROUP, WAITING = "rejected", "digest", "group", "waiting"

# Whoever dies, or hears nothing, between SNS and the ledger must send the mail once more.
MAY_MAIL_TWICE = frozenset(
    {Kind.ERROR, Kind.CRASH, Kind.KILL, Kind.TIMEOUT, Kind.REPEAT, Kind.OUTAGE}
)


def may_mail_twice(cell: Cell) -> int:
    """How often a mail may come once more.

    Of two stops of one job, the second may come while the first is told. Both are told by the one
    process that functions have here, which may ask for its own right to a mail again.
    """
    return cell.count(MAY_MAIL_TWICE) + int(cell.count(frozenset({Kind.ABORT})) > 1)


@dataclass(frozen=True, slots=True)
class Line:
    """Who still has a slot or stands in line, the longest time there, the most at work at once."""

    held: tuple[str, ...]
    waiting: tuple[str, ...]
    longest_s: float
    most_at_once: int
    orders_at: tuple[float, ...]  # seconds since 1970
    asked_in_vain: int
    asked_too_soon: int  # before the time that a rate limit has named


@dataclass(frozen=True, slots=True)
class End:
    """How a play has ended for one job, as AWS and the provider show it."""

    cell: Cell
    scenario: Scenario
    job: dict[str, Any]
    states: tuple[tuple[int, str], ...]
    ordered: tuple[JobView, ...]
    mails: tuple[Published, ...]
    digests: tuple[Published, ...]
    may_be_mailed_again: int
    line: Line
    budget: dict[str, Decimal]
    most_usd: dict[str, Decimal]  # that were ever committed, by period
    group_mails: int  # about the job's group
    waiting_mails: int  # that the job, or its group, waits for the next day
    clips: tuple[bytes, ...]
    record: dict[str, Any] | None
    running: tuple[str, ...]
    resumed_and_ordered: tuple[str, ...]
    dropped_again: str
    undelivered: tuple[str, ...]
    keys_seen_on_cdn: int
    forbidden: tuple[str, ...]
    is_first_of_image: bool = True
    others: tuple[End, ...] = ()  # the ends of the other jobs of the play

    @property
    def state(self) -> str:
        return str(self.job.get("state", ""))

    @property
    def provider(self) -> str:
        """Who was asked last."""
        return str(self.job["provider"])

    @property
    def cancelled(self) -> bool:
        """Whether the job ended as an operator wanted."""
        return self.state == State.CANCELLED and bool(self.job.get("cancel_requested"))

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
        return [outcome for outcome in mailed if outcome not in (REJECTED, WAITING)]

    def mailboxes_told(self, outcome: str) -> int:
        """How often mailboxes were told of this outcome, in a mail of its own or in a digest."""
        alone = sum(
            mail.to_mailboxes and (mail.topic, mail.outcome) == (RESULTS, outcome)
            for mail in self.mails
        )
        name = self.job["source"]["key"].rpartition("/")[2]
        line = f"- {name}" if outcome == State.DELIVERED else f"- {name}: {outcome}."
        listed = (text for mail in self.digests for text in mail.text.splitlines())
        return alone + sum(
            text == line if outcome == State.DELIVERED else text.startswith(line) for text in listed
        )

    @property
    def rejections(self) -> int:
        """How often droppers were mailed that what they dropped starts no job."""
        return sum(1 for mail in self.mails if mail.outcome == REJECTED)

    @property
    def stood_still(self) -> bool:
        """Whether it was ever stalled, or its payment unknown."""
        return any(state in ("stalled", "unknown") for _, state in self.states)

    @property
    def siblings(self) -> tuple[End, ...]:
        """The ends of the other jobs of the same image."""
        key = self.job["source"]["key"]
        return tuple(other for other in self.others if other.job["source"]["key"] == key)

    @property
    def committed_usd(self) -> Decimal:
        return sum((amount for key, amount in self.budget.items() if is_day(key)), Decimal(0))


def ends_of(world: World, cell: Cell) -> list[End]:
    """One for each job, the first image's first."""
    jobs = [plain(item) for item in world.dynamo.items("JOB#").values()]
    images = [image for image, _ in SCENARIOS[cell.scenario].files]
    jobs.sort(key=lambda job: images.index(job["source"]["key"]))
    keys = [job["source"]["key"] for job in jobs]
    ends = [
        replace(_end_of(world, cell, job), is_first_of_image=job["source"]["key"] not in keys[:at])
        for at, job in enumerate(jobs)
    ]
    return [replace(end, others=tuple(other for other in ends if other is not end)) for end in ends]


def _end_of(world: World, cell: Cell, job: dict[str, Any]) -> End:
    job_id = job["job_id"]
    budget = {
        key.removeprefix("BUDGET#"): plain(item)["committed_usd"]
        for key, item in world.dynamo.items("BUDGET#").items()
    }
    published = [one for mail in world.sns.published for one in _by_take(mail)]
    again = may_mail_twice(cell) if world.story.sent_not_noted else 0
    return End(
        cell=cell,
        scenario=SCENARIOS[cell.scenario],
        job=job,
        states=tuple(world.story.states[job_id]),
        ordered=tuple(one for one in world.providers.jobs() if job_id in str(one.parameters)),
        mails=tuple(
            mail
            for mail in published
            if mail.outcome != DIGEST and _concerned(mail, world) == job_id
        ),
        digests=tuple(mail for mail in published if mail.outcome == DIGEST),
        may_be_mailed_again=again,
        budget=budget,
        most_usd=dict(world.story.most_usd),
        group_mails=sum(
            mail.outcome == GROUP and mail.document["group"] == job["group"]
            for mail in world.sns.published
        ),
        waiting_mails=sum(
            mail.outcome == WAITING and mail.document["image"] == job["source"]["key"]
            for mail in world.sns.published
        ),
        line=_line(world),
        clips=tuple(
            world.s3.objects["clips", key].body
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
        dropped_again=world.story.dropped_again.get(job_id, ""),
        undelivered=tuple(world.story.undelivered),
        keys_seen_on_cdn=world.providers.keys_seen_on_cdn,
        forbidden=tuple(world.story.forbidden),
    )


def _by_take(mail: Published) -> list[Published]:
    """The mail of a group is one about each of its jobs; in the state in which it names it."""
    if mail.outcome != GROUP:
        return [mail]
    takes = mail.document["takes"]
    return [replace(mail, document=take) for take in takes if take["outcome"] != AGAIN]


def _concerned(mail: Published, world: World) -> str:
    """The job that a mail is about; of a file the first one of that image, or else of all."""
    jobs: dict[str, str] = {}
    for item in world.dynamo.items("JOB#").values():
        jobs.setdefault(item["source"]["M"]["key"]["S"], str(item["job_id"]["S"]))
    named = str(mail.document.get("job_id", ""))
    file = mail.document.get("file", mail.document.get("image", ""))
    return named or jobs.get(file, jobs[IMAGE])


def _line(world: World) -> Line:
    return Line(
        held=tuple(holds(world.dynamo)),
        waiting=tuple(str(item["sk"]["S"]) for item in world.dynamo.listed("WAITING#")),
        longest_s=world.workflow.longest_wait_s,
        most_at_once=world.providers.most_at_once,
        orders_at=tuple(sorted(one.accepted_at for one in world.providers.jobs())),
        asked_in_vain=world.story.asked_in_vain,
        asked_too_soon=world.providers.asked_too_soon,
    )


def _record(world: World, job: dict[str, Any]) -> dict[str, Any] | None:
    keys = world.s3.keys("clips", "clips/")
    found = [key for key in keys if key.endswith(f"{job.get('job_id')}.json")]
    if len(found) != 1:
        return None
    return dict(json.loads(world.s3.objects["clips", found[0]].body))


def is_day(period: str) -> bool:
    return len(period) == len("2026-11-20")
