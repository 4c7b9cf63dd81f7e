"""Pieces on their way into S3, which is in process; errors of S3 are put in its client's place."""

from __future__ import annotations

import gc
import hashlib
import threading
import tracemalloc
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from dropreel.clips.upload import IN_FLIGHT, PART_SIZE, upload_clip

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "clips"
KEY = "clips/a b/ü.mp4"
MIB = 1024 * 1024
PIECE = 700_001


@pytest.fixture(scope="module")
def client() -> S3Client:
    return boto3.client(
        "s3", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
    )


@pytest.fixture
def s3(client: S3Client) -> Iterator[S3Client]:
    with mock_aws():
        client.create_bucket(Bucket=BUCKET)
        yield client


@pytest.fixture(autouse=True)
def _no_threads_left_behind() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def body(size: int) -> bytes:
    return (hashlib.sha256(str(size).encode()).digest() * (size // 32 + 1))[:size]


def pieces(size: int, length: int = PIECE) -> Iterator[bytes]:
    data = body(size)
    for start in range(0, size, length):
        yield data[start : start + length]


def upload(s3: S3Client, clip: Iterator[bytes]) -> None:
    upload_clip(s3, BUCKET, KEY, clip, {"job-id": "j1"})


def stored(s3: S3Client) -> bytes:
    return s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read()


def uploads(s3: S3Client) -> list[Any]:
    return list(s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))


def nothing_left(s3: S3Client) -> bool:
    return not s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] and not uploads(s3)


@pytest.mark.parametrize(
    ("size", "length", "parts"),
    [
        (0, 1, 0),
        (1, 1, 0),
        (PART_SIZE - 1, PIECE, 0),
        (PART_SIZE, 9 * MIB, 1),
        (PART_SIZE + 1, PIECE, 2),
        (2 * PART_SIZE, PART_SIZE, 2),
        (14 * MIB, 11 * MIB, 3),
    ],
)
def test_pieces_are_stored_as_one_video(s3: S3Client, size: int, length: int, parts: int) -> None:
    upload(s3, pieces(size, length))
    head = s3.head_object(Bucket=BUCKET, Key=KEY)
    assert stored(s3) == body(size)
    assert head["ETag"].strip('"').partition("-")[2] == (str(parts) if parts else "")
    assert head["ContentType"] == "video/mp4"
    assert head["Metadata"] == {"job-id": "j1"}
    assert uploads(s3) == []


def test_an_empty_piece_is_not_the_end(s3: S3Client) -> None:
    upload(s3, iter([b"", b"a", b"", b"b", b""]))
    assert stored(s3) == b"ab"


# --- nothing before the end ------------------------------------------------------------------

# At, before and behind the places where a part is full.
SIZES = [0, 10, PART_SIZE - 1, PART_SIZE, PART_SIZE + 10, 3 * PART_SIZE]


@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_seen_before_the_pieces_have_ended(s3: S3Client, size: int) -> None:
    seen: list[int] = []

    def watched() -> Iterator[bytes]:
        for piece in pieces(size):
            yield piece
            seen.append(s3.list_objects_v2(Bucket=BUCKET)["KeyCount"])
        seen.append(s3.list_objects_v2(Bucket=BUCKET)["KeyCount"])

    upload(s3, watched())
    assert len(seen) == 1 + -(-size // PIECE)
    assert set(seen) == {0}
    assert stored(s3) == body(size)


@pytest.mark.parametrize("size", SIZES)
def test_an_error_behind_the_last_piece_comes_up_and_nothing_stays(s3: S3Client, size: int) -> None:
    error = ZeroDivisionError()

    def broken() -> Iterator[bytes]:
        yield from pieces(size)
        raise error

    with pytest.raises(ZeroDivisionError) as caught:
        upload(s3, broken())
    assert caught.value is error
    assert nothing_left(s3)


# --- what S3 says ----------------------------------------------------------------------------


def refusal(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)


def refusing(error: Exception, number: int = 0) -> Any:
    """In place of a call: refuses all, or the part of this number."""

    def refuse(**asked: Any) -> dict[str, str]:
        if number in (0, asked.get("PartNumber")):
            raise error
        asked["Body"].read()
        return {"ETag": "e", "ChecksumCRC32": "c"}

    return refuse


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_part_that_s3_refuses_comes_up_unchanged_and_nothing_stays(
    s3: S3Client, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    error = refusal("UploadPart")
    monkeypatch.setattr(s3, "upload_part", refusing(error, number))
    with pytest.raises(ClientError) as caught:
        upload(s3, pieces(2 * PART_SIZE + 5))
    assert caught.value is error
    assert nothing_left(s3)


@pytest.mark.parametrize(
    ("call", "size"),
    [
        ("put_object", 5),
        ("create_multipart_upload", PART_SIZE),
        ("complete_multipart_upload", PART_SIZE),
    ],
)
def test_any_other_refusal_comes_up_unchanged_and_nothing_stays(
    s3: S3Client, monkeypatch: pytest.MonkeyPatch, call: str, size: int
) -> None:
    error = refusal(call)
    monkeypatch.setattr(s3, call, refusing(error))
    with pytest.raises(ClientError) as caught:
        upload(s3, pieces(size))
    assert caught.value is error
    assert nothing_left(s3)


def test_an_abort_that_fails_does_not_hide_the_first_error(
    s3: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Iterator[bytes]:
        yield from pieces(PART_SIZE)
        raise ZeroDivisionError

    monkeypatch.setattr(s3, "abort_multipart_upload", refusing(refusal("AbortMultipartUpload")))
    with pytest.raises(ZeroDivisionError):
        upload(s3, broken())
    assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


@pytest.mark.parametrize("size", [5, PART_SIZE + 5])
def test_s3_is_given_a_checksum_of_every_byte(s3: S3Client, size: int) -> None:
    asked: dict[str, dict[str, Any]] = {}

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        asked[model.name] = params

    s3.meta.events.register("provide-client-params.s3.*", note)
    upload(s3, pieces(size))
    s3.meta.events.unregister("provide-client-params.s3.*", note)
    sending = {"PutObject"} if size < PART_SIZE else {"CreateMultipartUpload", "UploadPart"}
    assert {asked[name]["ChecksumAlgorithm"] for name in sending} == {"CRC32"}
    if size > PART_SIZE:
        parts = asked["CompleteMultipartUpload"]["MultipartUpload"]["Parts"]
        assert all(part["ChecksumCRC32"] for part in parts)


# --- memory ----------------------------------------------------------------------------------


class SlowS3:
    """Takes parts only once as many bytes have been read ahead as may be; keeps nothing."""

    def __init__(self) -> None:
        self.taken = 0
        self.full = threading.Event()
        self.lock = threading.Lock()

    def upload_part(self, **asked: Any) -> dict[str, str]:
        assert self.full.wait(30)
        size = sum(map(len, iter(lambda: asked["Body"].read(MIB), b"")))
        with self.lock:  # several parts are on their way at once
            self.taken += size
        return {"ETag": "e", "ChecksumCRC32": "c"}


def test_memory_grows_neither_with_the_clip_nor_where_s3_is_slow(
    s3: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, piece = SlowS3(), bytes(64 * 1024)
    ahead: list[int] = []

    def clip() -> Iterator[bytes]:
        for number in range(100 * MIB // len(piece)):
            ahead.append(number * len(piece) - slow.taken)
            if ahead[-1] > IN_FLIGHT * PART_SIZE:
                slow.full.set()
            yield piece
        slow.full.set()

    monkeypatch.setattr(s3, "upload_part", slow.upload_part)
    monkeypatch.setattr(s3, "complete_multipart_upload", lambda **_: {})
    gc.collect()
    tracemalloc.start()
    upload(s3, clip())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert slow.taken == 100 * MIB
    assert IN_FLIGHT * PART_SIZE < max(ahead) <= (IN_FLIGHT + 1) * PART_SIZE
    assert peak < 40 * MIB
