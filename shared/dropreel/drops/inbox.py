"""The inbox bucket: reads what people dropped, never writes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dropreel.drops.fields import MAX_SIDECAR_BYTES
from dropreel.drops.pairing import listing_prefix
from dropreel.jobs.naming import folder_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PIECE = 1024 * 1024  # bytes
_GONE = ("404", "NoSuchKey", "NotFound")


@dataclass(frozen=True, slots=True)
class Drop:
    """One object as it lies in the inbox now. `metadata` is the user's, without its prefix.

    A row of a batch is one, too: its `etag` names its fields, the rest is of its file.
    """

    key: str
    etag: str
    size: int
    dropped_at: datetime
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    is_row: bool = False


class Inbox:
    """One bucket. Keys are plain, as S3 stores them: never form-decoded."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    def head(self, key: str) -> Drop | None:
        """The object, or None if it is gone."""
        try:
            head = self._client.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"].get("Code") in _GONE:
                return None
            raise
        return _drop(key, head, head["ContentLength"])

    def page(self, after: str) -> list[Drop]:
        """Up to 1,000 objects in the order of their keys, from behind `after`; without prompts."""
        behind: dict[str, Any] = {"StartAfter": after} if after else {}
        answer = self._client.list_objects_v2(Bucket=self.bucket, **behind)
        return [
            Drop(item["Key"], item["ETag"], item["Size"], _listed_at(item))
            for item in answer.get("Contents", [])
        ]

    def partners(self, key: str) -> list[str]:
        """The keys around `key` among which its partner would be."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=listing_prefix(key)
        )
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def below(self, folder: str) -> dict[str, datetime]:
        """Up to 1,000 keys below a folder (empty: the top), with the times of their upload."""
        page = self._client.list_objects_v2(Bucket=self.bucket, Prefix=folder)
        return {item["Key"]: _listed_at(item) for item in page.get("Contents", [])}

    def beside(self, key: str) -> dict[str, datetime]:
        """Of these, the files in the folder of `key`."""
        folder = folder_of(key)
        return {
            other: dropped_at
            for other, dropped_at in self.below(folder).items()
            if folder_of(other) == folder
        }

    def read_sidecar(self, sidecar: Drop) -> bytes:
        """The sidecar's bytes; of one that is too large just enough to see that it is."""
        if sidecar.size == 0:
            return b""
        answer = self._client.get_object(
            Bucket=self.bucket,
            Key=sidecar.key,
            Range=f"bytes=0-{MAX_SIDECAR_BYTES}",
            IfMatch=sidecar.etag,
        )
        return answer["Body"].read()

    def read(self, key: str, most: int) -> tuple[Drop, bytes] | None:
        """A file with up to `most` + 1 of its bytes, or None if there is none."""
        try:
            answer = self._client.get_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"].get("Code") in _GONE:
                return None
            raise
        body = answer["Body"]
        data = body.read(most + 1)
        body.close()
        return _drop(key, answer, len(data)), data

    def sha256(self, image: Drop) -> str:
        """The hex digest of all its bytes, which are streamed. It does not depend on the upload.

        The ETag does: on the size of its parts, and on how the bucket is encrypted.
        """
        answer = self._client.get_object(Bucket=self.bucket, Key=image.key, IfMatch=image.etag)
        digest = hashlib.sha256()
        while piece := answer["Body"].read(_PIECE):
            digest.update(piece)
        return digest.hexdigest()

    def reader(self, image: Drop) -> ImageReader:
        return ImageReader(self._client, self.bucket, image)


class ImageReader:
    """Ranged reads of one image, all of the same version of it (`image.RangeReader`)."""

    def __init__(self, client: S3Client, bucket: str, image: Drop) -> None:
        self._client = client
        self._bucket = bucket
        self._image = image
        self.size = image.size

    def read(self, offset: int, length: int) -> bytes:
        if offset >= self.size or length <= 0:
            return b""
        answer = self._client.get_object(
            Bucket=self._bucket,
            Key=self._image.key,
            Range=f"bytes={offset}-{offset + length - 1}",
            IfMatch=self._image.etag,
        )
        return answer["Body"].read()


def _listed_at(item: Any) -> datetime:
    """In whole seconds, as the head of the object has it."""
    listed: datetime = item["LastModified"]
    return listed.replace(microsecond=0)


def _drop(key: str, answer: Mapping[str, Any], size: int) -> Drop:
    return Drop(key, answer["ETag"], size, answer["LastModified"], answer.get("Metadata", {}))
