"""What the policies for people allow, with users who have nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local.embedded_aws import REGION
from tests.e2e.scenarios import Runner
from tests.e2e.world import World
from tests.support.pictures import picture

NAME = "designer"


@contextmanager
def person(world: World, policy: str) -> Iterator[Any]:
    """S3 as a user sees it who has this policy and no other."""
    iam = world.client("iam")
    iam.create_user(UserName=NAME)
    iam.attach_user_policy(UserName=NAME, PolicyArn=world.stack.outputs[policy])
    key = iam.create_access_key(UserName=NAME)["AccessKey"]
    yield boto3.client(
        "s3",
        endpoint_url=world.stack.aws.endpoint,
        region_name=REGION,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    iam.delete_access_key(UserName=NAME, AccessKeyId=key["AccessKeyId"])
    iam.detach_user_policy(UserName=NAME, PolicyArn=world.stack.outputs[policy])
    iam.delete_user(UserName=NAME)


def refused(call: Callable[..., Any], **request: Any) -> bool:
    with pytest.raises(ClientError) as caught:
        call(**request)
    return caught.value.response["Error"]["Code"] in ("AccessDenied", "403")


def test_a_dropper_uploads_and_lists_and_gets_a_clip_and_may_do_no_more(world: World) -> None:
    with person(world, "DroppersPolicyArn") as s3:
        here = {"Bucket": world.inbox, "Key": "people/photo.jpg"}
        s3.put_object(**here, Body=picture(160, 90))
        s3.put_object(Bucket=world.inbox, Key="people/photo.json", Body=b'{"prompt": "people"}')
        listed = s3.list_objects_v2(Bucket=world.inbox, Prefix="people/")
        assert [item["Key"] for item in listed["Contents"]] == [
            "people/photo.jpg",
            "people/photo.json",
        ]
        assert refused(s3.get_object, **here)
        assert refused(s3.delete_object, **here)
        assert refused(s3.put_object, **here, Body=b"", ServerSideEncryption="aws:kms")
        assert refused(s3.put_object, Bucket=world.clips, Key="clips/a.mp4", Body=b"")
        assert refused(s3.list_objects_v2, Bucket=world.clips)
    assert world.end_of("people/photo.jpg").outcome == "delivered"


def test_a_viewer_downloads_clips_and_sees_nothing_else(world: World, runner: Runner) -> None:
    runner.wait_for_all()
    with person(world, "ViewersPolicyArn") as s3:
        listed = s3.list_objects_v2(Bucket=world.clips, Prefix="clips/")["Contents"]
        clip = next(item["Key"] for item in listed if item["Key"].endswith(".mp4"))
        assert s3.get_object(Bucket=world.clips, Key=clip)["ContentLength"] > 0
        assert refused(s3.list_objects_v2, Bucket=world.clips, Prefix="sources/")
        assert refused(s3.get_object, Bucket=world.clips, Key="sources/a.jpg")
        assert refused(s3.put_object, Bucket=world.clips, Key=clip, Body=b"")
        assert refused(s3.list_objects_v2, Bucket=world.inbox)
