"""S3 in memory: the calls that the functions make, with their conditions."""

# ruff: noqa: N803 - parameters have the names that boto3 gives them

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import IO, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from botocore.exceptions import ClientError

_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
_PAGE = 1000  # keys
_HOST = ".s3.us-east-1.amazonaws.com"


@dataclass(frozen=True, slots=True)
class Stored:
    """One object as it lies in a bucket."""

    body: bytes
    modified: datetime
    media_type: str
    metadata: dict[str, str] = field(default_factory=dict)
    parts: int = 1

    @property
    def etag(self) -> str:
        """The MD5 of the body, or that of the parts' with their number."""
        if self.parts == 1:
            return f'"{_md5(self.body).hex()}"'
        size = -(-len(self.body) // self.parts)
        starts = range(0, len(self.body), size)
        digests = b"".join(_md5(self.body[start : start + size]) for start in starts)
        return f'"{_md5(digests).hex()}-{self.parts}"'


class S3:
    """All buckets, as a boto3 client."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.objects: dict[tuple[str, str], Stored] = {}

    def clear(self) -> None:
        self.objects.clear()

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        return sorted(
            key for place, key in self.objects if place == bucket and key.startswith(prefix)
        )

    # --- the client's calls ---------------------------------------------------------------------

    def put_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Body: bytes | IO[bytes],
        ContentType: str = "binary/octet-stream",
        ContentDisposition: str = "",  # noqa: ARG002
        Metadata: dict[str, str] | None = None,
        ChecksumAlgorithm: str = "CRC32",  # noqa: ARG002
    ) -> dict[str, Any]:
        body = Body if isinstance(Body, bytes) else Body.read()
        return self._store(Bucket, Key, Stored(body, self._now(), ContentType, Metadata or {}))

    def copy_object(
        self,
        *,
        Bucket: str,
        Key: str,
        CopySource: dict[str, str],
        CopySourceIfMatch: str,
        ContentType: str,
        MetadataDirective: str,
        TaggingDirective: str,  # noqa: ARG002
    ) -> dict[str, Any]:
        if MetadataDirective != "REPLACE":
            raise _error("InvalidRequest", 400, "CopyObject")
        source = self._find(CopySource["Bucket"], CopySource["Key"], "CopyObject", "NoSuchKey")
        _match(source, CopySourceIfMatch, "CopyObject")
        copy = self._store(Bucket, Key, Stored(source.body, self._now(), ContentType))
        return {"CopyObjectResult": copy}

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        found = self._find(Bucket, Key, "HeadObject", "404")
        return {
            "ETag": found.etag,
            "ContentLength": len(found.body),
            "ContentType": found.media_type,
            "LastModified": found.modified.replace(microsecond=0),
            "Metadata": dict(found.metadata),
        }

    def get_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Range: str = "",
        IfMatch: str = "",
    ) -> dict[str, Any]:
        found = self._find(Bucket, Key, "GetObject", "NoSuchKey")
        if IfMatch:
            _match(found, IfMatch, "GetObject")
        return {
            "Body": io.BytesIO(_part(found.body, Range)),
            "ETag": found.etag,
            "LastModified": found.modified.replace(microsecond=0),
            "Metadata": dict(found.metadata),
        }

    def list_objects_v2(
        self, *, Bucket: str, Prefix: str = "", StartAfter: str = ""
    ) -> dict[str, Any]:
        keys = [key for key in self.keys(Bucket, Prefix) if key > StartAfter]
        listed = [self._listed(Bucket, key) for key in keys[:_PAGE]]
        return {"Contents": listed, "KeyCount": len(listed)} if listed else {"KeyCount": 0}

    def get_paginator(self, name: str) -> SimpleNamespace:
        """All pages of an answer, which here is one."""
        return SimpleNamespace(paginate=lambda **request: [getattr(self, name)(**request)])

    def _listed(self, bucket: str, key: str) -> dict[str, Any]:
        found = self.objects[bucket, key]
        modified = found.modified.replace(microsecond=0)
        size = len(found.body)
        return {"Key": key, "Size": size, "ETag": found.etag, "LastModified": modified}

    def generate_presigned_url(
        self,
        operation: str,
        Params: dict[str, str],
        ExpiresIn: int = 3600,
    ) -> str:
        """An address that `fetch` knows until it expires. Signing calls nobody."""
        if operation != "get_object":
            raise ValueError(operation)
        until = (self._now() + timedelta(seconds=ExpiresIn)).timestamp()
        key = quote(Params["Key"])
        return f"https://{Params['Bucket']}{_HOST}/{key}?X-Amz-Signature=made-up&until={until}"

    def upload_in_parts(self, bucket: str, key: str, body: bytes, parts: int) -> None:
        """What a tool that uploads in parts leaves behind."""
        self._store(bucket, key, Stored(body, self._now(), "binary/octet-stream", parts=parts))

    # --- what the provider sees -----------------------------------------------------------------

    def fetch(self, url: str) -> bytes | None:
        """What lies behind a presigned address, or None where S3 would refuse."""
        parts = urlsplit(url)
        until = float(parse_qs(parts.query)["until"][0])
        bucket = parts.netloc.removesuffix(_HOST)
        found = self.objects.get((bucket, unquote(parts.path).lstrip("/")))
        return found.body if found and self._now().timestamp() <= until else None

    # --- inside ---------------------------------------------------------------------------------

    def _store(self, bucket: str, key: str, stored: Stored) -> dict[str, Any]:
        self.objects[bucket, key] = stored
        return {"ETag": stored.etag}

    def _find(self, bucket: str, key: str, operation: str, code: str) -> Stored:
        found = self.objects.get((bucket, key))
        if found is None:
            raise _error(code, 404, operation)
        return found


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _part(body: bytes, wanted: str) -> bytes:
    if not wanted:
        return body
    match = _RANGE.fullmatch(wanted)
    if match is None or int(match[1]) >= len(body):
        raise _error("InvalidRange", 416, "GetObject")
    return body[int(match[1]) : int(match[2]) + 1]


def _match(found: Stored, etag: str, operation: str) -> None:
    if found.etag != etag:
        raise _error("PreconditionFailed", 412, operation)


def _error(code: str, status: int, operation: str) -> ClientError:
    error: Any = {
        "Error": {"Code": code, "Message": code},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(error, operation)
