"""Uploads on a clock: what S3, the queue and the workflow make of them, and what is ordered."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

from dropreel.container import Container
from dropreel.drops.inbox import Inbox
from dropreel.jobs.job import Job, utc_iso
from dropreel.ledger.batches import Batches
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.newest import NewestDrops
from dropreel.ledger.table import Table
from dropreel.observability import metrics
from dropreel.providers.base import Accepted
from dropreel.steps.batches import ForgottenBatches
from dropreel.steps.finalize import Finalize
from dropreel.steps.generate import Generate
from dropreel.steps.ingest import IngestQueue
from dropreel.steps.missed_drops import MissedDrops
from dropreel.steps.outcomes import DropEvent, FinalizeEvent, GenerateEvent
from dropreel.steps.submit import Submit
from local.faults.dynamo import Dynamo
from local.faults.s3 import S3
from local.faults.services import (
    MACHINE,
    RESULTS,
    Execution,
    Sns,
    Sqs,
    StepFunctions,
    Sts,
    Thumbnails,
)
from tests.support.aws import FakeProvider
from tests.support.container import ENVIRONMENT
from tests.support.pictures import picture

SETTLE_S, GRACE_S, HOUR = 20, 900, 3600.0
IMAGE, SIDECAR = "a/photo.jpg", "a/photo.json"
START = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
BODIES = {version: picture(60 + 4 * version, 36) for version in (1, 2)}


PHOTO = BODIES[1]


def fields(**values: Any) -> bytes:
    """A JSON file with these fields."""
    return json.dumps(values).encode()


def prompt(version: int) -> str:
    return f"push {version}"


def body(key: str, version: int, **fields: Any) -> bytes:
    """The image or the sidecar as they are in this version."""
    if key == IMAGE:
        return BODIES[version]
    return json.dumps({"prompt": prompt(version), **fields}).encode()


@dataclass(frozen=True, slots=True)
class Order:
    """One clip that a provider was paid for. `at`: seconds after the start."""

    image: int
    prompt: str
    at: float


class Inboxes(S3):
    """With the one call that the fault matrix answers elsewhere. Counts whole reads and copies."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(now)
        self.read: Counter[str] = Counter()
        self.copied: Counter[str] = Counter()

    def get_object(self, **request: Any) -> dict[str, Any]:
        self.read[request["Key"]] += "Range" not in request
        return super().get_object(**request)

    def copy_object(self, **request: Any) -> dict[str, Any]:
        self.copied[request["Key"]] += 1
        return super().copy_object(**request)

    def get_paginator(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(paginate=lambda **request: [getattr(self, name)(**request)])


class Uploads:
    """The real steps on stand-ins. A job's turn at its provider comes `line_s` after its start."""

    def __init__(self, line_s: float = 1, settle_s: int = SETTLE_S, **variables: str) -> None:
        self.line_s = line_s
        self.orders: list[Order] = []
        self._seconds = 0.0
        self._lost = ""
        self._messages = 0
        self._dies_at = 0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self.s3 = Inboxes(self.moment)
        dynamo: Any = Dynamo()
        self.sns = Sns(self.moment)
        self.steps = StepFunctions(self.moment, self._started)
        self._clients: dict[str, Any] = {
            "s3": self.s3,
            "sns": self.sns,
            "sqs": Sqs(self._sent),
            "dynamodb": dynamo,
            "stepfunctions": self.steps,
            "lambda": Thumbnails(),
            "sts": Sts(self.moment),
        }
        self.ledger = Ledger(Table(dynamo, "ledger"))
        self.provider = FakeProvider()
        environment = {
            **ENVIRONMENT,
            "SETTLE_SECONDS": str(settle_s),
            "SIDECAR_GRACE_SECONDS": str(GRACE_S),
            "INGEST_QUEUE_URL": "https://queue/ingest",
            "RESULTS_TOPIC_ARN": RESULTS,
            "OPERATORS_TOPIC_ARN": RESULTS,
            "STATE_MACHINE_ARN": MACHINE,
            **variables,
        }
        self._container = Container(environment, self, now=self.moment)
        self._container.provider = lambda _: self.provider

    def client(self, service_name: str, /, **_: Any) -> Any:
        return self._clients[service_name]

    def moment(self) -> datetime:
        return START + timedelta(seconds=self._seconds)

    # --- what people do -------------------------------------------------------------------------

    def upload(
        self,
        at: float,
        key: str,
        content: bytes,
        *delays: float,
        took_s: float = 0,
        metadata: Mapping[str, str] | None = None,
        **more_metadata: str,
    ) -> None:
        """Upload a file so many seconds after the start; an event comes after each delay.

        S3 dates an upload in parts by its beginning: `took_s` seconds before.
        """
        self.at(at, lambda: self._put(key, content, {**(metadata or {}), **more_metadata}, took_s))
        for delay in delays:
            self.at(at + delay, lambda: self.event(key))

    def event(self, key: str) -> None:
        """What S3 sends of an upload, also a second time."""
        with suppress(ConnectionError):
            self._submit({"detail": {"object": {"key": key}}})

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._due, (seconds, next(self._numbers), action))

    def run(self) -> list[Order]:
        """Do everything that is due, until nothing is left. Returns the orders."""
        while self._due:
            self._seconds, _, action = heapq.heappop(self._due)
            action()
            metrics.clear_metrics()  # nobody sends them, and 100 are too many
        return self.orders

    def lose_messages(self, kind: str) -> None:
        """From now on, our own messages of this kind are lost; empty: none."""
        self._lost = kind

    def die_after(self, messages: int) -> None:
        """Once: a batch is handled only until so many messages were sent for it."""
        self.at(5.5, lambda: setattr(self, "_dies_at", self._messages + messages + 1))

    def check_forgotten_batches(self) -> None:
        """As the sweep does it."""
        queue = IngestQueue(self._clients["sqs"], "queue")
        ForgottenBatches(self._container.batches, queue, self.moment).check()

    def compare_inbox(self) -> list[str]:
        """As the sweep does it. Returns the keys of files whose event is said to be missed."""
        sent: list[str] = []
        queue = Sqs(lambda body, _: sent.append(DropEvent.of(json.loads(body)).key))
        MissedDrops(
            inbox=Inbox(self._clients["s3"], "inbox"),
            table=self._container.table,
            newest=NewestDrops(self._container.table),
            queue=queue,  # type: ignore[arg-type]
            queue_url="https://queue/ingest",
            now=self.moment,
        ).check()
        return sent

    def ledger_items(self, prefix: str, attribute: str) -> list[str]:
        """Keys of the items that begin so and have this attribute."""
        items = self._clients["dynamodb"].items(prefix)
        return [key for key, item in items.items() if attribute in item]

    def told(self, mail_id: str) -> None:
        """As `finalize` notes that it has sent a mail."""
        self._container.send_once.end(mail_id, utc_iso(self.moment()))

    def finalize(self, job: Job) -> None:
        self._container.step(Finalize).handle(FinalizeEvent(job.job_id, run=job.run))

    # --- what came of it ------------------------------------------------------------------------

    @property
    def jobs(self) -> list[Job]:
        started = [json.loads(one.input)["job_id"] for one in self.steps.executions]
        return [self.ledger.require(job_id) for job_id in started]

    def use_batches(self, kind: type[Batches]) -> None:
        """Results are mailed with this kind of ledger of batches from now on."""
        batches = kind(self._container.table)
        self._container.results = replace(self._container.results, batches=batches)

    @property
    def mails(self) -> list[str]:
        return [mail.document["subject"] for mail in self.sns.published]

    # --- inside ---------------------------------------------------------------------------------

    def _put(self, key: str, content: bytes, metadata: dict[str, str], took_s: float) -> None:
        self.s3.put_object(Bucket="inbox", Key=key, Body=content, Metadata=metadata)
        stored = self.s3.objects["inbox", key]
        begun = stored.modified - timedelta(seconds=took_s)
        self.s3.objects["inbox", key] = replace(stored, modified=begun)

    def _submit(self, message: dict[str, Any]) -> None:
        self._container.step(Submit).handle(message)

    def _sent(self, text: str, delay_s: int) -> None:
        self._messages += 1
        if self._messages == self._dies_at:
            raise ConnectionError("no queue today")
        if self._lost and self._lost in json.loads(text):
            return
        self.at(self._seconds + delay_s, lambda: self._submit(json.loads(text)))

    def _started(self, execution: Execution) -> None:
        job_id = json.loads(execution.input)["job_id"]
        self.at(self._seconds + self.line_s, lambda: self._generate(job_id))

    def _generate(self, job_id: str) -> None:
        self.provider.submit_answers = [Accepted("p-1")]
        ordered = len(self.provider.requests)
        outcome = self._container.step(Generate).handle(GenerateEvent(job_id)).payload()
        if len(self.provider.requests) > ordered:
            job = self.ledger.require(job_id)
            self.orders.append(Order(_version(job), job.settings.prompt, self._seconds))
        elif outcome["outcome"] == "wait":
            self.at(self._seconds + outcome["wait_seconds"], lambda: self._generate(job_id))


def _version(job: Job) -> int:
    return next(version for version in BODIES if job.source.width == 60 + 4 * version)


def prompts(uploads: Uploads) -> list[str]:
    """Of all that is ordered."""
    return sorted(order.prompt for order in uploads.run())


def by_image(uploads: Uploads) -> dict[str, str]:
    """The prompt of each image's job."""
    uploads.run()
    return {job.source.key.rpartition("/")[2]: job.settings.prompt for job in uploads.jobs}
