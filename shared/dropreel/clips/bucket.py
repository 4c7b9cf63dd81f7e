"""The clips bucket: pinned sources, thumbnails, clips, and the JSON records beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from dropreel.jobs.job import Job
from dropreel.providers.base import ClipRequest

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from dropreel.drops.inbox import Drop


class ClipsBucket:
    """One bucket. `sources/` and `thumbnails/` expire, `clips/` is what people keep."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self.client = client
        self.bucket = bucket

    def pin(self, inbox: str, image: Drop, key: str, media_type: str) -> None:
        """Copy `image` as it is now to `key`, under its true content type.

        The copy outlives what the dropper does to the file, and its plain key and type suit
        providers that stumble over odd ones. It takes no tags along: copying those asks for
        permissions of their own.
        """
        self.client.copy_object(
            Bucket=self.bucket,
            Key=key,
            CopySource={"Bucket": inbox, "Key": image.key},
            CopySourceIfMatch=image.etag,
            ContentType=media_type,
            MetadataDirective="REPLACE",
            TaggingDirective="REPLACE",
        )

    def address(self, key: str) -> str:
        """Where an object lies. It opens nothing: the signature is cut off."""
        signed = self.client.generate_presigned_url(
            "get_object", Params={"Bucket": self.bucket, "Key": key}
        )
        return signed.partition("?")[0]

    def has(self, key: str) -> bool:
        try:
            self.client.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"].get("Code") in ("404", "NoSuchKey", "NotFound"):
                return False
            raise
        return True

    def page_url(self, key: str, seconds: int, disposition: str = "") -> str:
        """A presigned address for a browser; `disposition` names the file that is downloaded."""
        place = {"Bucket": self.bucket, "Key": key}
        named = {"ResponseContentDisposition": disposition} if disposition else {}
        return self.client.generate_presigned_url(
            "get_object", Params={**place, **named}, ExpiresIn=seconds
        )

    def load(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def put_thumbnail(self, job_id: str, body: bytes) -> None:
        self.client.put_object(
            Bucket=self.bucket, Key=thumbnail_key(job_id), Body=body, ContentType="image/jpeg"
        )

    def thumbnail(self, job_id: str) -> bytes | None:
        """The thumbnail of a job, if there is one that can be read."""
        try:
            return self.load(thumbnail_key(job_id))
        except (BotoCoreError, ClientError):
            return None

    def put_record(self, key: str, record: Mapping[str, Any]) -> None:
        self.client.put_object(
            Bucket=self.bucket,
            Key=key,
            Body=json.dumps(record, indent=2, ensure_ascii=False, default=str).encode(),
            ContentType="application/json",
        )


def order_of(job: Job, sign: Callable[[str], str]) -> ClipRequest:
    """The job's order as its provider gets it; `sign` makes addresses of pinned images."""
    settings = job.settings
    return ClipRequest(
        job_id=job.job_id,
        image_url=sign(job.source.pinned_key),
        prompt=settings.prompt,
        aspect_ratio=settings.aspect_ratio,
        resolution=settings.resolution,
        duration=settings.duration,
        loop=settings.loop,
        reference_image_urls=tuple(
            place if place.startswith("https://") else sign(place)
            for place in settings.reference_image_urls
        ),
    )


def thumbnail_key(job_id: str) -> str:
    return f"thumbnails/{job_id}.jpg"
