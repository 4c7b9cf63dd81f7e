"""An address under which a provider fetches the image lives as long as the order may queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from dropreel.clips.addresses import LIFETIME_S, SESSION_S, ImageAddresses
from dropreel.errors import AddressTooShortError
from local.faults.services import IMAGE_READER, Sts
from tests.support.aws import Clock

KEY = "sources/0123456789abcdef01234567.jpg"


class ShortSts(Sts):
    """An administrator has limited sessions, or the clocks differ."""

    def __init__(self, clock: Clock, seconds: int) -> None:
        super().__init__(clock)
        self._seconds = seconds

    def assume_role(self, **request: Any) -> dict[str, Any]:
        return super().assume_role(**{**request, "DurationSeconds": self._seconds})


def s3(credentials: Mapping[str, str]) -> Any:
    config = Config(signature_version="s3v4")
    return boto3.client("s3", region_name="eu-central-1", config=config, **credentials)  # type: ignore[call-overload]


def addresses(sts: Any, role: str = IMAGE_READER) -> ImageAddresses:
    return ImageAddresses(sts, role, "clips", s3, Clock())


def test_an_address_is_signed_by_the_assumed_role_and_ends_with_its_session() -> None:
    signed = urlsplit(addresses(Sts(Clock())).session()(KEY))
    query = {name: value for name, (value,) in parse_qs(signed.query).items()}
    assert signed.path == f"/{KEY}"
    assert query["X-Amz-Credential"].startswith("made-up/")
    assert query["X-Amz-Security-Token"] == "made-up"
    assert query["X-Amz-Expires"] == str(SESSION_S)


def test_each_address_has_a_session_of_its_own() -> None:
    clock, sessions = Clock(), []

    def client(credentials: Mapping[str, str]) -> Any:
        sessions.append(clock())
        return s3(credentials)

    sts: Any = Sts(clock)
    signing = ImageAddresses(sts, IMAGE_READER, "clips", client, clock)
    signing.session()(KEY)
    clock.pass_time(minutes=50)
    assert f"X-Amz-Expires={SESSION_S}" in signing.session()(KEY)
    assert len(sessions) == 2


@pytest.mark.parametrize("seconds", [900, LIFETIME_S - 1])
def test_an_address_that_would_end_too_early_is_not_given_out(seconds: int) -> None:
    with pytest.raises(AddressTooShortError, match=str(seconds)):
        addresses(ShortSts(Clock(), seconds)).session()(KEY)


def test_a_session_that_is_just_long_enough_is_used_to_its_end_and_no_longer() -> None:
    signed = addresses(ShortSts(Clock(), LIFETIME_S)).session()(KEY)
    assert f"X-Amz-Expires={LIFETIME_S}" in signed


def test_a_role_that_cannot_be_assumed_gives_no_address() -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        addresses(Sts(Clock()), role="arn:aws:iam::111122223333:role/other").session()(KEY)
