"""A job that has come to its end: its provider's host, the function, and its mails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import httpx
from aws_lambda_powertools.utilities.parameters import SecretsProvider

from dropreel.jobs.job import Job, Reservation, State
from dropreel.mail.publisher import Publisher
from dropreel.money.budget import Caps
from dropreel.pages.links import PageKey, PageLinks
from dropreel.providers.base import (
    Ready,
)
from dropreel.steps.finalize import Finalize
from dropreel.steps.outcomes import FinalizeEvent
from tests.support.aws import Aws, Clock, FakeProvider, make_job
from tests.support.container import FakeContainer

CDN = "http://127.0.0.1:8090"
SIGNED = f"{CDN}/out/clip.mp4?X-Amz-Signature=5ec2e7&X-Amz-Expires=3600"
READY = Ready(SIGNED, {"Authorization": "Bearer k3y-of-luma"}, Decimal("0.19"))
EXECUTIONS = "arn:aws:states:us-east-1:123456789012:execution:render"
CLIP_KEY = "clips/campaign/photo/0123456789abcdef01234567.mp4"
RECORD_KEY = "clips/campaign/photo/0123456789abcdef01234567.json"
LIMIT = 1024 * 1024  # bytes of a clip
CAPS = Caps(job=Decimal(5), day=Decimal(25), month=Decimal(250))

Answer = Callable[[], httpx.Response]


@dataclass
class Cdn:
    """Where the clips lie: gives the same answer to every fetch, and remembers the fetches."""

    answer: Answer
    fetches: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.fetches.append(request)
        return self.answer()


class Stage:
    """A job, its provider, the place of its clip, and `finalize` to be called on it."""

    def __init__(self, aws: Aws, provider: FakeProvider, clock: Clock, clip: bytes) -> None:
        self.aws = aws
        self.provider = provider
        self.clock = clock
        self.cdn = Cdn(lambda: file(clip))
        self.step = self.build()

    def build(self, **parts: Any) -> Finalize:
        container = FakeContainer(
            self.aws,
            self.clock,
            self.provider,
            transport=httpx.MockTransport(self.cdn),
            TRUSTED_RESULT_ORIGINS=CDN,
        )
        return replace(container.step(Finalize), **parts)

    def without_mail(self) -> Finalize:
        """As if SNS refused every message."""
        gone = f"{self.aws.results.topic_arn}-gone"
        return self.build(results=Publisher(self.aws.results.sns, gone))

    def job(self, state: State, **facts: Any) -> Job:
        """A job that came to `state` the way jobs do; `facts` are noted with the last step."""
        ways: dict[State, list[State]] = {
            State.CLAIMED: [],
            State.SUBMITTING: [],
            State.REFUSED: [State.REFUSED],
            State.UNKNOWN: [State.UNKNOWN],
            State.SUBMITTED: [State.SUBMITTED],
        }
        job = self.aws.ledger.claim(make_job(estimate_usd=Decimal("0.15")))
        if state is not State.CLAIMED:
            job = self._asked(job)
        for step in ways.get(state, [State.SUBMITTED, state]):
            taken = {"provider_job_id": "p-1"}
            known = {**taken, "attempts": job.attempted(**taken)} if step is State.SUBMITTED else {}
            job = self.aws.ledger.move(job, step, **known, **(facts if step is state else {}))
        return job

    def _asked(self, job: Job) -> Job:
        """As `generate` does it before the POST: with money set aside."""
        return self.aws.ledger.move_reserving(
            job,
            State.SUBMITTING,
            Reservation.at(self.clock(), Decimal("0.15")),
            CAPS,
            asked_at="2026-11-20T09:30:00.000Z",
            execution=execution_of(job),
            attempts=job.ordering("2026-11-20T09:30:00.000Z"),
        )

    def committed(self) -> set[Decimal]:
        """What day and month hold of the budget."""
        money = Reservation.at(self.clock(), Decimal(0))
        return {spending.committed for spending in self.aws.ledger.spending(money, CAPS)}

    def finish(self, job: Job, **knowledge: Any) -> dict[str, Any]:
        """One call by the workflow."""
        return self.step.handle(
            FinalizeEvent(job.job_id, execution_of(job), job.run, **knowledge)
        ).payload()

    def held(self) -> Job:
        return self.aws.ledger.require(make_job().job_id)

    def mails(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """What has come since the last call: to the droppers, to the operators."""
        return self.aws.results.take(), self.aws.operators.take()


def file(body: bytes, kind: str = "video/mp4", announced: int | None = None) -> httpx.Response:
    """A download that arrives in two pieces."""
    length = len(body) if announced is None else announced
    headers = {"Content-Length": str(length), "Content-Type": kind}
    half = len(body) // 2
    return httpx.Response(200, headers=headers, content=iter((body[:half], body[half:])))


def execution_of(job: Job) -> str:
    return f"{EXECUTIONS}:{job.execution_name}"


def texts(value: Any) -> Iterator[str]:
    """All texts in a JSON document, names included."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


def linking(stage: Stage, days: int = 7) -> Finalize:
    """As in a stack with pages."""
    secrets = SecretsProvider(boto3_client=stage.aws.secrets)  # type: ignore[arg-type]
    key = PageKey(secrets, "page-key")
    pages = PageLinks(key=key, base_url="https://pages.example", days=days, now=stage.clock)
    return stage.build(pages=pages)
