"""Streams a clip into S3 while it is still coming in, in bounded memory.

Nothing is visible in the bucket before the clip's pieces have ended without an error: boto3
completes the upload when it has read to the end, and learns of the end only then.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from io import BytesIO
from itertools import chain
from typing import IO, TYPE_CHECKING, cast

from boto3.s3.transfer import TransferConfig

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_SIZE = 5 * 1024 * 1024  # bytes; the least that S3 takes
IN_FLIGHT = 3  # parts on their way, while another one is filled


VIDEO = "video/mp4"


def upload_clip(
    s3: S3Client,
    bucket: str,
    key: str,
    pieces: Iterable[bytes],
    metadata: Mapping[str, str],
    content_type: str = VIDEO,
    disposition: str = "",
) -> None:
    """Store a file; after an error of `pieces` or of S3, which come up unchanged, nothing is.

    `disposition` names the file for whoever downloads it from the bucket.

    boto3 takes the pieces in a thread of its own, to their end even if S3 refuses a part. S3
    checks a CRC-32 of everything that it is sent.
    """
    s3.upload_fileobj(
        Fileobj=cast("IO[bytes]", _Reader(pieces)),
        Bucket=bucket,
        Key=key,
        ExtraArgs={
            "ContentType": content_type,
            "ChecksumAlgorithm": "CRC32",
            "Metadata": dict(metadata),
            **({"ContentDisposition": disposition} if disposition else {}),
        },
        Config=_config(),
    )


def _config() -> TransferConfig:
    config = TransferConfig(
        multipart_threshold=PART_SIZE,
        multipart_chunksize=PART_SIZE,
        max_concurrency=IN_FLIGHT,
        preferred_transfer_client="classic",  # the other one has limits of its own
    )
    # Bounds memory where S3 is slower than the host: boto3 would hold ten parts.
    config.max_in_memory_upload_chunks = IN_FLIGHT
    return config


class _Reader:
    """A file as boto3 reads it: fewer bytes than asked for mean the end.

    So they are returned only once `pieces` have ended; an error of theirs comes up instead.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def read(self, size: int = sys.maxsize) -> bytes:
        block = BytesIO()
        for piece in chain((self._rest,), self._pieces):
            room = size - block.tell()
            block.write(memoryview(piece)[:room])
            self._rest = piece[room:]
            if block.tell() == size:
                break
        return block.getvalue()
