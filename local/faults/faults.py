"""What can go wrong at one call: kinds of faults, the moments at which they strike, and cells."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from zlib import crc32


class Moment(StrEnum):
    """When a fault strikes at a call."""

    BEFORE = "before"  # the call has not left the function
    AFTER = "after"  # the other side has done what it was asked for


class Kind(StrEnum):
    ERROR = "error"  # the call raises what its client raises when there is no (good) answer
    CRASH = "crash"  # the call raises what nobody expects
    HALF_SENT = "half sent"  # HTTP only: the connection breaks while the request is written
    SLOW = "slow"  # HTTP only: no answer within the client's time, which passes
    GATEWAY = "gateway"  # HTTP only: a proxy answers for the other side, with a page
    CUT_FIRST = "cut at first byte"  # HTTP only: the answer stops after its headers
    CUT = "cut"  # HTTP only: it stops in its middle
    CUT_LAST = "cut at last byte"  # HTTP only: all but one byte comes
    KILL = "kill"  # the function's process is gone
    TIMEOUT = "timeout"  # the call hangs until Lambda ends the function
    REPEAT = "repeat"  # AWS only: the answer is lost, and the SDK sends the call again by itself
    DELAYED = "delayed"  # the answer takes a while, in which everything else goes on
    DUPLICATE = "duplicate"  # the image's S3 event comes once more
    CONCURRENT = "concurrent"  # another invocation with the same input runs from start to end
    REDELIVERY = "redelivery"  # so it does, and the caller hears the other one's answer only
    OVERTAKEN = "overtaken"  # so it does, and this one sleeps on for a while
    ZOMBIE = "zombie"  # the caller takes it for dead and goes on; later it goes on as well
    SWEEP = "sweep"  # the sweep comes by
    RESUME = "resume"  # an operator tells the workflow to look again, as mails say how to
    CANCEL = "cancel"  # an operator cancels the first job
    PAUSE = "pause"  # an operator pauses all orders, and ends that after a while
    REDROP = "redrop"  # both files are uploaded once more
    OUTAGE = "outage"  # from this call on, nobody reaches the service behind it for a while
    ABORT = "abort"  # the execution is stopped; EventBridge tells at once
    THROTTLED = "throttled"  # Lambda refuses to start the function
    LOST = "lost"  # the function has ended well, but its caller never hears of it
    LATER = "later"  # the S3 events come again, so many hours after the end


# After these nobody has lost anything: what came is only more, later, or not at once.
HARMLESS = frozenset(
    {
        Kind.REPEAT,
        Kind.DELAYED,
        Kind.DUPLICATE,
        Kind.CONCURRENT,
        Kind.REDELIVERY,
        Kind.OVERTAKEN,
        Kind.ZOMBIE,
        Kind.SWEEP,
        Kind.RESUME,
        Kind.CANCEL,
        Kind.PAUSE,
        Kind.REDROP,
        Kind.THROTTLED,
        Kind.LOST,
        Kind.LATER,
    }
)

INVOKE = "invoke"  # the call of the function itself
END = "end"  # of the whole play
LATER_HOURS = (25, 91 * 24)
OUTAGES_S = (180, 1200)  # a short one and a long one
SLEEP_S = 50  # the longest that all functions may sleep through
DELAY_S = 20  # shorter than any client waits for an answer
READ_TIMEOUT_S = 25  # of the HTTP client

# What happens between two calls of a function.
_BETWEEN = (
    Kind.CRASH,
    Kind.KILL,
    Kind.TIMEOUT,
    Kind.DELAYED,
    Kind.DUPLICATE,
    Kind.CONCURRENT,
    Kind.OVERTAKEN,
    Kind.SWEEP,
    Kind.CANCEL,
    Kind.PAUSE,
    Kind.REDROP,
)
_OF_EXECUTIONS = (Kind.ABORT, Kind.RESUME, Kind.ZOMBIE)
_HTTP_BEFORE = (Kind.HALF_SENT, Kind.GATEWAY)
_HTTP_AFTER = (Kind.SLOW, Kind.GATEWAY, Kind.CUT_FIRST, Kind.CUT, Kind.CUT_LAST)
_READS = ("get_", "head_", "list_", "describe_", "query")


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """One call that left a function in the play without faults.

    `label` is `<function>:<call>#<how many of these so far>`; `first` in its invocation or not.
    """

    label: str
    in_execution: bool
    first: bool = False

    @property
    def function(self) -> str:
        return self.label.partition(":")[0]

    @property
    def call(self) -> str:
        return call_of(self.label)

    @property
    def http(self) -> bool:
        return "/" in self.call

    @property
    def reads(self) -> bool:
        """Whether the call changes nothing at AWS."""
        return self.call.partition(".")[2].startswith(_READS)

    @property
    def pays(self) -> bool:
        """Whether it orders: each::labs is asked with a POST to stop, too."""
        return self.call.startswith("POST ") and not self.call.endswith("/cancel")

    def faults(self) -> list[Fault]:
        """Everything that can go wrong here, once.

        A function that has heard an answer and one that is about to make its next call stand at
        the same point: what happens between two calls is played after the first of them, and
        before a call only where there is none before it, and at the one that pays. An answer that
        is lost is the same as a call that was not made where the call changes nothing.
        """
        if self.call == INVOKE:
            lost = Fault(self.label, Moment.AFTER, Kind.LOST)
            refused = Fault(self.label, Moment.BEFORE, Kind.THROTTLED)
            return [refused, lost] if self.in_execution else [lost]
        return [
            Fault(self.label, moment, kind)
            for moment, kinds in ((Moment.BEFORE, self._before()), (Moment.AFTER, self._after()))
            for kind in kinds
        ]

    def _before(self) -> tuple[Kind, ...]:
        between = self._between() if self.first or self.pays else ()
        return (Kind.ERROR, Kind.OUTAGE, *between, *(_HTTP_BEFORE if self.http else ()))

    def _after(self) -> tuple[Kind, ...]:
        lost = () if self.reads else (Kind.ERROR,) if self.http else (Kind.ERROR, Kind.REPEAT)
        return (*self._between(), Kind.REDELIVERY, *lost, *(_HTTP_AFTER if self.http else ()))

    def _between(self) -> tuple[Kind, ...]:
        return _BETWEEN + (_OF_EXECUTIONS if self.in_execution else ())


def call_of(label: str) -> str:
    """The call of a point's label."""
    return label.partition(":")[2].partition("#")[0]


def service_of(call: str) -> str:
    """What goes down together: one AWS service, the provider's API, or the host of its clips."""
    if "/" not in call:
        return call.partition(".")[0]
    return "clips" if call.endswith(".mp4") else "provider"


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault at one point. `hours` is for LATER only."""

    label: str
    moment: Moment
    kind: Kind
    hours: int = 0

    def __str__(self) -> str:
        what = f"{self.kind} ({self.hours} h)" if self.hours else self.kind.value
        return f"{what} {self.moment} {self.label}"


def outage_s(fault: Fault) -> int:
    """How long the outage lasts: its name decides."""
    return OUTAGES_S[crc32(str(fault).encode()) % len(OUTAGES_S)]


def late_faults() -> list[Fault]:
    """What comes when all is over."""
    again = Fault(END, Moment.AFTER, Kind.REDROP)
    return [again, *(Fault(END, Moment.AFTER, Kind.LATER, hours) for hours in LATER_HOURS)]


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One play of the matrix: a fault, or none, and those that come on top of it."""

    provider: str
    scenario: str
    fault: Fault | None = None
    more: tuple[Fault, ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.provider}, {self.scenario}: {' + '.join(map(str, self.faults)) or 'no fault'}"
        )

    @property
    def faults(self) -> tuple[Fault, ...]:
        return (self.fault, *self.more) if self.fault else ()

    def count(self, kinds: Collection[Kind]) -> int:
        """How many of the faults are of these kinds."""
        return sum(1 for fault in self.faults if fault.kind in kinds)


@dataclass(frozen=True, slots=True)
class Result:
    """What a play came to. `mails` are the outcomes that droppers were told, in order."""

    cell: Cell
    state: str
    accepted: int
    mails: tuple[str, ...]
    committed_usd: str
    violations: tuple[str, ...]
    struck: bool = True
    survivable: bool = False  # so that it had to end as without a fault
