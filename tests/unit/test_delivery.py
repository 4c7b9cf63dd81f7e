from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from dropreel.budget import Caps, Reservation
from dropreel.clip import ClipInfo
from dropreel.delivery import MAX_FETCHES, Delivery, Ending, TellingBusyError
from dropreel.download import CHUNK
from dropreel.errors import LedgerConflictError
from dropreel.jobs import ENDS, ClipSettings, Job, Source, State
from dropreel.notices import Notifier
from dropreel.observability import metrics
from dropreel.providers.base import (
    Failed,
    Failure,
    FailureKind,
    NoAnswer,
    Pending,
    Phase,
    Ready,
    StatusOutcome,
)
from dropreel.providers.http import new_client
from dropreel.telling import LEASE_S
from dropreel.upload import PART_SIZE
from tests.unit.media.samples import box, mp4
from tests.unit.support import Aws, Clock, FakeProvider, make_job

CDN = "http://127.0.0.1:8090"
SIGNED = f"{CDN}/out/clip.mp4?X-Amz-Signature=5ec2e7&X-Amz-Expires=3600"
READY = Ready(SIGNED, {"Authorization": "Bearer k3y-of-luma"}, Decimal("0.19"))
EXECUTIONS = "arn:aws:states:us-east-1:123456789012:execution:render"
CLIP_KEY = "clips/campaign/photo/0123456789abcdef01234567.mp4"
RECORD_KEY = "clips/campaign/photo/0123456789abcdef01234567.json"
LIMIT = 200_000  # bytes of a clip
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
        self.delivery = self.build()

    def build(self, **parts: Any) -> Delivery:
        fields: dict[str, Any] = {
            "table": self.aws.table,
            "clips": self.aws.clips,
            "provider": lambda _: self.provider,
            "http": new_client(httpx.MockTransport(self.cdn)),
            "results": self.aws.notifier(self.aws.results),
            "operators": self.aws.notifier(self.aws.operators),
            "region": "us-east-1",
            "trusted_origins": frozenset({CDN}),
            "max_clip_bytes": LIMIT,
            "now": self.clock,
        }
        return Delivery(**{**fields, **parts})

    def without_mail(self) -> Delivery:
        """As if SNS refused every message."""
        gone = f"{self.aws.results.topic_arn}-gone"
        return self.build(results=Notifier(self.aws.results.sns, gone))

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
            attempts=job.asking("2026-11-20T09:30:00.000Z"),
        )

    def committed(self) -> set[Decimal]:
        """What day and month hold of the budget."""
        money = Reservation.at(self.clock(), Decimal(0))
        return {spending.committed for spending in self.aws.ledger.spending(money, CAPS)}

    def finish(self, job: Job, **knowledge: Any) -> dict[str, Any]:
        """One call by the workflow."""
        return self.delivery.run(Ending(job.job_id, execution_of(job), job.run, **knowledge))

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


@pytest.fixture(scope="session")
def clip() -> bytes:
    """A real clip as ordered by default: 5 s of 960x540 at 24 frames per second."""
    return mp4(5.0, 960, 540)


@pytest.fixture
def stage(aws: Aws, provider: FakeProvider, clock: Clock, clip: bytes) -> Iterator[Stage]:
    metrics.clear_metrics()
    yield Stage(aws, provider, clock, clip)
    metrics.clear_metrics()


# --- delivered -------------------------------------------------------------------------------


def test_a_ready_clip_is_stored_and_told_once(stage: Stage, clip: bytes) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY]
    assert stage.finish(job) == {"outcome": "delivered", "state": "delivered", "clip": CLIP_KEY}
    stored = stage.aws.s3.get_object(Bucket="clips", Key=CLIP_KEY)
    assert stored["Body"].read() == clip
    assert stored["ContentType"] == "video/mp4"
    assert stored["Metadata"] == {"job-id": job.job_id, "provider": "luma"}
    ((mail,), operators) = stage.mails()
    assert (mail["outcome"], mail["clip"]) == ("delivered", f"s3://clips/{CLIP_KEY}")
    assert mail["cost_usd"] == "0.19"
    assert operators == []


def test_the_ledger_notes_what_the_clip_is_when_it_came_and_what_it_cost(
    stage: Stage, clip: bytes
) -> None:
    job = stage.job(State.READY)
    stage.clock.pass_time(minutes=2)
    stage.provider.status_answers = [READY]
    stage.finish(job)
    held = stage.held()
    assert held.state is State.DELIVERED
    assert held.clip == ClipInfo(5, 960, 540, len(clip), hashlib.sha256(clip).hexdigest())
    assert held.delivered_at == "2026-11-20T09:32:00.000Z"
    assert held.cost_usd == Decimal("0.19")


def test_a_price_known_from_polling_stays_when_the_last_answer_has_none(stage: Stage) -> None:
    job = stage.job(State.READY, cost_usd=Decimal("0.50"))
    stage.provider.status_answers = [Ready(SIGNED)]
    stage.finish(job)
    assert (stage.held().cost_usd, stage.committed()) == (Decimal("0.50"), {Decimal("0.50")})


@pytest.mark.parametrize(
    ("status", "committed"),
    [
        (READY, "0.19"),
        (Ready(SIGNED), "0.15"),
        (Failed(Failure(FailureKind.TRANSIENT, "no", billed=False)), "0"),
        (Failed(Failure(FailureKind.TRANSIENT, "no", billed=None)), "0.15"),
        (Failed(Failure(FailureKind.TRANSIENT, "no", billed=True)), "0.15"),
    ],
    ids=["real price", "no price", "not billed", "perhaps billed", "billed"],
)
def test_the_budget_holds_what_the_end_has_cost(
    stage: Stage, status: StatusOutcome, committed: str
) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [status]
    stage.finish(job)
    assert stage.committed() == {Decimal(committed)}


def test_a_clip_is_counted_when_it_is_delivered(stage: Stage) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY]
    stage.finish(job)
    stage.finish(job)
    counted = {name: metric["Value"] for name, metric in metrics.provider.metric_set.items()}
    assert counted == {"ClipDelivered": [1.0], "SecondsToClip": [60.0]}


def test_the_record_tells_how_the_clip_came_to_be(stage: Stage, clip: bytes) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY]
    stage.finish(job, polls=7)
    record = stage.aws.read_json(RECORD_KEY)
    assert record == {
        "job_id": job.job_id,
        "state": "delivered",
        "run": 1,
        "source": {
            "bucket": "inbox",
            "key": "campaign/photo.jpg",
            "etag": '"e"',
            "media_type": "image/jpeg",
            "width": 1600,
            "height": 900,
            "pinned_key": "sources/0123456789abcdef01234567.jpg",
        },
        "settings": {
            "prompt": "slow push-in",
            "aspect_ratio": "16:9",
            "resolution": "540p",
            "duration": "5s",
            "loop": False,
            "reference_image_urls": [],
            "take": 1,
        },
        "clip": f"s3://clips/{CLIP_KEY}",
        "video": {
            "duration_s": 5,
            "width": 960,
            "height": 540,
            "size": len(clip),
            "sha256": hashlib.sha256(clip).hexdigest(),
        },
        "provider": "luma",
        "provider_job_id": "p-1",
        "attempts": [
            {
                "provider": "luma",
                "asked_at": "2026-11-20T09:30:00.000Z",
                "run": 1,
                "estimate_usd": "0.15",
                "provider_job_id": "p-1",
                "outcome": "delivered",
                "ended_at": "2026-11-20T09:30:00.000Z",
                "cost_usd": "0.19",
                "reason": "",
            }
        ],
        "unconfirmed": [],
        "estimate_usd": "0.15",
        "cost_usd": "0.19",
        "failure": None,
        "dropped_at": "2026-11-20T09:29:00.000Z",
        "created_at": "2026-11-20T09:30:00.000Z",
        "asked_at": "2026-11-20T09:30:00.000Z",
        "delivered_at": "2026-11-20T09:30:00.000Z",
        "recorded_at": "2026-11-20T09:30:00.000Z",
        "polls": 7,
        "execution": execution_of(job),
    }


def test_no_address_that_opens_something_is_kept_or_mailed(stage: Stage) -> None:
    references = ("https://pictures.example/a.png?token=0p3n", "https://pictures.example/b.png")
    settings = ClipSettings("push", "16:9", "540p", "5s", reference_image_urls=references)
    job = stage.job(State.READY, settings=settings)
    stage.provider.status_answers = [READY]
    stage.finish(job)
    record = stage.aws.read_json(RECORD_KEY)
    ((mail,), _) = stage.mails()
    for secret in ("5ec2e7", "0p3n", "k3y-of-luma", "127.0.0.1"):
        assert secret not in json.dumps([record, mail])
    del mail["text"]  # links to the console, where people have to sign in
    found = [*texts(record), *texts(mail)]
    assert [text for text in found if "://" in text and "?" in text] == []
    assert record["settings"]["reference_image_urls"] == [
        "https://pictures.example/a.png",
        "https://pictures.example/b.png",
    ]


def test_the_headers_of_the_result_go_to_its_host(stage: Stage) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY]
    stage.finish(job)
    (fetch,) = stage.cdn.fetches
    assert (str(fetch.url), fetch.headers["authorization"]) == (SIGNED, "Bearer k3y-of-luma")


# --- again and again -------------------------------------------------------------------------


def test_finishing_twice_fetches_stores_and_tells_once(stage: Stage) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY]
    first = stage.finish(job)
    written = stage.aws.s3.head_object(Bucket="clips", Key=CLIP_KEY)["LastModified"]
    assert stage.finish(job) == first
    assert stage.aws.s3.head_object(Bucket="clips", Key=CLIP_KEY)["LastModified"] == written
    assert len(stage.cdn.fetches) == 1
    assert len(stage.mails()[0]) == 1


def test_after_a_crash_between_storing_and_noting_the_next_run_ends_well(
    stage: Stage, clip: bytes
) -> None:
    def die() -> datetime:
        raise ConnectionError("the process died")

    job = stage.job(State.READY)
    stage.provider.status_answers = [READY, READY]
    with pytest.raises(ConnectionError):
        stage.build(now=die).run(Ending(job.job_id, execution_of(job)))
    assert stage.aws.stored("clips/") == [CLIP_KEY]
    assert (stage.held(), stage.mails()) == (job, ([], []))
    assert stage.finish(job)["outcome"] == "delivered"
    assert stage.aws.s3.get_object(Bucket="clips", Key=CLIP_KEY)["Body"].read() == clip
    assert len(stage.mails()[0]) == 1


def test_a_mail_that_could_not_be_sent_is_sent_by_the_next_run(stage: Stage) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY]
    with pytest.raises(ClientError, match="NotFound"):
        stage.without_mail().run(Ending(job.job_id, execution_of(job)))
    assert (stage.held().state, stage.mails()) == (State.DELIVERED, ([], []))
    stage.clock.pass_time(seconds=LEASE_S + 1)
    for _ in range(2):
        assert stage.finish(job)["outcome"] == "delivered"
    assert len(stage.mails()[0]) == 1
    assert len(stage.cdn.fetches) == 1


def test_trouble_with_the_operators_topic_repeats_no_mail_to_the_droppers(stage: Stage) -> None:
    job = stage.job(State.STALLED, failure={"kind": "deadline", "message": "x"})
    gone = Notifier(stage.aws.operators.sns, f"{stage.aws.operators.topic_arn}-gone")
    for _ in range(2):
        with pytest.raises(ClientError, match="NotFound"):
            stage.build(operators=gone).run(Ending(job.job_id, execution_of(job)))
        stage.clock.pass_time(seconds=LEASE_S + 1)
    for _ in range(2):
        stage.finish(job)
    results, operators = stage.mails()
    assert (len(results), len(operators)) == (1, 1)


def test_while_another_run_is_telling_this_one_must_come_again(stage: Stage) -> None:
    job = stage.job(State.REFUSED, failure={"kind": "moderated", "message": "no"})
    with pytest.raises(ClientError, match="NotFound"):
        stage.without_mail().run(Ending(job.job_id, f"{EXECUTIONS}:another"))
    with pytest.raises(TellingBusyError, match=job.job_id):
        stage.finish(job)
    assert stage.mails() == ([], [])
    stage.clock.pass_time(seconds=LEASE_S + 1)  # the other one has died
    assert stage.finish(job)["outcome"] == "ended"
    assert len(stage.mails()[0]) == 1


def test_an_unknown_job_is_an_error(stage: Stage) -> None:
    with pytest.raises(LedgerConflictError, match="not in the ledger"):
        stage.finish(make_job())


# --- not yet, or not at all ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Pending(Phase.RUNNING, "processing"), "processing"),
        (NoAnswer(Failure(FailureKind.TRANSIENT, "HTTP 502")), "HTTP 502"),
    ],
    ids=["pending", "no answer"],
)
def test_a_clip_that_is_not_ready_after_all_is_looked_at_again_but_not_forever(
    stage: Stage, status: Pending | NoAnswer, reason: str
) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [status, status]
    assert stage.finish(job) == {"outcome": "wait", "wait_seconds": 30}
    assert (stage.held(), stage.aws.stored(), stage.mails()) == (job, [], ([], []))
    assert stage.finish(job, fetches=MAX_FETCHES - 1)["error"] == "stalled.download"
    assert stage.held().failure == {"kind": "download", "message": reason}
    assert stage.cdn.fetches == []


def test_a_clip_that_the_provider_has_lost_is_a_failed_job(stage: Stage) -> None:
    job = stage.job(State.READY)
    failure = Failure(FailureKind.MODERATED, "flagged after all", code="nsfw", billed=False)
    stage.provider.status_answers = [Failed(failure)]
    assert stage.finish(job) == {
        "outcome": "ended",
        "state": "failed",
        "error": "failed.moderated",
        "cause": "flagged after all",
    }
    ((mail,), operators) = stage.mails()
    assert mail["failure"] == {
        "kind": "moderated",
        "message": "flagged after all",
        "code": "nsfw",
        "retryable": False,
        "billed": False,
    }
    assert operators == []
    assert stage.aws.stored("clips/") == [RECORD_KEY]


def broken_line() -> httpx.Response:
    raise httpx.ConnectError("connection refused")


TROUBLES: dict[str, Answer] = {
    "expired": lambda: httpx.Response(403),
    "busy": lambda: httpx.Response(503, headers={"Retry-After": "9"}),
    "broken line": broken_line,
    "cut short": lambda: file(b"\0\0\0\x18ftypisom" * 9, announced=100_000),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_download_is_tried_five_times_with_growing_pauses(stage: Stage, trouble: str) -> None:
    job = stage.job(State.READY)
    stage.cdn.answer = TROUBLES[trouble]
    stage.provider.status_answers = [READY] * MAX_FETCHES
    answers = [stage.finish(job, fetches=number) for number in range(MAX_FETCHES)]
    assert answers[:-1] == [{"outcome": "wait", "wait_seconds": s} for s in (30, 60, 120, 240)]
    assert (answers[-1]["state"], answers[-1]["error"]) == ("stalled", "stalled.download")
    assert "5ec2e7" not in answers[-1]["cause"]
    assert len(stage.cdn.fetches) == MAX_FETCHES
    ((mail,), (note,)) = stage.mails()
    assert mail["outcome"] == note["outcome"] == "stalled"
    assert "operator needed (download)" in note["subject"]
    assert stage.aws.stored("clips/") == [RECORD_KEY]


def test_a_clip_that_can_be_fetched_at_last_is_delivered(stage: Stage, clip: bytes) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY, READY]
    stage.cdn.answer = TROUBLES["busy"]
    assert stage.finish(job)["outcome"] == "wait"
    stage.cdn.answer = lambda: file(clip)
    assert stage.finish(job, fetches=1)["outcome"] == "delivered"
    assert len(stage.mails()[0]) == 1


def test_a_clip_that_takes_several_runs_is_continued_and_told_once(
    stage: Stage, clip: bytes
) -> None:
    large = clip + box(b"free", bytes(2 * PART_SIZE))
    stage.delivery = stage.build(max_clip_bytes=len(large))
    headers = {"ETag": '"v1"', "Accept-Ranges": "bytes", "Content-Length": str(len(large))}
    span = f"bytes {PART_SIZE}-{len(large) - 1}/{len(large)}"
    answers = [
        httpx.Response(200, headers=headers, content=iter((large[:-1], large[-1:]))),
        httpx.Response(206, headers={"Content-Range": span}, content=iter([large[PART_SIZE:]])),
    ]
    stage.cdn.answer = lambda: answers.pop(0)
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY, READY]
    ending = Ending(job.job_id, execution_of(job), job.run, fetches=3)
    looks = iter([900.0] * (PART_SIZE // CHUNK) + [10.0])
    paused = stage.delivery.run(ending, lambda: next(looks))
    assert paused == {"outcome": "wait", "wait_seconds": 1, "fetches": 3}
    assert (stage.held(), stage.aws.stored(), stage.mails()) == (job, [], ([], []))
    assert stage.delivery.run(ending)["outcome"] == "delivered"
    held = stage.held()
    assert held.clip
    assert (held.clip.size, held.clip.sha256) == (len(large), hashlib.sha256(large).hexdigest())
    assert len(stage.mails()[0]) == 1


def test_a_clip_that_no_run_can_bring_is_given_up_with_a_word_to_the_operator(
    stage: Stage, clip: bytes
) -> None:
    job = stage.job(State.READY)
    large = clip + box(b"free", bytes(2 * PART_SIZE))
    stage.delivery = stage.build(max_clip_bytes=len(large))
    stage.cdn.answer = lambda: file(large)  # its host knows no ranges
    stage.provider.status_answers = [READY, READY]
    ending = Ending(job.job_id, execution_of(job), job.run)
    assert stage.delivery.run(ending, lambda: 10) == {"outcome": "wait", "wait_seconds": 30}
    assert stage.delivery.run(ending, lambda: 10)["error"] == "stalled.download"
    ((mail,), (note,)) = stage.mails()
    assert mail["outcome"] == note["outcome"] == "stalled"
    assert "cannot continue a fetch" in mail["failure"]["message"]


NO_CLIPS: dict[str, tuple[Answer, str]] = {
    "web page": (lambda: file(b"<!doctype html><p>Sorry", "text/html"), "a web page"),
    "truncated": (lambda: file(mp4(5.0, 64, 36)[:-100]), "cut short"),
    "empty": (lambda: file(b""), "cut short"),
    "wrong length": (lambda: file(mp4(2.0, 64, 36)), "asked for 5s, got 2.00 s"),
    "wrong shape": (lambda: file(mp4(5.0, 36, 64)), "asked for 16:9, got 36 x 64"),
    "announced too large": (lambda: file(b"", announced=LIMIT + 1), "larger than 200000 bytes"),
    "too large": (
        lambda: httpx.Response(200, content=iter([b"\0\0\0\x18ftypisom", bytes(LIMIT)])),
        "larger than 200000 bytes",
    ),
}


@pytest.mark.parametrize("case", NO_CLIPS)
def test_what_is_not_the_ordered_clip_is_fetched_again_and_never_stored(
    stage: Stage, case: str
) -> None:
    job = stage.job(State.READY)
    stage.cdn.answer, reason = NO_CLIPS[case]
    stage.provider.status_answers = [READY, READY]
    assert stage.finish(job) == {"outcome": "wait", "wait_seconds": 30}
    assert (stage.held().state, stage.aws.stored(), stage.mails()) == (State.READY, [], ([], []))
    ended = stage.finish(job, fetches=MAX_FETCHES - 1)
    assert (ended["outcome"], ended["error"]) == ("ended", "failed.not_a_clip")
    assert reason in ended["cause"]
    assert stage.aws.stored("clips/") == [RECORD_KEY]
    assert stage.aws.read_json(RECORD_KEY)["clip"] is None
    ((mail,), (note,)) = stage.mails()
    assert mail["outcome"] == "failed"
    assert "operator needed (not_a_clip)" in note["subject"]


@pytest.mark.parametrize(
    "address",
    [
        "http://8.8.8.8/clip.mp4?sig=5ec2e7",
        "https://169.254.169.254/latest/meta-data?sig=5ec2e7",
        "https://user:5ec2e7@8.8.8.8/clip.mp4",
    ],
    ids=["not https", "not public", "with a password"],
)
def test_an_address_that_must_not_be_fetched_ends_the_job_at_once(
    stage: Stage, address: str
) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [Ready(address)]
    ended = stage.finish(job)
    assert (ended["state"], ended["error"]) == ("failed", "failed.unsafe_result")
    assert "5ec2e7" not in json.dumps([ended, stage.aws.read_json(RECORD_KEY)])
    assert stage.cdn.fetches == []
    ((mail,), (note,)) = stage.mails()
    assert mail["clip"] is None
    assert "operator needed (unsafe_result)" in note["subject"]


# --- accidents -------------------------------------------------------------------------------

AFTER = {
    State.CLAIMED: ("refused", "accident"),
    State.SUBMITTING: ("unknown", "lost_answer"),
    State.SUBMITTED: ("stalled", "accident"),
    State.RUNNING: ("stalled", "accident"),
    State.READY: ("stalled", "accident"),
}


@pytest.mark.parametrize("state", [state for state in State if state not in ENDS])
def test_after_an_accident_what_may_be_paid_is_never_called_unpaid(
    stage: Stage, state: State
) -> None:
    job = stage.job(state)
    ended = stage.finish(job, accident="States.Timeout", late=state is State.READY)
    end, kind = AFTER[state]
    assert ended == {
        "outcome": "ended",
        "state": end,
        "error": f"{end}.{kind}",
        "cause": "States.Timeout",
    }
    held = stage.held()
    assert (held.state, held.provider_job_id) == (State(end), job.provider_job_id)
    ((mail,), (note,)) = stage.mails()
    assert mail["outcome"] == note["outcome"] == end
    assert ("Nothing was paid" in mail["text"]) == (state is State.CLAIMED)
    assert stage.committed() == {Decimal(0) if state is State.CLAIMED else Decimal("0.15")}
    assert stage.cdn.fetches == []


def test_a_clip_that_is_ready_is_delivered_whatever_went_wrong_on_the_way_to_it(
    stage: Stage,
) -> None:
    job = stage.job(State.READY)
    stage.provider.status_answers = [READY]
    assert stage.finish(job, accident="States.Timeout")["outcome"] == "delivered"
    assert stage.mails()[1] == []


def test_a_workflow_that_comes_to_its_end_too_early_is_an_accident_too(stage: Stage) -> None:
    ended = stage.finish(stage.job(State.SUBMITTED))
    assert ended["error"] == "stalled.accident"
    assert ended["cause"] == "the workflow ended too early"


@pytest.mark.parametrize(
    ("state", "failure", "error", "cause"),
    [
        (State.REFUSED, {"kind": "bad_input", "message": "x"}, "refused.bad_input", "x"),
        (State.UNKNOWN, {"kind": "lost_answer", "message": "y"}, "unknown.lost_answer", "y"),
        (State.FAILED, {"kind": "transient", "message": ""}, "failed.transient", "transient"),
        (State.STALLED, {"kind": "deadline", "message": "z"}, "stalled.deadline", "z"),
        (State.CANCELLED, {}, "cancelled.unexpected", "unexpected"),
    ],
)
def test_a_job_that_has_ended_without_a_clip_is_recorded_and_told(
    stage: Stage, state: State, failure: dict[str, str], error: str, cause: str
) -> None:
    job = stage.job(state, failure=failure)
    expected = {"outcome": "ended", "state": state.value, "error": error, "cause": cause}
    assert stage.finish(job) == expected
    # An accident behind the end changes nothing of it.
    assert stage.finish(job, accident="States.Timeout") == expected
    assert stage.held() == job
    record = stage.aws.read_json(RECORD_KEY)
    assert (record["state"], record["failure"]) == (state.value, failure or None)
    assert [mail["outcome"] for mail in stage.mails()[0]] == [state.value]


def test_a_run_that_a_newer_one_has_replaced_does_nothing(stage: Stage) -> None:
    old = stage.job(State.REFUSED, failure={"kind": "bad_input", "message": "x"})
    new = stage.aws.ledger.claim(make_job(dropped_at="2026-11-20T10:00:00.000Z"))
    assert (new.run, new.state) == (2, State.CLAIMED)
    assert stage.finish(old, accident="States.Timeout")["outcome"] == "superseded"
    assert (stage.held(), stage.aws.stored(), stage.mails()) == (new, [], ([], []))
    assert stage.finish(new, accident="States.Timeout")["state"] == "refused"
    assert len(stage.mails()[0]) == 1


def test_the_late_end_of_an_execution_is_nothing_to_a_job_that_went_on_in_another(
    stage: Stage,
) -> None:
    job = stage.job(State.RUNNING, execution=f"{EXECUTIONS}:resumed")
    assert stage.finish(job, accident="aborted", late=True)["outcome"] == "superseded"
    assert (stage.held(), stage.mails()) == (job, ([], []))
    resumed = Ending(job.job_id, job.execution, job.run, accident="aborted", late=True)
    assert stage.delivery.run(resumed)["error"] == "stalled.accident"


# --- what it is called with ------------------------------------------------------------------


def test_the_workflow_says_how_it_went() -> None:
    event = {"job_id": "j", "execution_id": "e", "run": 2, "polls": 3, "fetches": 1}
    assert Ending.of({**event, "accident": "Oops"}) == Ending("j", "e", 2, 3, 1, "Oops", late=False)


@pytest.mark.parametrize(
    ("status", "accident"),
    [
        ("ABORTED", "the workflow was aborted"),
        ("TIMED_OUT", "the workflow was timed out"),
        ("FAILED", "the workflow was failed"),
    ],
)
def test_eventbridge_says_that_an_execution_is_over(
    events: Path, status: str, accident: str
) -> None:
    event = json.loads((events / "execution-aborted.json").read_text())
    event["detail"]["status"] = status
    execution = event["detail"]["executionArn"]
    job_id = "0123456789abcdef01234567"
    assert Ending.of(event) == Ending(job_id, execution, accident=accident, late=True)
    event["detail"]["input"] = json.dumps({"job_id": "j", "run": 2, "image": "a.jpg"})
    assert Ending.of(event) == Ending("j", execution, 2, accident=accident, late=True)


def test_an_aborted_execution_is_told_once_and_only_if_the_workflow_had_not_done_so(
    stage: Stage, events: Path
) -> None:
    ending = Ending.of(json.loads((events / "execution-aborted.json").read_text()))
    source = Source("inbox", "campaign/lighthouse.jpg", '"e"', "image/jpeg", 8, 8, "sources/x.jpg")
    job = stage.aws.ledger.claim(make_job(job_id=ending.job_id, source=source))
    assert ending.execution_id.endswith(f":{job.execution_name}")
    for _ in range(2):
        assert stage.delivery.run(ending)["cause"] == "the workflow was aborted"
    ((mail,), (note,)) = stage.mails()
    assert mail["outcome"] == note["outcome"] == "refused"
