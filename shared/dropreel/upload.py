"""Streams a clip into S3 while it is still coming in, in bounded memory.

One part is filled while the one before it is on its way, so that receiving and sending overlap:
two parts of 8 MiB are held at most. Nothing is visible in the bucket before `complete`.
"""

from __future__ import annotations

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
MAX_METADATA = 2048  # bytes of names and values together, a limit of S3
_PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


@dataclass(frozen=True, slots=True)
class StoredClip:
    """What S3 says of the finished object; `version_id` is None in an unversioned bucket."""

    etag: str
    version_id: str | None


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
    checks. Errors of S3 come up unchanged, those of a part at the next `write` or `complete`.
    """

    def __init__(
        self, s3: S3Client, bucket: str, key: str, metadata: Mapping[str, str] | None = None
    ) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._key = key
        self._metadata = ascii_metadata(metadata or {})
        self._buffer = BytesIO()
        self._stored: StoredClip | None = None
        self._upload_id: str | None = None
        self._parts: list[CompletedPartTypeDef] = []
        self._in_flight: Future[CompletedPartTypeDef] | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="upload")

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
            self.abort()
        self._worker.shutdown()

    def write(self, chunk: bytes) -> None:
        """Take the next bytes; waits while two full parts are held."""
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
        self._buffer = BytesIO()
        if self._in_flight is not None:
            self._in_flight.exception()  # a part that arrives after the abort would stay, billed
            self._in_flight = None
        if self._upload_id is not None:
            upload_id, self._upload_id = self._upload_id, None
            self._s3.abort_multipart_upload(Bucket=self._bucket, Key=self._key, UploadId=upload_id)

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
        self._collect_part()
        answer = self._s3.complete_multipart_upload(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=upload_id,
            MultipartUpload={"Parts": self._parts},
        )
        self._upload_id = None
        return _stored(answer["ETag"], answer.get("VersionId"))

    def _send_part(self) -> None:
        self._collect_part()
        part, self._buffer = self._buffer, BytesIO()
        upload_id = self._upload_id = self._upload_id or self._start()
        number = len(self._parts) + 1
        self._in_flight = self._worker.submit(self._upload_part, upload_id, number, part)

    def _collect_part(self) -> None:
        if self._in_flight is not None:
            self._parts.append(self._in_flight.result())
            self._in_flight = None

    def _start(self) -> str:
        answer = self._s3.create_multipart_upload(
            Bucket=self._bucket,
            Key=self._key,
            ContentType="video/mp4",
            ChecksumAlgorithm="CRC32",
            Metadata=self._metadata,
        )
        return answer["UploadId"]

    def _upload_part(self, upload_id: str, number: int, part: BytesIO) -> CompletedPartTypeDef:
        part.seek(0)
        answer = self._s3.upload_part(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=upload_id,
            PartNumber=number,
            Body=part,
            ChecksumAlgorithm="CRC32",
        )
        done: CompletedPartTypeDef = {"PartNumber": number, "ETag": answer["ETag"]}
        if "ChecksumCRC32" in answer:
            done["ChecksumCRC32"] = answer["ChecksumCRC32"]
        return done
