"""What the workflow sends to each function, and what it gets back.

The contract with `statemachine/render.asl.json`. An execution keeps the definition that it was
started with for up to seven days while the functions are new. So changes here are additive:
fields that are not known are ignored, those that are absent have defaults, none changes its name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

from dropreel.jobs.job import Job, State


class _Event:
    """Base of all events; `of` reads one from a payload, where null counts as absent."""

    __slots__ = ()

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Self:
        names = [field.name for field in fields(cls)]  # type: ignore[arg-type]
        return cls(**{name: payload[name] for name in names if payload.get(name) is not None})


@dataclass(frozen=True, slots=True)
class DropEvent(_Event):
    """A file that was put into the inbox, or that is checked again.

    `since` is set when its grace period is over: the time of its upload. `settled` names the
    versions of the pair for which the wait is over.
    """

    key: str
    since: str = ""
    settled: Sequence[str] = ()

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Self:
        """From an S3 "Object Created" event of EventBridge, or from our own `recheck` message."""
        if "detail" in payload:
            return cls(payload["detail"]["object"]["key"])
        return super(DropEvent, cls).of(payload.get("recheck") or payload["look_again"])

    def recheck(self) -> dict[str, Any]:
        """The message that brings this drop back."""
        return {"recheck": asdict(self)}


@dataclass(frozen=True, slots=True)
class DigestEvent(_Event):
    """A window of time is over whose results wait for a digest: its name."""

    digest: str


@dataclass(frozen=True, slots=True)
class BatchEvent(_Event):
    """A batch is looked at, whether all of its rows have come to an end: its name."""

    batch: str

    def message(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SlotEvent(_Event):
    """`token` wakes this execution when its turn has come."""

    job_id: str
    token: str
    execution_id: str = ""


@dataclass(frozen=True, slots=True)
class GenerateEvent(_Event):
    """`tries`: how often generating came to nothing before. `ask_at`: not before (unix seconds)."""

    job_id: str
    execution_id: str = ""
    tries: int = 0
    ask_at: float = 0


@dataclass(frozen=True, slots=True)
class Resume(_Event):
    """What an operator says of a stalled or unknown job; nothing: poll again.

    `left_behind`: the sweep has seen that no execution works on the job, whatever its state.
    `listed`: it has found the order in the provider's own list. `unknown` lists what was said
    besides: a word that is misspelt must not count as nothing.
    """

    provider_job_id: str = ""
    nothing_made: bool = False
    left_behind: bool = False
    listed: bool = False
    unknown: tuple[str, ...] = ()

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Self:
        words = {field.name for field in fields(cls)} - {"unknown"}
        unknown = tuple(sorted(payload.keys() - words))
        known = {name: value for name, value in payload.items() if name in words}
        return super(Resume, cls).of({**known, "unknown": unknown})


@dataclass(frozen=True, slots=True)
class PollEvent(_Event):
    """`searches`: so far, for a lost order, or for the clip of one that is done.

    `pending_at`: when the job was last seen pending. `provider_job_id` and `refused_order` (a
    reference) are of an order whose answer `generate` could not note. `resume` is there on the
    first poll of a resumed execution; such an execution may not order. `crowded`: a function had
    to be called again, perhaps because Lambda had no room; then polls do not watch.
    """

    job_id: str
    execution_id: str = ""
    tries: int = 0
    searches: int = 0
    pending_at: str = ""
    provider_job_id: str = ""
    refused_order: str = ""
    resume: Resume | None = None
    may_order: bool = True
    crowded: bool = False

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Self:
        resume = payload.get("resume")
        given = None if resume is None else Resume.of(resume)
        return super(PollEvent, cls).of({**payload, "resume": given})


@dataclass(frozen=True, slots=True)
class FinalizeEvent(_Event):
    """What the workflow knows when it comes to the end. `run` is 0 where nobody says.

    `late` is set when the execution is over already and EventBridge tells of it, `resumed` if
    such an execution was to resume a job.
    """

    job_id: str
    execution_id: str = ""
    run: int = 0
    polls: int = 0
    fetches: int = 0
    accident: str = ""
    late: bool = False
    resumed: bool = False

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Self:
        """From the workflow's own call, or from EventBridge's event that an execution has ended."""
        if "detail" not in payload:
            return super(FinalizeEvent, cls).of(payload)
        detail = payload["detail"]
        given = json.loads(detail["input"])
        return cls(
            job_id=given["job_id"],
            execution_id=detail["executionArn"],
            run=given.get("run", 0),
            accident=f"the workflow was {detail['status'].lower().replace('_', ' ')}",
            late=True,
            resumed="resume" in given,
        )

    def superseded_by(self, job: Job) -> bool:
        """Whether the job has gone on without this execution."""
        if self.run and self.run != job.run:
            return True
        other = job.execution != self.execution_id
        return self.late and other and (self.resumed or bool(job.execution))


@dataclass(frozen=True, slots=True)
class ThumbnailEvent(_Event):
    job_id: str
    pinned_key: str


@dataclass(frozen=True, slots=True)
class WidgetEvent(_Event):
    """From CloudWatch: `describe` asks for the widget's manual, `show` for one kind of jobs."""

    describe: bool = False
    show: str = ""


@dataclass(frozen=True, slots=True)
class ViewEvent(_Event):
    """A visit of a page. `name` is the last part of the path: a token, or a file of the pages."""

    name: str
    page: int = 1

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Self:
        """From a request of an HTTP API (payload 2.0), whatever the path before the last part."""
        asked = (payload.get("queryStringParameters") or {}).get("page", "")
        page = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 6 else 1
        return cls(payload["rawPath"].rpartition("/")[2], page)


@dataclass(frozen=True, slots=True)
class ViewAnswer:
    """What a visitor gets."""

    status: int
    headers: Mapping[str, str]
    body: str

    def payload(self) -> dict[str, Any]:
        return {"statusCode": self.status, "headers": dict(self.headers), "body": self.body}


class _Outcome:
    """Base of all outcomes. The workflow's choices go by `outcome`."""

    __slots__ = ()
    outcome: ClassVar[str]

    def payload(self) -> dict[str, Any]:
        """As the workflow gets it; what is None is left out."""
        facts = ((field.name, getattr(self, field.name)) for field in fields(self))  # type: ignore[arg-type]
        return {
            "outcome": self.outcome,
            **{name: value for name, value in facts if value is not None},
        }


@dataclass(frozen=True, slots=True)
class Wait(_Outcome):
    """Come back after so many seconds; `pending_at` and `searches` go into the next poll."""

    outcome: ClassVar[str] = "wait"
    wait_seconds: int
    state: State | None = None
    pending_at: str | None = None
    searches: int | None = None


@dataclass(frozen=True, slots=True)
class OrderAccepted(_Outcome):
    """The provider has the job: poll after so many seconds.

    `provider_job_id` is there if the ledger could not be written: the next poll notes it.
    """

    outcome: ClassVar[str] = "accepted"
    wait_seconds: int
    state: State
    provider_job_id: str | None = None


@dataclass(frozen=True, slots=True)
class SearchOrder(_Outcome):
    """The provider may have the job: look for the order after so many seconds.

    `refused_order` is there if its answer proved that it was not taken, and the ledger could not
    be written: the order reference, by which the next poll notes it.
    """

    outcome: ClassVar[str] = "search"
    wait_seconds: int
    state: State | None = None
    refused_order: str | None = None


@dataclass(frozen=True, slots=True)
class GenerateAgain(_Outcome):
    """Nothing is made, so generating once more is safe."""

    outcome: ClassVar[str] = "again"
    wait_seconds: int
    state: State


@dataclass(frozen=True, slots=True)
class ClipReady(_Outcome):
    outcome: ClassVar[str] = "ready"
    state: State


@dataclass(frozen=True, slots=True)
class Ended(_Outcome):
    """Nothing more to do before Finalize."""

    outcome: ClassVar[str] = "ended"
    state: State


@dataclass(frozen=True, slots=True)
class Delivered(_Outcome):
    """`clip` is its key."""

    outcome: ClassVar[str] = "delivered"
    state: State
    clip: str


@dataclass(frozen=True, slots=True)
class NotDelivered(_Outcome):
    """`error` and `cause` are what the execution fails with."""

    outcome: ClassVar[str] = "ended"
    state: State
    error: str
    cause: str


@dataclass(frozen=True, slots=True)
class Superseded(_Outcome):
    """The job has gone on in another execution, which will finalize it."""

    outcome: ClassVar[str] = "superseded"
    error: str = "superseded"
    cause: str = "this job has gone on in another execution"


@dataclass(frozen=True, slots=True)
class NothingToResume(_Outcome):
    """The job is not one to be resumed; the execution ends here, and the job goes on as it was."""

    outcome: ClassVar[str] = "superseded"
    cause: str
    error: str = "nothing_to_resume"


GenerateOutcome = OrderAccepted | SearchOrder | Wait | Ended
PollOutcome = Wait | GenerateAgain | ClipReady | Ended | NothingToResume
FinalizeOutcome = Delivered | NotDelivered | Wait | Superseded
