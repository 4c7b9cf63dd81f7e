from __future__ import annotations

import gc
import hashlib
import threading
import tracemalloc
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from dropreel.clips.upload import MAX_METADATA, PART_SIZE, ClipUpload, StoredClip, ascii_metadata

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "clips"
KEY = "clips/a b/ü.mp4"
MIB = 1024 * 1024


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


def stored(s3: S3Client) -> bytes:
    return s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read()


def nothing_left(s3: S3Client) -> bool:
    objects = s3.list_objects_v2(Bucket=BUCKET).get("KeyCount")
    uploads = s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
    return not objects and not uploads


@pytest.mark.parametrize(
    ("size", "step", "parts"),
    [
        (0, 1, 0),
        (1, 1, 0),
        (PART_SIZE - 1, 700_001, 0),
        (PART_SIZE, 9 * MIB, 1),
        (PART_SIZE + 1, 700_001, 2),
        (2 * PART_SIZE, 17 * MIB, 2),
        (20 * MIB, 9 * MIB, 3),
    ],
)
def test_what_is_written_is_stored(s3: S3Client, size: int, step: int, parts: int) -> None:
    data = body(size)
    with ClipUpload(s3, bucket=BUCKET, key=KEY, metadata={"job-id": "j1", "image": "ü"}) as upload:
        for start in range(0, size, step):
            upload.write(data[start : start + step])
        answer = upload.complete()
    head = s3.head_object(Bucket=BUCKET, Key=KEY)
    assert stored(s3) == data
    assert answer == StoredClip(head["ETag"], None)
    assert answer.etag.strip('"').partition("-")[2] == (str(parts) if parts else "")
    assert head["ContentType"] == "video/mp4"
    assert head["Metadata"] == {"job-id": "j1", "image": "%C3%BC"}
    assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []


def test_a_versioned_bucket_tells_the_version(s3: S3Client) -> None:
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for size in (10, PART_SIZE + 10):
        with ClipUpload(s3, bucket=BUCKET, key=KEY) as upload:
            upload.write(body(size))
            version = upload.complete().version_id
        assert version
        assert version == s3.head_object(Bucket=BUCKET, Key=KEY)["VersionId"]


def test_completing_twice_stores_once(s3: S3Client) -> None:
    with ClipUpload(s3, bucket=BUCKET, key=KEY) as upload:
        upload.write(body(PART_SIZE + 10))
        assert upload.complete() == upload.complete()
    assert stored(s3) == body(PART_SIZE + 10)


@pytest.mark.parametrize("size", [10, PART_SIZE + 10, 3 * PART_SIZE])
def test_nothing_is_seen_before_it_is_complete_and_nothing_stays_without(
    s3: S3Client, size: int
) -> None:
    with ClipUpload(s3, bucket=BUCKET, key=KEY) as upload:
        upload.write(body(size))
        assert s3.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0
    assert nothing_left(s3)


@pytest.mark.parametrize("size", [10, 3 * PART_SIZE])
def test_an_error_of_the_caller_comes_up_and_nothing_stays(s3: S3Client, size: int) -> None:
    def broken() -> None:
        with ClipUpload(s3, bucket=BUCKET, key=KEY) as upload:
            upload.write(body(size))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert nothing_left(s3)


def test_aborting_twice_does_no_harm(s3: S3Client) -> None:
    with ClipUpload(s3, bucket=BUCKET, key=KEY) as upload:
        upload.write(body(PART_SIZE + 10))
        upload.abort()
        assert nothing_left(s3)
        upload.abort()
    assert nothing_left(s3)


class FakeS3:
    """Notes what it is asked and keeps no data; `failing` is the call that raises."""

    def __init__(self, failing: str = "", error: Exception | None = None) -> None:
        self.failing = failing
        self.error = error
        self.calls: list[str] = []
        self.sizes: list[int] = []
        self.parts: list[Any] = []
        self.checksums = True
        self.gate = threading.Event()
        self.gate.set()

    def _answer(self, call: str, **answer: str) -> dict[str, str]:
        self.calls.append(call)
        if call == self.failing and self.error:
            raise self.error
        return answer

    def create_multipart_upload(self, **_: Any) -> dict[str, str]:
        return self._answer("create", UploadId="u1")

    def upload_part(self, **asked: Any) -> dict[str, str]:
        self.gate.wait(5)
        self.sizes.append(sum(map(len, iter(lambda: asked["Body"].read(MIB), b""))))
        number = asked["PartNumber"]
        checksum = {"ChecksumCRC32": f"c{number}"} if self.checksums else {}
        return self._answer(f"part {number}", ETag=f"e{number}", **checksum)

    def complete_multipart_upload(self, **asked: Any) -> dict[str, str]:
        self.parts = asked["MultipartUpload"]["Parts"]
        return self._answer("complete", ETag="whole")

    def abort_multipart_upload(self, **_: Any) -> dict[str, str]:
        return self._answer("abort")

    def put_object(self, **_: Any) -> dict[str, str]:
        return self._answer("put", ETag="whole")

    @property
    def client(self) -> S3Client:
        return cast("S3Client", self)


def refusal(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)


def upload_of(fake: FakeS3, size: int) -> StoredClip:
    with ClipUpload(fake.client, bucket=BUCKET, key=KEY) as upload:
        upload.write(body(size))
        return upload.complete()


def test_parts_are_of_one_size_and_named_with_their_checksums() -> None:
    fake = FakeS3()
    upload_of(fake, 2 * PART_SIZE + 5)
    assert fake.sizes == [PART_SIZE, PART_SIZE, 5]
    assert fake.parts == [
        {"PartNumber": number, "ETag": f"e{number}", "ChecksumCRC32": f"c{number}"}
        for number in (1, 2, 3)
    ]


def test_a_store_that_keeps_no_checksums_is_sent_none() -> None:
    fake = FakeS3()
    fake.checksums = False
    upload_of(fake, PART_SIZE)
    assert fake.parts == [{"PartNumber": 1, "ETag": "e1"}]


@pytest.mark.parametrize("failing", ["part 1", "part 2", "part 3", "complete"])
def test_an_error_in_the_background_comes_up_unchanged_and_aborts(failing: str) -> None:
    error = refusal("UploadPart")
    fake = FakeS3(failing, error)
    with pytest.raises(ClientError) as caught:
        upload_of(fake, 2 * PART_SIZE + 5)
    assert caught.value is error
    assert fake.calls[-1] == "abort"


@pytest.mark.parametrize(("failing", "size"), [("create", PART_SIZE), ("put", 5)])
def test_an_upload_that_did_not_start_is_not_aborted(failing: str, size: int) -> None:
    fake = FakeS3(failing, refusal("PutObject"))
    with pytest.raises(ClientError):
        upload_of(fake, size)
    assert fake.calls == [failing]


def test_an_abort_that_fails_does_not_hide_the_first_error() -> None:
    fake = FakeS3("abort", refusal("AbortMultipartUpload"))

    def broken() -> None:
        with ClipUpload(fake.client, bucket=BUCKET, key=KEY) as upload:
            upload.write(body(PART_SIZE))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert fake.calls[-1] == "abort"


def test_filling_goes_on_while_a_part_is_on_its_way_and_an_abort_waits_for_it() -> None:
    fake = FakeS3()
    fake.gate.clear()
    with ClipUpload(fake.client, bucket=BUCKET, key=KEY) as upload:
        upload.write(body(2 * PART_SIZE - 1))
        assert fake.calls == ["create"]
        fake.gate.set()
    assert fake.calls == ["create", "part 1", "abort"]


def test_memory_does_not_grow_with_the_clip() -> None:
    fake = FakeS3()
    chunk = bytes(512 * 1024)
    gc.collect()
    tracemalloc.start()
    with ClipUpload(fake.client, bucket=BUCKET, key=KEY) as upload:
        for _ in range(400):
            upload.write(chunk)
        upload.complete()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(fake.sizes) == 400 * len(chunk)
    assert peak < 40 * MIB


def test_metadata_becomes_printable_ascii() -> None:
    assert ascii_metadata({"image": "a b/100% süß\n.jpg", "take": "2"}) == {
        "image": "a b/100%25 s%C3%BC%C3%9F%0A.jpg",
        "take": "2",
    }


def test_metadata_that_does_not_fit_is_left_out() -> None:
    key = "ü" * 512
    kept = ascii_metadata({"job-id": "j1", "image": key, "label": "x"})
    assert kept == {"job-id": "j1"}
    assert ascii_metadata({"a": "x" * (MAX_METADATA - 1)})
    assert not ascii_metadata({"a": "x" * MAX_METADATA})
