from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from email.header import Header
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws

from dropreel.drops.fields import MAX_SIDECAR_BYTES
from dropreel.drops.inbox import Drop, Inbox
from dropreel.drops.metadata import metadata_fields
from tests.support.aws import NOW

KEY = "campaign/lighthouse.jpg"


@dataclass(frozen=True)
class Bucket:
    """The inbox, and a client of somebody who may write it."""

    s3: Any
    inbox: Inbox


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with mock_aws():
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="inbox")
        yield Bucket(s3, Inbox(s3, "inbox"))


def put(bucket: Bucket, body: bytes = b"x", key: str = KEY, **options: Any) -> Drop:
    bucket.s3.put_object(Bucket="inbox", Key=key, Body=body, **options)
    found = bucket.inbox.head(key)
    assert found is not None
    return found


# --- finding ---------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [KEY, "a+b%20c.png", "../..//x.jpg", "日本/écran .webp"])
def test_a_file_is_found_under_its_plain_key(bucket: Bucket, key: str) -> None:
    found = put(bucket, b"12345", key)
    assert (found.key, found.size, found.metadata) == (key, 5, {})
    assert found.etag == bucket.s3.head_object(Bucket="inbox", Key=key)["ETag"]
    assert found.dropped_at.tzinfo is not None


def test_the_head_of_a_missing_file_is_none(bucket: Bucket) -> None:
    assert bucket.inbox.head(KEY) is None


def test_a_file_that_may_not_be_read_is_an_error_and_not_gone() -> None:
    client = boto3.client("s3")
    with Stubber(client) as stub:
        stub.add_client_error("head_object", "403", http_status_code=403)
        with pytest.raises(ClientError, match="403"):
            Inbox(client, "inbox").head(KEY)


def test_a_bucket_that_is_gone_is_an_error(bucket: Bucket) -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        Inbox(bucket.s3, "another").partners(KEY)


@pytest.mark.parametrize(
    ("stored", "prompt"),
    [
        ("slow push-in", "slow push-in"),
        (Header("Möwen über dem Meer", "utf-8").encode(maxlinelen=None), "Möwen über dem Meer"),
        ("=?UTF-8?Q?M=C3=B6wen?=", "Möwen"),
        ("=?ISO-8859-1?Q?M=F6wen?= =?UTF-8?B?w7xiZXI=?=", "Möwenüber"),
        ("what is 1 =? 2", "what is 1 =? 2"),
        ("=?utf-8?b?YWJjZ?=", "=?utf-8?b?YWJjZ?="),
        ("=?utf-8?q?=ff?=", "=?utf-8?q?=ff?="),
        ("=?no-such-charset?q?a?=", "=?no-such-charset?q?a?="),
    ],
    ids=["plain", "base64", "quoted", "two words", "no word", "broken", "not utf-8", "charset"],
)
def test_a_prompt_in_the_metadata_is_read_as_s3_hands_it_out(
    bucket: Bucket, stored: str, prompt: str
) -> None:
    image = put(bucket, Metadata={"prompt": stored})
    assert metadata_fields(image.key, image.metadata).values == {"prompt": prompt}


def test_a_listing_of_many_pages_is_read_to_its_end() -> None:
    pages = [["a/photo.jpg"], ["a/photo.json", "a/photo.png"], []]
    client = boto3.client("s3")
    with Stubber(client) as stub:
        for number, keys in enumerate(pages):
            last = number == len(pages) - 1
            answer = {"Contents": [{"Key": key} for key in keys], "IsTruncated": not last}
            asked = {"Bucket": "inbox", "Prefix": "a/photo."}
            if number:
                asked["ContinuationToken"] = f"page {number}"
            if not last:
                answer["NextContinuationToken"] = f"page {number + 1}"
            stub.add_response("list_objects_v2", answer, asked)
        found = Inbox(client, "inbox").partners("a/photo.jpg")
        stub.assert_no_pending_responses()
    assert found == ["a/photo.jpg", "a/photo.json", "a/photo.png"]


def test_a_listed_file_is_as_old_as_its_head_says() -> None:
    listed = {"Key": KEY, "ETag": '"e"', "Size": 1, "LastModified": NOW.replace(microsecond=7000)}
    client = boto3.client("s3")
    with Stubber(client) as stub:
        for _ in range(3):
            stub.add_response("list_objects_v2", {"Contents": [listed]})
        inbox = Inbox(client, "inbox")
        (drop,) = inbox.page("")
        times = {drop.dropped_at, inbox.below("campaign/")[KEY], inbox.beside(KEY)[KEY]}
    assert times == {NOW.replace(microsecond=0)}


def test_only_names_that_begin_alike_are_listed(bucket: Bucket) -> None:
    for key in (KEY, "campaign/lighthouse.JSON", "campaign/lighthouse-2.jpg", "lighthouse.json"):
        put(bucket, key=key)
    assert bucket.inbox.partners(KEY) == ["campaign/lighthouse.JSON", KEY]


# --- reading ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, MAX_SIDECAR_BYTES])
def test_a_sidecar_is_read_whole(bucket: Bucket, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    assert bucket.inbox.read_sidecar(put(bucket, body[:size])) == body[:size]


def test_of_a_large_sidecar_just_enough_is_read_to_see_that_it_is_too_large(bucket: Bucket) -> None:
    sidecar = put(bucket, bytes(3 * MAX_SIDECAR_BYTES))
    assert len(bucket.inbox.read_sidecar(sidecar)) == 64 * 1024 + 1


def test_a_sidecar_that_was_replaced_meanwhile_is_not_taken_for_the_first(bucket: Bucket) -> None:
    first = put(bucket, b'{"prompt": "a"}')
    put(bucket, b'{"prompt": "b"}')
    with pytest.raises(ClientError, match="PreconditionFailed"):
        bucket.inbox.read_sidecar(first)


@pytest.mark.parametrize("size", [0, 1, 3 * 1024 * 1024 + 1])
def test_an_image_is_known_by_all_of_its_bytes(bucket: Bucket, size: int) -> None:
    body = bytes(size)
    assert bucket.inbox.sha256(put(bucket, body)) == hashlib.sha256(body).hexdigest()


def test_an_image_that_was_replaced_meanwhile_is_not_taken_for_the_first(bucket: Bucket) -> None:
    first = put(bucket, b"0123456789")
    put(bucket, b"abcdefghij")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        bucket.inbox.sha256(first)


def test_an_image_is_read_in_pieces(bucket: Bucket) -> None:
    reader = bucket.inbox.reader(put(bucket, b"0123456789"))
    assert reader.size == 10
    assert reader.read(0, 4) == b"0123"
    assert reader.read(4, 1) == b"4"
    assert reader.read(8, 100) == b"89"


@pytest.mark.parametrize(("offset", "length"), [(10, 1), (99, 5), (3, 0), (3, -1)])
def test_reading_no_bytes_sends_no_request(offset: int, length: int) -> None:
    client = boto3.client("s3")
    with Stubber(client):  # any request would fail
        image = Drop(KEY, '"e"', 10, NOW)
        assert Inbox(client, "inbox").reader(image).read(offset, length) == b""


def test_an_image_that_was_replaced_meanwhile_is_not_read_on(bucket: Bucket) -> None:
    reader = bucket.inbox.reader(put(bucket, b"0123456789"))
    put(bucket, b"abcdefghij")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        reader.read(4, 4)
