"""What is told about the account before anything is built, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from local.deploy import account
from local.deploy.account import Account
from local.deploy.errors import NotDoneError


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


def test_without_a_region_it_says_how_to_name_one() -> None:
    with pytest.raises(NotDoneError, match="make deploy REGION="):
        account.session({})


@pytest.mark.parametrize("name", ["REGION", "AWS_REGION"])
def test_the_region_may_be_named_in_two_ways(name: str) -> None:
    assert account.session({name: "eu-central-1"}).region_name == "eu-central-1"


def test_without_credentials_it_says_how_to_enter_some() -> None:
    with pytest.raises(NotDoneError, match="no AWS credentials"):
        account.check(account.session({"REGION": "eu-central-1"}))


def test_a_profile_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(NotDoneError, match="nobody"):
        account.session({"REGION": "eu-central-1"})


@pytest.mark.usefixtures("credentials")
def test_a_region_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nobody listens
    with pytest.raises(NotDoneError, match="there is no such region, or no network"):
        account.check(boto3.session.Session(region_name="eu-nowhere-1"))


@pytest.mark.usefixtures("credentials")
def test_account_and_user_are_those_of_the_credentials() -> None:
    with mock_aws():
        found = account.check(account.session({"REGION": "eu-central-1"}))
    assert (found.number, found.region) == ("123456789012", "eu-central-1")
    assert found.user.startswith("arn:aws:")


@pytest.mark.parametrize(
    ("functions", "told"),
    [
        (10, ["region: 10\n", "That is few", "eu-central-1.console.aws.amazon.com/servicequotas"]),
        (1000, ["region: 1000"]),
        (None, ["region: cannot be read"]),
    ],
)
def test_the_quota_is_told_with_what_it_means(functions: int | None, told: list[str]) -> None:
    said = account.describe(Account("123456789012", "arn:x", "eu-central-1", functions))
    assert [text for text in told if text not in said] == []
    assert ("That is few" in said) == (functions == 10)
