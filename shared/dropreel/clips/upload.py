"""Streams a clip into S3 while it is still coming in, in bounded memory.

One part is filled while the two before it are on their way, so that receiving and sending
overlap: three parts of 8 MiB are held at most. Nothing is visible in the bucket before `complete`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

PART_SIZE = 8 * 1024 * 1024  # bytes; S3 wants at least 5 MiB for all parts but the last
IN_FLIGHT = 2  # parts
MAX_METADATA = 2048  # bytes of names and values together, a limit of S3
_PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


@dataclass(frozen=True, slots=True)
class StoredClip:
    """What S3 says of the finished object; `version_id` is None in an unversioned bucket."""

    etag: str
    version_id: str | None


@dataclass(frozen=True, slots=True)
class Begun:
    """An upload of which whole parts lie in S3: their ETags and CRC-32s, in order."""

    upload_id: str
    parts: tuple[tuple[str, str], ...]


def ascii_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Metadata as S3 takes it: values percent-encoded where they are not printable ASCII.

    Entries that no longer fit into MAX_METADATA are left out, later ones first.
    """
    fitting: dict[str, str] = {}
    room = MAX_METADATA
    for name, value in metadata.items():
        encoded = quote(value, safe=_PRINTABLE)
        room -= len(name) + len(encoded)
        if room < 0:
            break
        fitting[name] = encoded
    return fitting


def _stored(etag: str, version_id: str | None) -> StoredClip:
    return StoredClip(etag, None if version_id == "null" else version_id)


class ClipUpload:
    """One MP4 on its way into S3; leaving the `with` without `complete` stores nothing.

    A clip shorter than one part goes up as a single object. Every part carries a CRC-32 that S3
    checks. Errors of S3 come up unchanged, those of a part at a later `write` or `complete`.
    With `begun`, the upload goes on behind those parts; after `keep` it is left as it is where it
    would be thrown away.
    """

    def __init__(
        self,
        s3: S3Client,
        bucket: str,
        key: str,
        metadata: Mapping[str, str] | None = None,
        begun: Begun | None = None,
    ) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._key = key
        self._metadata = ascii_metadata(metadata or {})
        self._buffer = BytesIO()
        self._stored: StoredClip | None = None
        self._upload_id = begun.upload_id if begun else None
        self._parts = list(begun.parts) if begun else []
        self._in_flight: deque[tuple[Future[tuple[str, str]], BytesIO]] = deque()
        self._free: list[BytesIO] = []  # used again: fresh ones for each part would leave gaps
        self._kept = begun is not None
        self._worker = ThreadPoolExecutor(max_workers=IN_FLIGHT, thread_name_prefix="upload")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # A lifecycle rule of the bucket clears what cannot be aborted now; the error that led
        # here must not be hidden by a second one.
        with suppress(BotoCoreError, ClientError):
            if self._kept:
                self._drop_parts()
            else:
                self.abort()
        self._worker.shutdown()

    @property
    def parts(self) -> int:
        """How many parts have been written, whether they have arrived or not."""
        return len(self._parts) + len(self._in_flight)

    @property
    def begins_part(self) -> bool:
        """Whether the next byte is the first of a part."""
        return not self._buffer.tell()

    def keep(self, parts: int) -> Begun | None:
        """Leave the first `parts` for another run, once they have arrived; None if there are none.

        From now on only `abort` throws the upload away.
        """
        while self._in_flight:
            self._collect_part()
        if self._upload_id is None:
            return None
        self._kept = True
        return Begun(self._upload_id, tuple(self._parts[:parts]))

    def write(self, chunk: bytes) -> None:
        """Take the next bytes; waits while three full parts are held."""
        rest = memoryview(chunk)
        while rest:
            room = PART_SIZE - self._buffer.tell()
            self._buffer.write(rest[:room])
            rest = rest[room:]
            if self._buffer.tell() == PART_SIZE:
                self._send_part()

    def complete(self) -> StoredClip:
        """Make the object: all parts arrived whole, or an error says why not."""
        if self._stored is None:
            self._stored = self._finish(self._upload_id) if self._upload_id else self._put()
        return self._stored

    def abort(self) -> None:
        """Throw away what was sent. Does nothing after `complete` or a second time."""
        self._drop_parts()
        if self._upload_id is not None:
            upload_id, self._upload_id = self._upload_id, None
            self._s3.abort_multipart_upload(Bucket=self._bucket, Key=self._key, UploadId=upload_id)

    def _drop_parts(self) -> None:
        self._buffer = BytesIO()
        while self._in_flight:
            # A part that arrives after an abort would stay, billed.
            self._in_flight.popleft()[0].exception()

    def _put(self) -> StoredClip:
        self._buffer.seek(0)
        answer = self._s3.put_object(
            Bucket=self._bucket,
            Key=self._key,
            Body=self._buffer,
            ContentType="video/mp4",
            ChecksumAlgorithm="CRC32",
            Metadata=self._metadata,
        )
        return _stored(answer["ETag"], answer.get("VersionId"))

    def _finish(self, upload_id: str) -> StoredClip:
        if self._buffer.tell():
            self._send_part()
        while self._in_flight:
            self._collect_part()
        answer = self._s3.complete_multipart_upload(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=upload_id,
            MultipartUpload={"Parts": self._completed()},
        )
        self._upload_id = None
        return _stored(answer["ETag"], answer.get("VersionId"))

    def _completed(self) -> list[CompletedPartTypeDef]:
        parts: list[CompletedPartTypeDef] = []
        for number, (etag, crc32) in enumerate(self._parts, start=1):
            checksum = {"ChecksumCRC32": crc32} if crc32 else {}
            parts.append({"PartNumber": number, "ETag": etag, **checksum})  # type: ignore[typeddict-item]
        return parts

    def _send_part(self) -> None:
        while len(self._in_flight) >= IN_FLIGHT:
            self._collect_part()
        part, self._buffer = self._buffer, self._free.pop() if self._free else BytesIO()
        upload_id = self._upload_id = self._upload_id or self._start()
        sending = self._worker.submit(self._upload_part, upload_id, self.parts + 1, part)
        self._in_flight.append((sending, part))

    def _collect_part(self) -> None:
        sending, part = self._in_flight[0]
        self._parts.append(sending.result())
        self._in_flight.popleft()
        part.seek(0)
        self._free.append(part)

    def _start(self) -> str:
        answer = self._s3.create_multipart_upload(
            Bucket=self._bucket,
            Key=self._key,
            ContentType="video/mp4",
            ChecksumAlgorithm="CRC32",
            Metadata=self._metadata,
        )
        return answer["UploadId"]

    def _upload_part(self, upload_id: str, number: int, part: BytesIO) -> tuple[str, str]:
        part.truncate()  # behind it lies what is left of an older part
        part.seek(0)
        answer = self._s3.upload_part(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=upload_id,
            PartNumber=number,
            Body=part,
            ChecksumAlgorithm="CRC32",
        )
        return answer["ETag"], answer.get("ChecksumCRC32", "")
