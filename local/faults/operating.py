"""What an operator does in a play: resumes, cancels, pauses; and again, if a command breaks off."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

from dropreel.container import container
from dropreel.errors import OperatorError
from dropreel.jobs.job import State, from_iso
from dropreel.ledger.table import plain
from dropreel.steps.cancel import Cancel
from dropreel.steps.pause import PauseOrders
from local.faults.dynamo import Dynamo
from local.faults.faults import OUTAGES_S
from local.faults.services import MACHINE, StepFunctions
from local.faults.timeline import Timeline
from local.faults.wire import Invocation, Reply

AGAIN_S = 60
TRIES = max(OUTAGES_S) // AGAIN_S + 5  # as a person would, who hears that AWS is down
PAUSE_S = 1200
COMMAND_TAKES_S = 1  # so that it can be told what came before it and what after it


def cancel(event: dict[str, Any], _: Any) -> dict[str, str]:
    """`dropreel cancel`: what has ended meanwhile is told, and is no error."""
    try:
        return {"state": container().step(Cancel).handle(event["job_id"]).state}
    except OperatorError as error:
        return {"refused": str(error)}


def pause(_: dict[str, Any], __: Any) -> dict[str, str]:
    container().step(PauseOrders).pause("operator")
    return {}


def unpause(_: dict[str, Any], __: Any) -> dict[str, str]:
    container().step(PauseOrders).unpause("operator")
    return {}


COMMANDS = {"cancel": cancel, "pause": pause, "unpause": unpause}


@dataclass
class Operator:
    """One operator of one play. `broken` lists orders that began although they were forbidden."""

    invoke: Callable[[Invocation], Reply]
    timeline: Timeline
    dynamo: Dynamo
    steps: StepFunctions
    paused_at: float = 0.0

    def resume(self) -> None:
        """As the mail to operators says: no name, no run, only the job and the word."""
        given = json.dumps({"job_id": self._jobs()[0], "resume": {}})
        self.steps.start_execution(stateMachineArn=MACHINE, name=str(uuid4()), input=given)

    def cancel(self, number: int = 0) -> None:
        """The job that was claimed as the `number`th, if it is there yet."""
        if len(self._jobs()) > number:
            self._run("cancel", {"job_id": self._jobs()[number]})

    def cancel_waiting(self) -> None:
        """The first of the jobs that wait for the next day."""
        jobs = self.dynamo.items("JOB#").items()
        waiting = [key for key, item in jobs if plain(item).get("waits_until")]
        for key in waiting[:1]:
            self._run("cancel", {"job_id": key.removeprefix("JOB#")})

    def pause(self) -> None:
        if not self.paused_at:
            self._run("pause", {}, self._paused)

    def forbidden(self) -> list[str]:
        """What is being ordered just now, and had been cancelled, or was begun in a pause."""
        found = []
        for item in map(plain, self.dynamo.items("JOB#").values()):
            if item["state"] != State.SUBMITTING:
                continue
            begun = from_iso(item["asked_at"]).timestamp()
            cancelled = item.get("cancel_requested")
            if cancelled and from_iso(cancelled).timestamp() < begun:
                found.append("an order was sent after the job was cancelled")
            if self.paused_at and self.paused_at < begun:
                found.append("an order was sent in a pause")
        return found

    def _jobs(self) -> list[str]:
        return [key.removeprefix("JOB#") for key in self.dynamo.items("JOB#")]

    def _paused(self) -> None:
        self.paused_at = self.timeline.now()
        self.timeline.after(PAUSE_S, partial(self._run, "unpause", {}, self._unpaused))

    def _unpaused(self) -> None:
        self.paused_at = 0.0

    def _run(
        self,
        command: str,
        event: dict[str, Any],
        done: Callable[[], None] = lambda: None,
        tries: int = TRIES,
    ) -> None:
        """Until it has come to its end. A pause ends with the first try to end it."""
        if command == "unpause":
            self._unpaused()
        if not self.invoke(Invocation(command, event)).error:
            done()
            self.timeline.run(self.timeline.now() + COMMAND_TAKES_S)
        elif tries > 1:
            again = partial(self._run, command, event, done, tries - 1)
            self.timeline.after(AGAIN_S, again)


def holds(dynamo: Dynamo) -> list[str]:
    """Who has a slot, by provider and job."""
    return [
        f"{item['pk']['S']} {name}"
        for item in dynamo.listed("SLOTS#")
        for name in item
        if name.startswith("hold_")
    ]
