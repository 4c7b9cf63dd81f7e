"""The addresses under which a provider fetches the images of an order.

A presigned address ends with the session that signed it, and nothing tells a function when its own
session ends. So a role is assumed for each order. Invariant: an order goes out only with addresses
that live for LIFETIME_S from their signing, because a session that is shorter is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from dropreel.errors import AddressTooShortError
from dropreel.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sts import STSClient

# The most that AWS gives to a role which another role assumes ("role chaining" in the IAM guide).
SESSION_S = 3600
LIFETIME_S = 58 * 60  # what a provider gets at least; clocks differ a little


class ImageSettings(Settings):
    image_reader_role_arn: str


@dataclass(frozen=True, slots=True)
class ImageAddresses:
    """Signs addresses with `role`, which may read images. `s3` makes a client of its session."""

    sts: STSClient
    role: str
    bucket: str
    s3: Callable[[Mapping[str, str]], S3Client]
    now: Callable[[], datetime]

    def session(self) -> Callable[[str], str]:
        """Makes addresses of images by their keys, good for LIFETIME_S or longer from now.

        Raises AddressTooShortError, and what boto3 raises where the role cannot be assumed.
        """
        session = self.sts.assume_role(
            RoleArn=self.role, RoleSessionName="image", DurationSeconds=SESSION_S
        )["Credentials"]
        left_s = int((session["Expiration"] - self.now()).total_seconds())
        if left_s < LIFETIME_S:
            raise AddressTooShortError(f"the images' addresses would end in {left_s} seconds")
        client = self.s3(
            {
                "aws_access_key_id": session["AccessKeyId"],
                "aws_secret_access_key": session["SecretAccessKey"],
                "aws_session_token": session["SessionToken"],
            }
        )
        return lambda key: client.generate_presigned_url(
            "get_object",
            Params={"Bucket": self.bucket, "Key": key},
            ExpiresIn=min(left_s, SESSION_S),
        )
