"""The world of one play: AWS, the providers, and everything that is delivered again."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

from dropreel.ledger.table import plain
from local.faults.asl import Machine
from local.faults.drops import created, picture
from local.faults.dynamo import Dynamo
from local.faults.expressions import Item
from local.faults.faults import END, SLEEP_S, Cell, Fault, Kind, Point
from local.faults.functions import Functions, quiet
from local.faults.operating import Operator, holds
from local.faults.provider import KEYS, Clock, Providers, note_checkups
from local.faults.s3 import S3
from local.faults.scenarios import DROPS, SCENARIOS, Scenario
from local.faults.services import (
    RESULTS,
    Execution,
    Secrets,
    Sns,
    Sqs,
    StepFunctions,
    Sts,
    Thumbnails,
)
from local.faults.timeline import Timeline
from local.faults.wire import Invocation, Reply, Wire
from local.faults.workflow import Workflow

IMAGE, SIDECAR = f"{DROPS[0]}.jpg", f"{DROPS[0]}.json"
SIDECAR_AFTER_S = 5
INDEX_LAG_S = 3

# Of the ingest queue in template.yaml, and of Lambda's asynchronous calls.
VISIBILITY_S, MOST_RECEIVES = 360, 5
ASYNC_RETRIES_S = (60, 120)
# EventBridge delivers at least once, and not always soon.
TOLD_AFTER_S = (1, 3600)

# Every half hour while something may move, then more rarely: one watch of three days and more.
SWEEPS_S = (*range(1800, 8 * 3600, 1800), *range(8 * 3600, 84 * 3600, 4 * 3600))


@dataclass
class Story:
    """What has happened in a play, beyond what AWS and the providers remember."""

    states: dict[str, list[tuple[int, str]]] = field(default_factory=dict)  # run, state by job
    settled_at: float = 0.0  # seconds from the drop to the last change of a job's state
    asked_in_vain: int = 0  # orders sent while the provider's breaker was open
    forbidden: list[str] = field(default_factory=list)  # orders that an operator had stopped
    undelivered: list[str] = field(default_factory=list)  # what ended in a dead letter queue
    most_usd: dict[str, Decimal] = field(default_factory=dict)  # ever committed, by period
    sent_not_noted: bool = False  # when the fault struck, a mail was out and not noted
    # The states of the jobs whose files were dropped again just then.
    dropped_again: dict[str, str] = field(default_factory=dict)
    sweeps: Counter[str] = field(default_factory=Counter)


class World:
    """Made once, played often. Its clients are stand-ins; its functions are the real ones."""

    def __init__(self, cache: Path, machine: Machine) -> None:
        self.clock = Clock()
        self.s3 = S3(self.clock.moment)
        self.dynamo = Dynamo(now=self.clock.now, lag_s=INDEX_LAG_S)
        self.sns = Sns(self.clock.moment)
        self.steps = StepFunctions(self.clock.moment, self._started)
        self.providers = Providers(self.clock, self.s3.fetch, cache)
        self.timeline = Timeline(self.clock, self.providers)
        self.wire = Wire(surroundings=self)
        sqs = Sqs(self._sent)
        clients = {
            "s3": self.s3,
            "dynamodb": self.dynamo,
            "sns": self.sns,
            "sqs": sqs,
            "stepfunctions": self.steps,
            "secretsmanager": Secrets(KEYS),
            "sts": Sts(self.clock.moment),
            "lambda": Thumbnails(),
        }
        self._functions = Functions(clients, self.providers, self.clock, self.wire, self._let_pass)
        self._functions.parameters = SCENARIOS["success"].parameters
        self.machine = machine
        self.workflow = self._new_workflow(1.0)
        self.operator = self._new_operator()
        self.story = Story()
        self.baselines: dict[tuple[str, str], Any] = {}  # see `liveness`
        self._begun = 0.0
        self._images = [picture(shade) for shade, _ in enumerate(DROPS)]
        self._files: dict[str, bytes] = {}
        self._parts = 1
        self._pairs: tuple[tuple[str, str], ...] = ()
        self._messages = 0
        self.dynamo.watchers.append(self._written)

    def close(self) -> None:
        self.providers.close()

    def play(self, cell: Cell) -> Story:
        """One drop with its faults, from its first event until nothing is left to happen."""
        scenario = SCENARIOS[cell.scenario]
        self._reset(cell, scenario)
        self._drop(cell.provider, scenario)
        for seconds, act in scenario.operator:
            self.timeline.after(seconds, partial(act, self.operator))
        self._live_on()
        for fault in cell.faults:
            if fault.label == END:
                self._come_again(fault)
        return self.story

    def idle(self, sweeps: int) -> Story:
        """Nothing is dropped, and so many sweeps come and go."""
        self._reset(Cell("", ""), Scenario(""))
        for _ in range(sweeps):
            self.timeline.run(self.timeline.now() + SWEEPS_S[0])
            self.sweep_now()
        return self.story

    @property
    def points(self) -> list[Point]:
        return list(self.wire.points)

    def unsettled(self) -> bool:
        return any("unsettled" in item for item in self.dynamo.items("JOB#").values())

    # --- the course of a play -------------------------------------------------------------------

    def _reset(self, cell: Cell, scenario: Scenario) -> None:
        for part in (self.s3, self.dynamo, self.sns, self.steps):
            part.clear()
        self.providers.reset()
        self.timeline.restart(scenario.begins_at)
        self.wire.reset(cell.faults)
        self._functions.parameters = scenario.parameters
        self._begun = self.timeline.now()
        self.story = Story()
        note_checkups(self.dynamo)
        self.operator = self._new_operator()
        self.workflow = self._new_workflow((crc32(str(cell).encode()) % 3) / 2)
        self._messages = 0

    def _new_workflow(self, jitter: float) -> Workflow:
        invoke = self._functions.invoke
        return Workflow(self.machine, self.timeline, self.steps, invoke, self._ended, jitter)

    def _new_operator(self) -> Operator:
        return Operator(self._functions.invoke, self.timeline, self.dynamo, self.steps)

    def _drop(self, provider: str, scenario: Scenario) -> None:
        """The image alone at first, or all files before the first event is handled."""
        self._files = {}
        for number, (image, sidecar) in enumerate(scenario.files):
            own = 0 if scenario.one_prompt or scenario.folder_file else number
            self._files[sidecar] = scenario.text(provider, own).encode()
            self._files[image] = self._images[number]
        self._parts, self._pairs = scenario.parts, scenario.files
        if scenario.image_first:
            self._upload(IMAGE)
            self.timeline.after(1, partial(self._event, IMAGE))
            self.timeline.after(SIDECAR_AFTER_S, partial(self._upload, SIDECAR))
            self.timeline.after(SIDECAR_AFTER_S + 1, partial(self._event, SIDECAR))
        else:
            for number, key in enumerate(self._files):
                self._upload(key)
                if scenario.told:
                    self.timeline.after(1 + number, partial(self._event, key))

    def _upload(self, key: str, *, more_parts: bool = False) -> None:
        if self._parts > 1:
            self.s3.upload_in_parts("inbox", key, self._files[key], self._parts + more_parts)
        else:
            self.s3.put_object(Bucket="inbox", Key=key, Body=self._files[key])

    def _live_on(self) -> None:
        """Do all that is due, with the sweeps in between, until one finds nothing left."""
        begun = self.timeline.now()
        for seconds in SWEEPS_S:
            self.timeline.run(begun + seconds)
            busy = self._is_busy()
            self.sweep_now()
            if not busy and not self._is_busy():  # a fault within the sweep may begin anew
                break
        self.timeline.run()

    def _is_busy(self) -> bool:
        waiting = holds(self.dynamo) or self.dynamo.listed("WAITING#")
        unseen = not self.dynamo.items("JOB#")
        return bool(self.unsettled() or waiting or unseen or self.timeline.next_at is not None)

    def _come_again(self, fault: Fault) -> None:
        """All is over; now the same events come once more, or the same files."""
        hours = timedelta(hours=fault.hours)
        self.timeline.move_to((self.clock.moment() + hours).timestamp())
        if fault.kind is Kind.REDROP:
            self.drop_again()
        else:
            self._event(SIDECAR)
            self._event(IMAGE)
        self._live_on()

    # --- what AWS delivers ----------------------------------------------------------------------

    def _event(self, key: str) -> None:
        """What EventBridge puts into the queue for an upload."""
        self._sent(created(key), 0)

    def _sent(self, body: str, delay_s: int) -> None:
        self._messages += 1
        number = f"message-{self._messages}"
        self.timeline.after(delay_s, lambda: self._receive(number, body, 1))

    def _receive(self, number: str, body: str, receives: int) -> None:
        """Hand a message to submit; it comes back if submit does not say that it is done."""
        record = {"messageId": number, "body": body, "eventSource": "aws:sqs"}
        reply = self._functions.invoke(Invocation("submit", {"Records": [record]}))
        if not reply.error and not reply.value["batchItemFailures"]:
            return
        if receives >= MOST_RECEIVES:
            self.story.undelivered.append(number)
            return
        self.timeline.after(VISIBILITY_S, lambda: self._receive(number, body, receives + 1))

    def _started(self, execution: Execution) -> None:
        self.workflow.start(execution)

    def _ended(self, execution: Execution) -> None:
        """UnfinishedRule: EventBridge tells finalize of executions that did not succeed."""
        if execution.status in ("FAILED", "TIMED_OUT"):
            for seconds in TOLD_AFTER_S:
                self.timeline.after(seconds, lambda: self._finalize_late(execution, 0))

    def _finalize_late(self, execution: Execution, retries: int) -> None:
        detail = {
            "executionArn": execution.arn,
            "status": execution.status,
            "input": execution.input,
        }
        reply = self._functions.invoke(Invocation("finalize", {"detail": detail}))
        if not reply.error:
            return
        if retries >= len(ASYNC_RETRIES_S):
            self.story.undelivered.append(f"{execution.status} {execution.name}")
            return
        wait = reply.seconds + ASYNC_RETRIES_S[retries]
        self.timeline.after(wait, lambda: self._finalize_late(execution, retries + 1))

    def _written(self, key: str, item: Item) -> None:
        if key.startswith("BUDGET#"):
            period, usd = key.removeprefix("BUDGET#"), Decimal(str(item["committed_usd"]["N"]))
            self.story.most_usd[period] = max(self.story.most_usd.get(period, usd), usd)
        if key.startswith("JOB#"):
            stands = int(item["run"]["N"]), str(item["state"]["S"])
            states = self.story.states.setdefault(key.removeprefix("JOB#"), [])
            if stands not in states[-1:]:
                states.append(stands)
                self.story.settled_at = self.timeline.now() - self._begun

    # --- faults (wire.Surroundings) -------------------------------------------------------------

    def again(self, invocation: Invocation) -> Reply:
        fresh = replace(invocation, dead=False, answer_instead=None, calls=0)
        return self._functions.invoke(fresh)

    def sleep(self) -> None:
        self._let_pass(SLEEP_S)

    def delay(self, seconds: float) -> None:
        self._let_pass(seconds)

    def ordering(self, call: str) -> None:
        breaker = self.dynamo.items(f"BREAKER#{call.split('/')[1]}")
        until = [
            float(item["open_until"]["N"]) for item in breaker.values() if "open_until" in item
        ]
        self.story.forbidden += self.operator.forbidden()
        self.story.asked_in_vain += any(moment > self.timeline.now() for moment in until)

    def _let_pass(self, seconds: float) -> None:
        self.timeline.run(self.timeline.now() + seconds)

    def drop_event_again(self) -> None:
        self._receive("message-again", created(IMAGE), 1)

    def drop_again(self) -> None:
        again = {image for image, sidecar in self._pairs if image == IMAGE or sidecar == SIDECAR}
        for key in (SIDECAR, IMAGE):
            if key in self._files:
                # The later file counts; other faults may let time pass between the two.
                self.story.dropped_again = self._states_of(again)
                self._upload(key, more_parts=self._parts > 1)
                self._receive(f"dropped again: {key}", created(key), 1)

    def _states_of(self, images: set[str]) -> dict[str, str]:
        jobs = map(plain, self.dynamo.items("JOB#").values())
        return {job["job_id"]: job["state"] for job in jobs if job["source"]["key"] in images}

    def sweep_now(self) -> None:
        reply = self._functions.invoke(Invocation("sweep", {}))
        self.story.sweeps.update({"died": 1} if reply.error else reply.value)

    def now(self) -> float:
        return self.clock.now()

    def abort(self, execution: str) -> None:
        found = next(one for one in self.steps.executions if one.arn == execution)
        self.workflow.end(found, "ABORTED")
        self._finalize_late(found, 0)

    def struck(self) -> None:
        jobs = self.dynamo.items("JOB#")
        alone = [key for key, item in jobs.items() if not item["group"]["S"]]
        known = tuple(f"NOTICE#{key.removeprefix('JOB#')}-" for key in alone)
        others = ("NOTICE#rejected-", "NOTICE#digest-", "NOTICE#group-")
        noted = [
            key
            for key, item in self.dynamo.items("NOTICE#").items()
            if "told_at" in item and key.startswith((*known, *others))
        ]
        mails = [mail for mail in self.sns.published if mail.topic == RESULTS]
        results = [key for key in noted if not key.endswith("-operators")]
        self.story.sent_not_noted |= len(mails) > len(results)


@contextmanager
def world(cache: Path | None = None, machine: Machine | None = None) -> Iterator[World]:
    """A world to play in, by default with the workflow as it is deployed.

    Rendered clips are kept in `cache` between worlds.
    """
    with ExitStack() as stack:
        stack.enter_context(quiet())
        if cache is None:
            cache = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clips-")))
        yield stack.enter_context(closing(World(cache, machine or Machine.read())))
