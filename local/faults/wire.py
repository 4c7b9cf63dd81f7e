"""Every call that leaves a function goes through the wire, which lists it and may spoil it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from local.faults.faults import (
    DELAY_S,
    INVOKE,
    READ_TIMEOUT_S,
    Fault,
    Kind,
    Moment,
    Point,
    call_of,
    outage_s,
    service_of,
)

T = TypeVar("T")

_BREAKING = frozenset({Kind.ERROR, Kind.HALF_SENT, Kind.SLOW})  # the client raises
_SPOILING = frozenset({Kind.GATEWAY, Kind.CUT_FIRST, Kind.CUT, Kind.CUT_LAST})  # it does not


class Killed(BaseException):
    """The process of a function is gone. Nothing but the driver may catch this."""

    def __init__(self, *, hung: bool = False) -> None:
        super().__init__("killed")
        self.hung = hung


@dataclass(frozen=True, slots=True)
class Reply:
    """What the caller of a function hears, after so many seconds."""

    value: Any = None
    error: str = ""
    cause: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class Invocation:
    """One run of a function. `execution` is the ARN of the workflow's execution that called it."""

    function: str
    event: Any
    execution: str = ""
    dead: bool = False
    answer_instead: Reply | None = None
    hear: Callable[[Reply], None] | None = None  # how its caller takes an answer at once
    unheard: bool = False  # its caller has gone on without it
    calls: int = 0  # that it has made so far


class Operator(Protocol):
    """What an operator may do at any time."""

    def resume(self) -> None: ...

    def cancel(self) -> None: ...

    def pause(self) -> None: ...


class Surroundings(Protocol):
    """What happens around the functions when a fault strikes between two of their calls."""

    def again(self, invocation: Invocation) -> Reply:
        """Run the same function with the same input."""
        ...

    def sleep(self) -> None:
        """Let everything else go on for as long as a function may sleep."""
        ...

    def delay(self, seconds: float) -> None:
        """Let everything else go on for so long."""
        ...

    def ordering(self, call: str) -> None:
        """Take note that an order is sent just now, by this call."""
        ...

    def drop_event_again(self) -> None: ...

    def drop_again(self) -> None: ...

    def sweep_now(self) -> None: ...

    @property
    def operator(self) -> Operator: ...

    def now(self) -> float: ...

    def abort(self, execution: str) -> None: ...

    def struck(self) -> None:
        """Take note of how things stand at this moment."""
        ...


class Spoiler(Protocol):
    """What goes wrong with calls of one sort."""

    def error(self, kind: Kind, moment: Moment) -> Exception:
        """What the client raises when there is no answer."""
        ...

    def spoilt(self, kind: Kind, answer: Any) -> Any:
        """What comes instead of `answer`, which is None where nobody was asked."""
        ...


@dataclass
class Wire:
    """The calls of one play, and the faults in it."""

    points: list[Point] = field(default_factory=list)
    ordered_by: set[str] = field(default_factory=set)  # executions in which a POST was sent
    struck: list[Fault] = field(default_factory=list)
    surroundings: Surroundings | None = None
    # They hear of every call of AWS: the function, the call, and its request.
    watchers: list[Callable[[str, str, dict[str, Any]], None]] = field(default_factory=list)
    _to_come: list[Fault] = field(default_factory=list)
    _down: dict[str, float] = field(default_factory=dict)  # services nobody reaches, until when
    _counts: Counter[str] = field(default_factory=Counter)
    _stack: list[Invocation] = field(default_factory=list)

    def reset(self, faults: Iterable[Fault] = ()) -> None:
        for kept in (self.points, self.ordered_by, self.struck, self._down, self._counts):
            kept.clear()
        self._stack.clear()
        self._to_come = list(faults)

    def invoke(self, invocation: Invocation, run: Callable[[], Any], limit_s: float) -> Reply:
        """Run a function; whatever it raises is an answer to its caller."""
        point = self._point(invocation, INVOKE)
        if self._strikes(point, Moment.BEFORE):
            return Reply(error="Lambda.TooManyRequestsException", cause="Rate Exceeded.")
        self._stack.append(invocation)
        try:
            reply = Reply(run())
        except Killed as killed:
            name = "Sandbox.Timedout" if killed.hung else "Runtime.ExitError"
            reply = Reply(error=name, seconds=limit_s if killed.hung else 0.0)
        except Exception as error:  # Lambda reports whatever it is
            reply = Reply(error=type(error).__name__, cause=str(error))
        finally:
            self._stack.pop()
        if self._strikes(point, Moment.AFTER):
            return Reply(error="Lambda.SdkClientException", cause="no answer")
        return invocation.answer_instead or reply

    def call(self, name: str, perform: Callable[[], T], spoiler: Spoiler) -> T:
        """Make one call of the function that runs now."""
        invocation = self._stack[-1]
        if invocation.dead:
            raise Killed
        point = self._point(invocation, name)
        if point.pays:
            self.ordered_by.add(invocation.execution)
            self._around.ordering(name)
        if fault := self._strikes(point, Moment.BEFORE):
            self._around.struck()
            if fault.kind in _SPOILING:
                return spoiler.spoilt(fault.kind, None)  # type: ignore[no-any-return]
            self._strike(fault, invocation, spoiler)
        if self._around.now() < self._down.get(service_of(name), 0):
            raise spoiler.error(Kind.ERROR, Moment.BEFORE)
        if fault := self._strikes(point, Moment.AFTER):
            return self._spoilt(fault, invocation, perform, spoiler)
        return perform()

    def tell(self, name: str, request: dict[str, Any]) -> None:
        for watcher in self.watchers:
            watcher(self._stack[-1].function, name, request)

    # --- faults ---------------------------------------------------------------------------------

    def _point(self, invocation: Invocation, call: str) -> Point:
        name = f"{invocation.function}:{call}"
        self._counts[name] += 1
        label, in_execution = f"{name}#{self._counts[name]}", bool(invocation.execution)
        point = Point(label, in_execution, first=invocation.calls == 1)
        invocation.calls += 1
        self.points.append(point)
        return point

    def _strikes(self, point: Point, moment: Moment) -> Fault | None:
        """The fault that was still to come here, if there is one: each strikes once."""
        for fault in self._to_come:
            if (fault.label, fault.moment) == (point.label, moment):
                self._to_come.remove(fault)
                self.struck.append(fault)
                return fault
        return None

    def _spoilt(
        self, fault: Fault, invocation: Invocation, perform: Callable[[], T], spoiler: Spoiler
    ) -> T:
        """The call is made; then its fault strikes, whatever the answer was."""
        answer, failure = _attempt(perform)
        if fault.kind is Kind.REPEAT:
            answer, failure = _attempt(perform)
        self._around.struck()
        if fault.kind in _SPOILING and failure is None:
            return spoiler.spoilt(fault.kind, answer)  # type: ignore[no-any-return]
        if fault.kind not in _SPOILING and fault.kind is not Kind.REPEAT:
            self._strike(fault, invocation, spoiler)
        if failure is not None:
            raise failure
        return answer  # type: ignore[return-value]

    @property
    def _around(self) -> Surroundings:
        if self.surroundings is None:
            raise RuntimeError("nothing is around this wire")
        return self.surroundings

    def _strike(self, fault: Fault, invocation: Invocation, spoiler: Spoiler) -> None:
        """The fault itself: it breaks off this call, or something else happens just now."""
        kind = fault.kind
        if kind in _BREAKING:
            if kind is Kind.SLOW:
                self._around.delay(READ_TIMEOUT_S)
            raise spoiler.error(kind, fault.moment)
        if kind is Kind.CRASH:
            raise RuntimeError("something that nobody expects")
        if kind in (Kind.KILL, Kind.TIMEOUT):
            invocation.dead = True
            raise Killed(hung=kind is Kind.TIMEOUT)
        if kind is Kind.OUTAGE:
            self._down[service_of(call_of(fault.label))] = self._around.now() + outage_s(fault)
        elif kind is Kind.REDELIVERY:
            invocation.answer_instead = self._around.again(invocation)
        else:
            self._let_happen(kind, invocation)

    def _let_happen(self, kind: Kind, invocation: Invocation) -> None:
        around = self._around
        match kind:
            case Kind.DELAYED:
                around.delay(DELAY_S)
            case Kind.DUPLICATE:
                around.drop_event_again()
            case Kind.REDROP:
                around.drop_again()
            case Kind.CONCURRENT:
                around.again(invocation)
            case Kind.OVERTAKEN:
                around.again(invocation)
                around.sleep()
            case Kind.ZOMBIE:
                _give_up(invocation)
                around.sleep()
            case Kind.SWEEP:
                around.sweep_now()
            case Kind.RESUME | Kind.CANCEL | Kind.PAUSE:
                getattr(around.operator, kind.value)()
            case Kind.ABORT:
                around.abort(invocation.execution)
            case _:
                raise ValueError(f"{kind} is an answer, not something that happens around a call")


def _give_up(invocation: Invocation) -> None:
    """The connection between caller and function is gone; the function does not know."""
    invocation.unheard = True
    if invocation.hear:
        invocation.hear(Reply(error="Lambda.SdkClientException", cause="no answer"))


def _attempt(perform: Callable[[], T]) -> tuple[T | None, Exception | None]:
    try:
        return perform(), None
    except Exception as failure:  # raised again after the fault
        return None, failure
