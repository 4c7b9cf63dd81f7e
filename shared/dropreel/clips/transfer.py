"""Brings a clip from its provider into S3: fetches, checks and stores it while it comes in.

Nothing is visible in the bucket before the whole clip has passed its check. A download lives in
one run of the function, which ends it itself before Lambda would: the next one starts over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import httpx

from dropreel.clips.bucket import ClipsBucket
from dropreel.clips.download import ClipStream, fetch_clip
from dropreel.clips.mp4 import ClipChecker
from dropreel.clips.upload import upload_clip
from dropreel.errors import DownloadError
from dropreel.jobs.job import ClipInfo, Job
from dropreel.jobs.naming import content_disposition
from dropreel.providers.base import Ready

TimeLeft = Callable[[], float]  # seconds until this run is killed

MARGIN_S = 120  # for parts on their way to S3, and for a host that has gone silent


class ClipTooSlowError(DownloadError):
    """The clip does not come within one run; the host has to get faster first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Fetches, checks and stores clips."""

    clips: ClipsBucket
    http: httpx.Client
    trusted_origins: frozenset[str]
    max_bytes: int

    def fetch(self, job: Job, ready: Ready, time_left: TimeLeft) -> ClipInfo:
        """The clip, stored. On any error nothing is.

        Raises ClipInvalidError, UnsafeUrlError, ClipTooSlowError, and DownloadError for what may
        go better another time. Errors of S3 come up unchanged.
        """
        with self._opened(ready) as stream:
            clip = _CheckedClip(_in_time(stream, time_left))
            upload_clip(
                self.clips.client,
                self.clips.bucket,
                job.clip_key,
                clip,
                _metadata(job),
                disposition=content_disposition("inline", job.clip_name),
            )
        return clip.info

    def quarantine(self, job: Job, ready: Ready) -> str:
        """Keep the file as it comes, where nobody takes it for a clip. Returns its address."""
        with self._opened(ready) as stream:
            upload_clip(
                self.clips.client,
                self.clips.bucket,
                job.quarantine_key,
                stream,
                _metadata(job),
                "application/octet-stream",
            )
        return f"s3://{self.clips.bucket}/{job.quarantine_key}"

    def _opened(self, ready: Ready) -> AbstractContextManager[ClipStream]:
        return fetch_clip(
            ready.url,
            ready.headers,
            http=self.http,
            trusted_origins=self.trusted_origins,
            max_bytes=self.max_bytes,
        )


def _metadata(job: Job) -> dict[str, str]:
    return {"job-id": job.job_id, "provider": job.provider}


def _in_time(pieces: Iterable[bytes], time_left: TimeLeft) -> Iterator[bytes]:
    """The pieces, while there is time; one that came is kept, so the last may be late."""
    late = False
    for piece in pieces:
        if late:
            raise ClipTooSlowError("the clip comes too slowly for one run of the function")
        yield piece
        late = time_left() < MARGIN_S


class _CheckedClip:
    """The pieces of a clip; they end without an error only if it is a whole video."""

    info: ClipInfo

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        checker = ClipChecker()
        for piece in self._pieces:
            checker.feed(piece)
            yield piece
        self.info = checker.finish()
