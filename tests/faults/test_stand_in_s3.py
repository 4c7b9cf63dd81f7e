"""The stand-in for S3 does what moto does, call by call, and refuses what AWS refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from dropreel.clips.upload import upload_clip
from local.faults.s3 import S3
from local.faults.taps import Tap
from local.faults.wire import Wire
from tests.support.aws import Aws
from tests.support.stand_ins import NOW, outcome

ETAG = '"5d41402abc4b2a76b9719d911017c592"'  # of "hello"
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("head_object", {"Key": "a/photo.jpg"}),
    ("head_object", {"Key": "gone"}),
    ("get_object", {"Key": "a/photo.jpg"}),
    ("get_object", {"Key": "a/photo.jpg", "Range": "bytes=1-3"}),
    ("get_object", {"Key": "a/photo.jpg", "Range": "bytes=0-999"}),
    ("get_object", {"Key": "a/photo.jpg", "IfMatch": ETAG}),
    ("get_object", {"Key": "a/photo.jpg", "IfMatch": '"other"'}),
    ("get_object", {"Key": "gone"}),
    ("list_objects_v2", {"Prefix": "a/"}),
    ("list_objects_v2", {"Prefix": "b/"}),
    ("copy_object", {"Key": "sources/1.jpg", "CopySourceIfMatch": ETAG}),
]


def test_buckets_do_what_moto_does(aws: Aws) -> None:
    ours = S3(lambda: NOW)
    for client in (aws.s3, ours):
        client.put_object(
            Bucket="inbox", Key="a/photo.jpg", Body=BytesIO(b"hello"), Metadata={"prompt": "x"}
        )
    for name, given in CALLS:
        request = {"Bucket": "inbox", **given}
        if name == "copy_object":
            request["CopySource"] = {"Bucket": "inbox", "Key": "a/photo.jpg"}
            request |= {"ContentType": "image/jpeg", "MetadataDirective": "REPLACE"}
            request |= {"TaggingDirective": "REPLACE"}
        found = [shown(client, name, request) for client in (aws.s3, ours)]
        assert found[0] == found[1], (name, given)


def shown(client: Any, name: str, request: dict[str, Any]) -> Any:
    """What the functions use of an answer."""
    answer = outcome(lambda: getattr(client, name)(**request))
    if not isinstance(answer, dict):
        return answer
    if "Body" in answer:
        return answer["ETag"], answer["Body"].read()
    listed = [item["Key"] for item in answer.get("Contents", [])]
    return listed, answer.get("ETag"), answer.get("ContentLength"), answer.get("Metadata")


@dataclass
class Passing:
    """A wire that lets every call through and notes it."""

    calls: list[str] = field(default_factory=list)

    def tell(self, label: str, request: object) -> None:
        """Nobody listens."""

    def call(self, label: str, do: Callable[[], Any], _: object) -> Any:
        self.calls.append(label)
        return do()


def test_an_upload_is_the_one_call_that_boto3_makes_of_a_small_file(aws: Aws) -> None:
    ours, wire = S3(lambda: NOW), Passing()
    tap: Any = Tap(ours, "s3", cast("Wire", wire))
    for client in (aws.s3, tap):
        upload_clip(client, "clips", "clips/a.mp4", [b"he", b"llo"], {"job-id": "j1"})
    for call in ("head_object", "get_object"):
        request = {"Bucket": "clips", "Key": "clips/a.mp4"}
        assert shown(aws.s3, call, request) == shown(ours, call, request)
    assert wire.calls == ["s3.put_object"]


def test_a_copy_of_another_version_is_refused() -> None:
    """As AWS does it; moto copies whatever lies there."""
    s3 = S3(lambda: NOW)
    s3.put_object(Bucket="inbox", Key="a/photo.jpg", Body=b"hello")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.copy_object(
            Bucket="clips",
            Key="sources/1.jpg",
            CopySource={"Bucket": "inbox", "Key": "a/photo.jpg"},
            CopySourceIfMatch='"other"',
            ContentType="image/jpeg",
            MetadataDirective="REPLACE",
            TaggingDirective="REPLACE",
        )
    assert s3.keys("clips") == []


def test_a_presigned_url_expires() -> None:
    times = [NOW, NOW, NOW + timedelta(minutes=9), NOW + timedelta(minutes=11)]
    s3 = S3(lambda: times.pop(0))
    s3.put_object(Bucket="clips", Key="sources/1 ä.jpg", Body=b"picture")
    url = s3.generate_presigned_url(
        "get_object", {"Bucket": "clips", "Key": "sources/1 ä.jpg"}, 600
    )
    assert s3.fetch(url) == b"picture"
    assert s3.fetch(url) is None


def test_an_upload_in_parts_has_the_etag_that_moto_gives_it(aws: Aws) -> None:
    body, place = bytes(range(256)) * 40_960, {"Bucket": "inbox", "Key": "large.jpg"}
    upload = aws.s3.create_multipart_upload(**place)["UploadId"]
    half = len(body) // 2
    parts: list[Any] = [
        {
            "PartNumber": number,
            "ETag": aws.s3.upload_part(**place, UploadId=upload, PartNumber=number, Body=part)[
                "ETag"
            ],
        }
        for number, part in enumerate((body[:half], body[half:]), 1)
    ]
    aws.s3.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": parts})
    ours = S3(lambda: NOW)
    ours.upload_in_parts("inbox", "large.jpg", body, 2)
    etags = [client.head_object(**place)["ETag"] for client in (aws.s3, ours)]
    assert etags[0] == etags[1]
    assert etags[0].endswith('-2"')
