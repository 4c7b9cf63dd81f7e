"""The workflow as its file says: states, retries, catches and routes.

JSONata is not interpreted. Each expression of the file stands in a table below with what it
means; one that is not there, or no longer needed, makes the tests fail.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parents[2] / "statemachine" / "render.asl.json"

# The functions behind the tasks, by the file's placeholder.
FUNCTIONS = {
    "${SlotFunctionArn}": "slot",
    "${GenerateFunctionArn}": "generate",
    "${PollFunctionArn}": "poll",
    "${FinalizeFunctionArn}": "finalize",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """What `$states` holds while a state is played; `result` as the service gives it."""

    input: Mapping[str, Any]
    execution: str
    result: Any = None
    error: Mapping[str, Any] | None = None
    token: str = ""


Meaning = Callable[[Moment], Any]


def _counted(name: str) -> Meaning:
    """The input with the function's answer, and one more of what is counted."""
    return lambda m: {**m.input, **m.result["Payload"], name: m.input.get(name, 0) + 1}


def _or(name: str, default: Any) -> Meaning:
    return lambda m: m.input.get(name, default)


def _outcome(*words: str) -> Meaning:
    return lambda m: m.input.get("outcome") in words


_COUNTED = (
    "$merge([$states.input, $states.result.Payload, "
    "{{'{0}': ($exists($states.input.{0}) ? $states.input.{0} : 0) + 1}}])"
)
_COUNTED_UNLESS_TOLD = (
    "$merge([$states.input, "
    "{{'{0}': ($exists($states.input.{0}) ? $states.input.{0} : 0) + 1}}, $states.result.Payload])"
)
_LOST_ASK = (
    "$merge([$states.input, {'accident': $states.errorOutput, 'wait_seconds': 30, "
    "'tries': ($exists($states.input.tries) ? $states.input.tries : 0) + 1}])"
)
_OR = "$exists($states.input.{0}) ? $states.input.{0} : {1}"
_FIRST_LOOK = "$exists($states.input.resume) and $not($exists($states.input.polls))"

MEANINGS: dict[str, Meaning] = {
    # conditions
    "$exists($states.input.resume)": lambda m: "resume" in m.input,
    "$not($exists($states.input.resume))": lambda m: "resume" not in m.input,
    "$states.input.outcome in ['accepted', 'search']": _outcome("accepted", "search"),
    "$states.input.outcome = 'wait'": _outcome("wait"),
    "$states.input.outcome = 'again'": _outcome("again"),
    "$states.input.outcome = 'delivered'": _outcome("delivered"),
    # what functions are given
    "$states.input.job_id": lambda m: m.input["job_id"],
    "$states.context.Execution.Id": lambda m: m.execution,
    "$states.context.Task.Token": lambda m: m.token,
    "$states.input.ask_at": lambda m: m.input["ask_at"],
    _OR.format("tries", "0"): _or("tries", 0),
    _OR.format("searches", "0"): _or("searches", 0),
    _OR.format("pending_at", "''"): _or("pending_at", ""),
    _OR.format("run", "0"): _or("run", 0),
    _OR.format("polls", "0"): _or("polls", 0),
    _OR.format("fetches", "0"): _or("fetches", 0),
    f"{_FIRST_LOOK} ? $states.input.resume : null": lambda m: (
        m.input["resume"] if "resume" in m.input and "polls" not in m.input else None
    ),
    "$exists($states.input.accident) ? $states.input.accident.Error : ''": lambda m: (
        m.input["accident"]["Error"] if "accident" in m.input else ""
    ),
    # what comes of it
    "$merge([$states.input, $states.result])": lambda m: {**m.input, **m.result},
    _COUNTED.format("tries"): _counted("tries"),
    _COUNTED.format("polls"): _counted("polls"),
    _COUNTED_UNLESS_TOLD.format("fetches"): lambda m: {
        **m.input,
        "fetches": m.input.get("fetches", 0) + 1,
        **m.result["Payload"],
    },
    _LOST_ASK: lambda m: {
        **m.input,
        "accident": m.error,
        "wait_seconds": 30,
        "tries": m.input.get("tries", 0) + 1,
    },
    "$merge([$states.input, {'accident': $states.errorOutput}])": lambda m: {
        **m.input,
        "accident": m.error,
    },
    "$states.input.wait_seconds": lambda m: m.input["wait_seconds"],
    "$states.input.error": lambda m: m.input["error"],
    "$states.input.cause": lambda m: m.input["cause"],
}


@dataclass(frozen=True, slots=True)
class Retry:
    """One retrier of a task."""

    errors: tuple[str, ...]
    interval_s: float
    rate: float
    attempts: int
    longest_s: float
    jitters: bool

    def matches(self, error: str) -> bool:
        return _matches(self.errors, error)

    def delay_s(self, attempt: int, jitter: float) -> float:
        """Seconds before retry number `attempt` (from 0); full jitter picks from 0 to all of it."""
        whole = min(self.longest_s, self.interval_s * self.rate**attempt)
        return whole * jitter if self.jitters else whole


class Machine:
    """The state machine's definition."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        self.start: str = definition["StartAt"]
        self.timeout_s: float = definition["TimeoutSeconds"]
        self.states: Mapping[str, Mapping[str, Any]] = definition["States"]

    @classmethod
    def read(cls) -> Machine:
        return cls(json.loads(FILE.read_text(encoding="utf-8")))

    def choose(self, state: str, moment: Moment) -> str:
        """Where a Choice state goes on."""
        spec = self.states[state]
        for choice in spec["Choices"]:
            if evaluated(choice["Condition"], moment):
                return str(choice["Next"])
        return str(spec["Default"])

    def function(self, state: str) -> str:
        return FUNCTIONS[self.states[state]["Arguments"]["FunctionName"]]

    def waits_for_token(self, state: str) -> bool:
        return str(self.states[state]["Resource"]).endswith(".waitForTaskToken")

    def payload(self, state: str, moment: Moment) -> dict[str, Any]:
        given = self.states[state]["Arguments"]["Payload"]
        return {name: evaluated(value, moment) for name, value in given.items()}

    def retry(self, state: str, error: str) -> Retry | None:
        """The first retrier that takes this error."""
        found = map(_retry, self.states[state].get("Retry", []))
        return next((one for one in found if one.matches(error)), None)

    def catch(self, state: str, error: str) -> Mapping[str, Any] | None:
        """The first catcher that takes this error."""
        found = self.states[state].get("Catch", [])
        return next((one for one in found if _matches(one["ErrorEquals"], error)), None)


def evaluated(value: Any, moment: Moment) -> Any:
    """What a field of a state means: itself, unless it is an expression."""
    text = expression(value)
    return value if text is None else MEANINGS[text](moment)


def expression(value: Any) -> str | None:
    """The JSONata within `{% %}`."""
    if isinstance(value, str) and value.startswith("{%") and value.endswith("%}"):
        return value[2:-2].strip()
    return None


def _retry(spec: Mapping[str, Any]) -> Retry:
    return Retry(
        errors=tuple(spec["ErrorEquals"]),
        interval_s=spec["IntervalSeconds"],
        rate=spec["BackoffRate"],
        attempts=spec["MaxAttempts"],
        longest_s=spec["MaxDelaySeconds"],
        jitters=spec.get("JitterStrategy") == "FULL",
    )


def _matches(errors: tuple[str, ...] | list[str], error: str) -> bool:
    """`States.TaskFailed` is every error but a timeout."""
    if "States.TaskFailed" in errors and error != "States.Timeout":
        return True
    return "States.ALL" in errors or error in errors
