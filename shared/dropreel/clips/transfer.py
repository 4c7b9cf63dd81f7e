"""Brings a clip from its provider into S3, in as many runs as it needs.

A run ends before Lambda ends it. What it has brought so far stays in S3 as parts of an unfinished
upload, a mark in the ledger says how far it came, and the next run goes on there, if the host can
send the rest of the very same file. A mark is also left every minute, for runs that are killed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from dropreel.clips.bookmarks import Bookmark, Bookmarks, BookmarkTakenError, Mark
from dropreel.clips.bucket import ClipsBucket
from dropreel.clips.download import ClipStream, Position, SourceChangedError, fetch_clip
from dropreel.clips.mp4 import ClipChecker, check_matches
from dropreel.clips.upload import ClipUpload
from dropreel.errors import ClipInvalidError, DownloadError, UnsafeUrlError
from dropreel.jobs.job import ClipInfo, Job
from dropreel.ledger.table import Table
from dropreel.observability import logger
from dropreel.providers.base import Ready

TimeLeft = Callable[[], float]  # seconds until this run is killed

MARGIN_S = 120  # for parts on their way, and for a host that has gone silent
SAVE_EVERY_S = 60
MAX_ROUNDS = 40  # some nine hours; S3 throws unfinished uploads away after a day
MAX_STARTS = 2
_NEXT_ROUND_S = 1
_TROUBLE_S = 30
_TAKEN_S = 60
_LAST_S = 30


class FetchEndedError(DownloadError):
    """The clip cannot be fetched, however often it is tried."""


@dataclass(frozen=True, slots=True)
class Paused:
    """Another run shall go on after so many seconds."""

    wait_seconds: int


class Transfer:
    """Fetches, checks and stores clips."""

    def __init__(
        self,
        *,
        table: Table,
        clips: ClipsBucket,
        http: httpx.Client,
        trusted_origins: frozenset[str],
        max_bytes: int,
    ) -> None:
        self.bookmarks = Bookmarks(table)
        self.clips = clips
        self._http = http
        self._trusted_origins = trusted_origins
        self._max_bytes = max_bytes

    def fetch(self, job: Job, ready: Ready, time_left: TimeLeft) -> ClipInfo | Paused:
        """The clip, stored; or Paused if there is more to come.

        Raises ClipInvalidError, UnsafeUrlError, FetchEndedError, and DownloadError for what may
        go better another time.
        """
        bookmark = self.bookmarks.find(job)
        metadata = {"job-id": job.job_id, "provider": job.provider}
        begun = bookmark.mark.begun if bookmark.mark else None
        s3, bucket = self.clips.client, self.clips.bucket
        with ClipUpload(s3, bucket, job.clip_key, metadata, begun) as upload:
            try:
                return _Run(self, job, bookmark, upload, time_left).fetch(ready)
            except BookmarkTakenError:
                logger.info("another run fetches this clip")
                return Paused(_TAKEN_S)

    @contextmanager
    def open(self, ready: Ready, mark: Mark | None) -> Iterator[ClipStream]:
        with fetch_clip(
            ready.url,
            ready.headers,
            http=self._http,
            trusted_origins=self._trusted_origins,
            max_bytes=self._max_bytes,
            start=mark.place if mark else None,
        ) as stream:
            yield stream


@dataclass(frozen=True, slots=True)
class _Boundary:
    """The end of a part: how many parts there are then, where the clip goes on, the check."""

    parts: int
    place: Position
    check: dict[str, Any]


class _Run:
    """One run's share of one clip."""

    def __init__(
        self,
        transfer: Transfer,
        job: Job,
        bookmark: Bookmark,
        upload: ClipUpload,
        time_left: TimeLeft,
    ) -> None:
        mark = bookmark.mark
        self._fetching = transfer
        self._job = job
        self._bookmark = bookmark
        self._upload = upload
        self._time_left = time_left
        self._checker = ClipChecker.resumed(mark.check) if mark else ClipChecker()
        self._boundary: _Boundary | None = None  # the last one, until it is saved
        self._further = False  # than the run before
        self._saved_at = time_left()

    def fetch(self, ready: Ready) -> ClipInfo | Paused:
        if self._bookmark.rounds >= MAX_ROUNDS:
            self._forget()
            raise FetchEndedError(f"the clip did not come within {MAX_ROUNDS} runs")
        try:
            return self._bring(ready)
        except (ClipInvalidError, UnsafeUrlError):
            self._forget(self._bookmark.starts)
            raise
        except SourceChangedError as error:
            raise self._start_over(str(error)) from error
        except ClientError as error:
            if error.response["Error"].get("Code") != "NoSuchUpload":
                raise
            raise self._start_over("what was stored of the clip is gone") from error
        except DownloadError as error:
            if not self._save():
                raise
            logger.warning("a part of the clip came", error=type(error).__name__)
            return Paused(_TROUBLE_S)

    def _bring(self, ready: Ready) -> ClipInfo | Paused:
        with self._fetching.open(ready, self._bookmark.mark) as stream:
            for chunk in stream:
                self._checker.feed(chunk)
                self._upload.write(chunk)
                if self._upload.begins_part:
                    self._note_boundary(stream)
                left = self._time_left()
                if left < MARGIN_S and not stream.all_came:
                    return self._pause(stream)
                if left < self._saved_at - SAVE_EVERY_S:
                    self._saved_at = left
                    self._save()
        return self._complete()

    def _note_boundary(self, stream: ClipStream) -> None:
        check = self._checker.state()
        place = stream.place(check["size"]) if check else None
        if check and place:
            self._boundary = _Boundary(self._upload.parts, place, check)

    def _save(self) -> bool:
        """Leave a mark at the last boundary; returns whether this run has come further at all."""
        boundary, self._boundary = self._boundary, None
        if boundary and (begun := self._upload.keep(boundary.parts)):
            mark = Mark(boundary.place, begun, boundary.check)
            rounds = self._bookmark.rounds + (0 if self._further else 1)
            self._write(replace(self._bookmark, mark=mark, rounds=rounds))
            self._further = True
        return self._further

    def _pause(self, stream: ClipStream) -> Paused:
        if self._save():
            logger.info("the clip is continued in another run", parts=self._upload.parts)
            return Paused(_NEXT_ROUND_S)
        if stream.place(0) is None:
            raise self._start_over("its host cannot continue a fetch that takes several runs")
        raise DownloadError("the clip comes too slowly")

    def _complete(self) -> ClipInfo:
        clip = self._checker.finish()
        settings = self._job.settings
        check_matches(clip, duration=settings.duration, aspect_ratio=settings.aspect_ratio)
        self._upload.complete()
        if self._bookmark.turn:
            with suppress(BookmarkTakenError):  # the clip is stored all the same
                self._write(Bookmark(self._bookmark.turn))
        return clip if clip.sha256 else replace(clip, sha256=self._digest())

    def _digest(self) -> str:
        """Of a clip that came in several runs, read once more from S3; empty for want of time."""
        digest = hashlib.sha256()
        for chunk in self._fetching.clips.read(self._job.clip_key):
            digest.update(chunk)
            if self._time_left() < _LAST_S:
                return ""
        return digest.hexdigest()

    def _start_over(self, reason: str) -> DownloadError:
        starts = self._bookmark.starts + 1
        logger.warning("the clip has to be fetched from its start", times=starts)
        if starts < MAX_STARTS:
            self._forget(starts)
            return DownloadError(reason)
        self._forget()
        return FetchEndedError(reason)

    def _forget(self, starts: int = 0) -> None:
        """The next run begins anew."""
        if starts or self._bookmark.turn:
            self._write(Bookmark(self._bookmark.turn, starts=starts))
        with suppress(BotoCoreError, ClientError):  # a lifecycle rule clears it, too
            self._upload.abort()

    def _write(self, bookmark: Bookmark) -> None:
        self._bookmark = self._fetching.bookmarks.put(self._job, bookmark)
