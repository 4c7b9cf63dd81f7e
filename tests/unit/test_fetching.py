"""Clips that take several runs: a clip host that can send ranges, S3 and the ledger in process."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from dropreel.clips.bookmarks import Bookmarks
from dropreel.clips.download import CHUNK
from dropreel.clips.transfer import (
    MARGIN_S,
    MAX_ROUNDS,
    MAX_STARTS,
    SAVE_EVERY_S,
    FetchEndedError,
    Paused,
    Transfer,
)
from dropreel.clips.upload import PART_SIZE
from dropreel.errors import ClipInvalidError, DownloadError
from dropreel.jobs.job import ClipInfo, Job, State
from dropreel.providers.base import Ready
from dropreel.providers.client import new_client
from tests.unit.media.samples import box, mp4
from tests.unit.support import Aws, make_job

CDN = "http://127.0.0.1:8090"
PER_PART = PART_SIZE // CHUNK
FOREVER = 10_000_000


@cache
def large_clip(parts: float = 3.5, *, padded: bytes = b"free") -> bytes:
    """A real clip of about so many parts, with noise in it so that no two parts are alike."""
    movie = mp4(5.0, 960, 540)
    room = int(parts * PART_SIZE) - len(movie) - 8
    return movie + box(padded, random.Random(7).randbytes(room))  # noqa: S311  noise


def clip_with_long_header() -> bytes:
    """The header ends in the second part, so that no mark can be left at the first one's end."""
    movie = mp4(5.0, 960, 540, "faststart")
    size = int.from_bytes(movie[32:36])
    assert movie[36:40] == b"moov"
    padding = box(b"free", bytes(PART_SIZE))
    header = box(b"moov", movie[40 : 32 + size] + padding)
    return movie[:32] + header + movie[32 + size :] + box(b"free", bytes(2 * PART_SIZE))


@dataclass
class Host:
    """Where the clip lies. `breaks` end a connection after so many bytes, one per request."""

    clip: bytes
    etag: str = '"v1"'
    ranges: bool = True
    breaks: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        span = request.headers.get("range", "")
        self.asked.append(span)
        headers = {"ETag": self.etag, **({"Accept-Ranges": "bytes"} if self.ranges else {})}
        start, status = 0, 200
        if span and self.ranges and request.headers["if-range"] == self.etag:
            start, status = int(span.removeprefix("bytes=").rstrip("-")), 206
            headers["Content-Range"] = f"bytes {start}-{len(self.clip) - 1}/{len(self.clip)}"
        headers["Content-Length"] = str(len(self.clip) - start)
        return httpx.Response(status, headers=headers, content=self._body(start))

    def _body(self, start: int) -> Iterator[bytes]:
        end = start + self.breaks.pop(0) if self.breaks else len(self.clip)
        for position in range(start, min(end, len(self.clip)), 100_000):
            yield self.clip[position : min(position + 100_000, end)]
        if end < len(self.clip):
            raise httpx.ReadError("the line is dead")


@dataclass
class Time:
    """Seconds left, one less with every look; a run looks once per chunk."""

    left: float

    def __call__(self) -> float:
        self.left -= 1
        return self.left


def for_chunks(count: int) -> Time:
    return Time(MARGIN_S + count + 0.5)


class Stage:
    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.host = Host(large_clip())
        self.job = make_job(state=State.READY, provider_job_id="p-1")
        self.transfer = Transfer(
            table=aws.table,
            clips=aws.clips,
            http=new_client(httpx.MockTransport(lambda request: self.host(request))),
            trusted_origins=frozenset({CDN}),
            max_bytes=10 * PART_SIZE,
        )

    def fetch(self, chunks: int = FOREVER, job: Job | None = None) -> ClipInfo | Paused:
        return self.transfer.fetch(job or self.job, Ready(f"{CDN}/c.mp4"), for_chunks(chunks))

    def stored(self) -> bytes:
        return bytes(self.aws.s3.get_object(Bucket="clips", Key=self.job.clip_key)["Body"].read())

    def uploads(self) -> list[dict[str, Any]]:
        return list(self.aws.s3.list_multipart_uploads(Bucket="clips").get("Uploads", []))

    def abort_uploads(self) -> None:
        for upload in self.uploads():
            self.aws.s3.abort_multipart_upload(
                Bucket="clips", Key=upload["Key"], UploadId=upload["UploadId"]
            )

    def assert_delivered(self, came: ClipInfo | Paused) -> None:
        """One object, whole; its digest is that of the clip; nothing else is left."""
        assert isinstance(came, ClipInfo)
        assert self.stored() == self.host.clip
        digest = hashlib.sha256(self.host.clip).hexdigest()
        assert (came.size, came.sha256) == (len(self.host.clip), digest)
        assert (came.duration_s, came.width, came.height) == (5, 960, 540)
        versions = self.aws.s3.list_objects_v2(Bucket="clips")["Contents"]
        assert [item["Key"] for item in versions] == [self.job.clip_key]
        assert self.uploads() == []
        assert self.aws.s3.head_object(Bucket="clips", Key=self.job.clip_key)["Metadata"] == {
            "job-id": self.job.job_id,
            "provider": "luma",
        }


def refusing(code: str) -> Callable[..., None]:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "UploadPart")

    return refuse


@pytest.fixture
def stage(aws: Aws) -> Stage:
    return Stage(aws)


# --- going on --------------------------------------------------------------------------------


def test_a_clip_that_comes_in_time_is_fetched_in_one_run(stage: Stage) -> None:
    stage.assert_delivered(stage.fetch())
    assert stage.host.asked == [""]
    assert Bookmarks(stage.aws.table).find(stage.job).turn == 0


@pytest.mark.parametrize("chunks", [PER_PART, PER_PART + 1, 2 * PER_PART - 1])
def test_what_came_is_kept_when_time_runs_out_and_the_next_run_goes_on_there(
    stage: Stage, chunks: int
) -> None:
    assert stage.fetch(chunks) == Paused(1)
    assert stage.aws.stored() == []
    assert len(stage.uploads()) == 1
    stage.assert_delivered(stage.fetch())
    assert stage.host.asked == ["", f"bytes={PART_SIZE}-"]


def test_a_clip_may_take_many_runs(stage: Stage) -> None:
    for _ in range(3):
        assert stage.fetch(PER_PART + 2) == Paused(1)
    stage.assert_delivered(stage.fetch())
    assert stage.host.asked == ["", *(f"bytes={part * PART_SIZE}-" for part in (1, 2, 3))]


def test_a_clip_of_which_all_bytes_came_is_stored_however_late_it_is(stage: Stage) -> None:
    stage.host.clip = large_clip(0.9)
    stage.assert_delivered(stage.fetch(len(stage.host.clip) // CHUNK + 1))


def test_a_run_that_is_killed_loses_a_minute_at_most(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die() -> float:
        time = clock()
        if time < 1_000 - SAVE_EVERY_S - PER_PART / 2:
            raise KeyboardInterrupt
        return time

    stage.host.clip = large_clip(6.5)
    clock = Time(1_000)
    with pytest.raises(KeyboardInterrupt):
        stage.transfer.fetch(stage.job, Ready(f"{CDN}/c.mp4"), die)
    assert len(stage.uploads()) == 1
    stage.assert_delivered(stage.fetch())
    assert stage.host.asked == ["", f"bytes={3 * PART_SIZE}-"]


def test_a_line_that_is_dead_for_good_keeps_what_came(stage: Stage) -> None:
    stage.host.breaks = [PART_SIZE + 1, 0, 0, 0]
    assert stage.fetch() == Paused(30)
    stage.assert_delivered(stage.fetch())
    assert stage.host.asked[-1] == f"bytes={PART_SIZE}-"


def test_a_line_that_is_dead_again_before_anything_new_came_is_an_error_but_loses_nothing(
    stage: Stage,
) -> None:
    stage.fetch(PER_PART)
    stage.host.breaks = [CHUNK, 0, 0, 0]
    with pytest.raises(DownloadError, match="cut short"):
        stage.fetch()
    stage.assert_delivered(stage.fetch())


def test_no_mark_is_left_inside_a_long_header(stage: Stage) -> None:
    stage.host.clip = clip_with_long_header()
    with pytest.raises(DownloadError, match="too slowly"):
        stage.fetch(PER_PART + 1)
    assert stage.fetch(2 * PER_PART + 1) == Paused(1)
    came = stage.fetch()
    stage.assert_delivered(came)
    assert stage.host.asked == ["", "", f"bytes={2 * PART_SIZE}-"]


# --- starting over ---------------------------------------------------------------------------


def test_a_clip_that_changed_meanwhile_is_fetched_from_its_start(stage: Stage) -> None:
    stage.fetch(PER_PART)
    stage.host = Host(large_clip(2.5, padded=b"skip"), '"v2"')
    with pytest.raises(DownloadError, match="not the one that was begun") as caught:
        stage.fetch()
    assert not isinstance(caught.value, FetchEndedError)
    assert stage.uploads() == []
    stage.assert_delivered(stage.fetch())
    assert stage.host.asked == [f"bytes={PART_SIZE}-", ""]


def test_a_clip_that_changes_again_and_again_is_given_up(stage: Stage) -> None:
    caught: list[DownloadError] = []
    for number in range(MAX_STARTS):
        stage.host.etag = f'"v{number}"'
        assert stage.fetch(PER_PART) == Paused(1)
        stage.host.etag = '"another"'
        with pytest.raises(DownloadError) as error:
            stage.fetch()
        caught.append(error.value)
    assert [type(error) for error in caught] == [DownloadError, FetchEndedError]
    assert stage.uploads() == []
    stage.assert_delivered(stage.fetch())  # when an operator or the sweep looks again


@pytest.mark.parametrize("host", [{"ranges": False}, {"etag": 'W/"v1"'}, {"etag": ""}])
def test_a_host_that_cannot_continue_is_tried_twice(stage: Stage, host: dict[str, Any]) -> None:
    stage.host = Host(large_clip(), **host)
    with pytest.raises(DownloadError, match="cannot continue") as first:
        stage.fetch(PER_PART)
    assert not isinstance(first.value, FetchEndedError)
    with pytest.raises(FetchEndedError, match="cannot continue"):
        stage.fetch(PER_PART)
    assert (stage.uploads(), stage.aws.stored()) == ([], [])


def test_an_upload_that_was_cleared_away_is_begun_anew(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.fetch(2 * PER_PART)
    stage.abort_uploads()
    with monkeypatch.context() as patch:
        patch.setattr(stage.aws.s3, "upload_part", refusing("NoSuchUpload"))  # moto has none
        with pytest.raises(DownloadError, match="what was stored of the clip is gone"):
            stage.fetch()
    stage.assert_delivered(stage.fetch())


def test_what_turns_out_to_be_no_clip_is_not_continued(stage: Stage) -> None:
    stage.host.clip = large_clip()[:-1]
    stage.fetch(PER_PART)
    with pytest.raises(ClipInvalidError, match="cut short"):
        stage.fetch()
    assert (stage.uploads(), stage.aws.stored()) == ([], [])
    stage.host.clip = large_clip()
    stage.assert_delivered(stage.fetch())


def test_a_mark_of_another_order_counts_for_nothing(stage: Stage) -> None:
    stage.fetch(PER_PART)
    stage.abort_uploads()
    stage.job = make_job(state=State.READY, provider_job_id="p-2")
    stage.host = Host(large_clip(2.5, padded=b"skip"), '"v2"')
    assert stage.fetch(PER_PART) == Paused(1)
    stage.assert_delivered(stage.fetch())


def test_runs_do_not_go_on_forever(stage: Stage) -> None:
    stage.fetch(PER_PART)
    bookmarks = Bookmarks(stage.aws.table)
    found = bookmarks.find(stage.job)
    assert found.rounds == 1
    bookmarks.put(stage.job, type(found)(found.turn, MAX_ROUNDS, 0, found.mark))
    with pytest.raises(FetchEndedError, match=f"within {MAX_ROUNDS} runs"):
        stage.fetch()
    assert stage.uploads() == []


# --- two runs at once ------------------------------------------------------------------------


def test_of_two_runs_that_fetch_the_same_clip_one_steps_back(stage: Stage) -> None:
    stage.fetch(PER_PART)
    answers: list[ClipInfo | Paused] = []

    class Overtaken(Host):
        """While the second run is under way, another one comes further."""

        def _body(self, start: int) -> Iterator[bytes]:
            if not answers:
                answers.append(Paused(0))
                stage.host = Host(self.clip)
                answers[0] = stage.fetch(PER_PART)
            yield from super()._body(start)

    stage.host = Overtaken(large_clip())
    assert stage.fetch(PER_PART) == Paused(60)
    assert answers == [Paused(1)]
    assert len(stage.uploads()) == 1
    stage.assert_delivered(stage.fetch())


# --- trouble with S3 -------------------------------------------------------------------------


def test_an_error_of_s3_comes_up_and_what_was_marked_stays(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.fetch(PER_PART)
    with monkeypatch.context() as patch:
        patch.setattr(stage.aws.s3, "upload_part", refusing("SlowDown"))
        with pytest.raises(ClientError, match="SlowDown"):
            stage.fetch()
    assert len(stage.uploads()) == 1
    stage.assert_delivered(stage.fetch())


def test_a_clip_that_cannot_be_read_again_in_time_has_no_digest(stage: Stage) -> None:
    stage.fetch(3 * PER_PART)

    def time_left() -> float:
        return 0 if stage.aws.stored() else FOREVER

    came = stage.transfer.fetch(stage.job, Ready(f"{CDN}/c.mp4"), time_left)
    assert isinstance(came, ClipInfo)
    assert (came.size, came.sha256) == (len(stage.host.clip), "")
    assert stage.stored() == stage.host.clip
