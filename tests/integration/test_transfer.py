"""A clip that is brought from its host into S3 within one run; the host and S3 are in process."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import httpx
import pytest
from botocore.exceptions import ClientError

from dropreel.clips.transfer import MARGIN_S, ClipTooSlowError, Transfer
from dropreel.clips.upload import PART_SIZE
from dropreel.errors import ClipCutShortError, DownloadError
from dropreel.jobs.job import ClipInfo, State
from dropreel.providers.base import Ready
from dropreel.providers.client import new_client
from tests.support.aws import Aws, make_job
from tests.support.mp4 import box, mp4

CDN = "http://127.0.0.1:8090"
PIECE = 100_000
FOREVER = 10_000_000
SIZES = (0.1, 1, 2.5)  # in parts
LARGE = int(2.5 * PART_SIZE)


@cache
def large_clip(parts: float = 2.5) -> bytes:
    """A real clip of so many parts, with noise in it so that no two parts are alike."""
    movie = mp4(5.0, 960, 540)
    room = int(parts * PART_SIZE) - len(movie) - 8
    return movie + box(b"free", random.Random(7).randbytes(room))  # noqa: S311  noise


@dataclass
class Host:
    """Where the clip lies. `breaks` end a connection after so many bytes, one per request."""

    clip: bytes
    breaks: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        span = request.headers.get("range", "")
        self.asked.append(span)
        headers = {"ETag": '"v1"', "Accept-Ranges": "bytes"}
        start, status = 0, 200
        if span and request.headers["if-range"] == headers["ETag"]:
            start, status = int(span.removeprefix("bytes=").rstrip("-")), 206
            headers["Content-Range"] = f"bytes {start}-{len(self.clip) - 1}/{len(self.clip)}"
        headers["Content-Length"] = str(len(self.clip) - start)
        return httpx.Response(status, headers=headers, content=self._body(start))

    def _body(self, start: int) -> Iterator[bytes]:
        end = start + self.breaks.pop(0) if self.breaks else len(self.clip)
        for position in range(start, min(end, len(self.clip)), PIECE):
            yield self.clip[position : min(position + PIECE, end)]
        if end < len(self.clip):
            raise httpx.ReadError("the line is dead")


@dataclass
class Time:
    """Seconds left, one less with every look; a run looks once per piece."""

    left: float

    def __call__(self) -> float:
        self.left -= 1
        return self.left


class Stage:
    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.host = Host(large_clip())
        self.job = make_job(state=State.READY, provider_job_id="p-1")
        self.transfer = Transfer(
            clips=aws.clips,
            http=new_client(httpx.MockTransport(lambda request: self.host(request))),
            trusted_origins=frozenset({CDN}),
            max_bytes=10 * PART_SIZE,
        )

    def fetch(self, pieces: int = FOREVER) -> ClipInfo:
        """In a run that has time for so many pieces."""
        time = Time(MARGIN_S + pieces + 0.5)
        return self.transfer.fetch(self.job, Ready(f"{CDN}/c.mp4"), time)

    def quarantined(self) -> bytes:
        place = self.transfer.quarantine(self.job, Ready(f"{CDN}/c.mp4"))
        assert place == f"s3://clips/{self.job.quarantine_key}"
        kept = self.aws.s3.get_object(Bucket="clips", Key=self.job.quarantine_key)
        return bytes(kept["Body"].read())

    def assert_delivered(self, came: ClipInfo, duration_s: float = 5) -> None:
        """One object, whole; its digest is that of the clip; nothing else is left."""
        stored = self.aws.s3.get_object(Bucket="clips", Key=self.job.clip_key)
        assert stored["Body"].read() == self.host.clip
        assert stored["Metadata"] == {"job-id": self.job.job_id, "provider": "luma"}
        assert stored["ContentType"] == "video/mp4"
        digest = hashlib.sha256(self.host.clip).hexdigest()
        assert came == ClipInfo(duration_s, 960, 540, len(self.host.clip), digest)
        assert self.aws.stored() == [self.job.clip_key]
        self.assert_no_upload_left()

    def assert_nothing_stored(self) -> None:
        assert self.aws.stored() == []
        self.assert_no_upload_left()

    def assert_no_upload_left(self) -> None:
        assert self.aws.s3.list_multipart_uploads(Bucket="clips").get("Uploads", []) == []


@pytest.fixture
def stage(aws: Aws) -> Stage:
    return Stage(aws)


@pytest.mark.parametrize("parts", SIZES)
def test_a_clip_is_stored_whole_with_its_digest(stage: Stage, parts: float) -> None:
    stage.host.clip = large_clip(parts)
    stage.assert_delivered(stage.fetch())
    assert stage.host.asked == [""]


@pytest.mark.parametrize("parts", SIZES)
def test_what_turns_out_to_be_no_clip_at_its_last_byte_is_not_stored(
    stage: Stage, parts: float
) -> None:
    stage.host.clip = large_clip(parts)[:-1]
    with pytest.raises(ClipCutShortError, match="cut short"):
        stage.fetch()
    stage.assert_nothing_stored()


@pytest.mark.parametrize("parts", SIZES)
def test_a_clip_of_another_length_than_ordered_is_stored(stage: Stage, parts: float) -> None:
    movie = mp4(2.0, 960, 540)
    stage.host.clip = movie + box(b"free", bytes(int(parts * PART_SIZE) - len(movie) - 8))
    stage.assert_delivered(stage.fetch(), duration_s=2)


@pytest.mark.parametrize("parts", SIZES)
def test_what_is_no_clip_can_be_kept_as_it_is(stage: Stage, parts: float) -> None:
    stage.host.clip = bytes(int(parts * PART_SIZE))
    assert stage.quarantined() == stage.host.clip


def test_a_lost_connection_is_resumed_within_the_run(stage: Stage) -> None:
    stage.host.breaks = [PART_SIZE + 1, 0]
    stage.assert_delivered(stage.fetch())
    assert stage.host.asked == ["", *[f"bytes={PART_SIZE + 1}-"] * 2]


def test_a_line_that_is_dead_for_good_leaves_nothing_and_may_be_tried_again(stage: Stage) -> None:
    stage.host.breaks = [PART_SIZE + 1, 0, 0, 0]
    with pytest.raises(DownloadError, match="cut short") as caught:
        stage.fetch()
    assert not isinstance(caught.value, ClipTooSlowError)
    stage.assert_nothing_stored()
    stage.assert_delivered(stage.fetch())
    assert stage.host.asked[-1] == ""


# --- time --------------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [0, 1, PART_SIZE // PIECE + 1, LARGE // PIECE - 1])
def test_a_run_ends_itself_before_its_time_is_over_and_stores_nothing(
    stage: Stage, pieces: int
) -> None:
    with pytest.raises(ClipTooSlowError, match="too slowly"):
        stage.fetch(pieces)
    stage.assert_nothing_stored()
    stage.assert_delivered(stage.fetch())
    assert stage.host.asked == ["", ""]


def test_a_clip_of_which_all_bytes_came_is_stored_however_late_it_is(stage: Stage) -> None:
    stage.assert_delivered(stage.fetch(len(stage.host.clip) // PIECE))


# --- trouble with S3 -------------------------------------------------------------------------


@pytest.mark.parametrize(("call", "parts"), [("put_object", 0.1), ("upload_part", 2.5)])
def test_an_error_of_s3_comes_up_and_nothing_stays(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, call: str, parts: float
) -> None:
    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": "SlowDown", "Message": "no"}}, "UploadPart")

    stage.host.clip = large_clip(parts)
    with monkeypatch.context() as patch:
        patch.setattr(stage.aws.s3, call, refuse)
        with pytest.raises(ClientError, match="SlowDown"):
            stage.fetch()
    stage.assert_nothing_stored()
    stage.assert_delivered(stage.fetch())
