"""The workflow as its file says: states, retries, catches and routes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.faults.query import Names, evaluated, evaluated_as

FILE = Path(__file__).resolve().parents[2] / "statemachine" / "render.asl.json"

# The functions behind the tasks, by the file's placeholder.
FUNCTIONS = {
    "${SlotFunctionArn}": "slot",
    "${GenerateFunctionArn}": "generate",
    "${PollFunctionArn}": "poll",
    "${FinalizeFunctionArn}": "finalize",
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


@dataclass(frozen=True, slots=True)
class Exit:
    """One way out of a state: where it leads, and the `Assign` and `Output` that go with it."""

    to: str
    spec: Mapping[str, Any]

    def output(self, names: Names, default: Any) -> Any:
        return evaluated(self.spec["Output"], names) if "Output" in self.spec else default

    def assigned(self, names: Names) -> dict[str, Any]:
        """The variables that get a new value, by the values they had when the state began."""
        return {name: evaluated(to, names) for name, to in self.spec.get("Assign", {}).items()}


class Machine:
    """The state machine's definition."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        self.start: str = definition["StartAt"]
        self.timeout_s: float = definition["TimeoutSeconds"]
        self.states: Mapping[str, Mapping[str, Any]] = definition["States"]

    @classmethod
    def read(cls, file: Path = FILE) -> Machine:
        return cls(json.loads(file.read_text(encoding="utf-8")))

    def exit(self, state: str) -> Exit:
        """The way out of a state where nothing goes wrong."""
        spec = self.states[state]
        return Exit(spec["Next"], spec)

    def choose(self, state: str, names: Names) -> Exit:
        """The way out of a Choice state."""
        spec = self.states[state]
        for rule in spec["Choices"]:
            if evaluated_as(bool, rule["Condition"], names):
                return Exit(rule["Next"], rule)
        return Exit(spec["Default"], spec)

    def function(self, state: str) -> str:
        return FUNCTIONS[self.states[state]["Arguments"]["FunctionName"]]

    def waits_for_token(self, state: str) -> bool:
        return str(self.states[state]["Resource"]).endswith(".waitForTaskToken")

    def payload(self, state: str, names: Names) -> dict[str, Any]:
        return dict(evaluated(self.states[state]["Arguments"]["Payload"], names))

    def retry(self, state: str, error: str) -> Retry | None:
        """The first retrier that takes this error."""
        found = map(_retry, self.states[state].get("Retry", []))
        return next((one for one in found if one.matches(error)), None)

    def catch(self, state: str, error: str) -> Exit | None:
        """The first catcher that takes this error."""
        found = self.states[state].get("Catch", [])
        ways = (Exit(one["Next"], one) for one in found if _matches(one["ErrorEquals"], error))
        return next(ways, None)


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
