from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.parameters import SecretsProvider
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from moto import mock_aws

from dropreel.errors import KeyUnreadableError, SettingsError
from dropreel.providers.keys import ProviderKeys

SECRET = "provider-keys"
FIVE_MINUTES = timedelta(minutes=5)


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "s3cr3t"}}, "GetSecretValue")


class Safe:
    """The secret, and the provider of secrets that the functions have."""

    def __init__(self) -> None:
        self._client = boto3.client("secretsmanager")
        self._client.create_secret(Name=SECRET, SecretString="{}")
        self.secrets = SecretsProvider(boto3_client=self._client)
        self.keys = ProviderKeys(self.secrets, SECRET)

    def put(self, text: str | bytes) -> None:
        kind = "SecretBinary" if isinstance(text, bytes) else "SecretString"
        put: Any = self._client.put_secret_value
        put(SecretId=SECRET, **{kind: text})

    def fail_with(self, error: Exception) -> None:
        def get(**_: Any) -> Any:
            raise error

        client: Any = self._client
        client.get_secret_value = get

    def pass_time(self, amount: timedelta) -> None:
        for name, kept in self.secrets.store.items():
            self.secrets.store[name] = kept._replace(ttl=kept.ttl - amount)


@pytest.fixture
def safe() -> Iterator[Safe]:
    with mock_aws():
        yield Safe()


def test_a_key_is_read_by_the_providers_name(safe: Safe) -> None:
    safe.put('{"fal": "fal-key", "luma": " luma-key\\n"}')
    assert safe.keys.key("fal") == "fal-key"
    assert safe.keys.key("luma") == "luma-key"


def test_a_secret_may_be_stored_as_bytes(safe: Safe) -> None:
    safe.put(b'{"fal": "fal-key"}')
    assert safe.keys.key("fal") == "fal-key"


def test_a_key_is_kept_for_five_minutes(safe: Safe) -> None:
    safe.put('{"luma": "old"}')
    assert safe.keys.key("luma") == "old"
    safe.put('{"luma": "new"}')
    safe.pass_time(FIVE_MINUTES - timedelta(seconds=30))
    assert safe.keys.key("luma") == "old"
    safe.pass_time(timedelta(seconds=31))
    assert safe.keys.key("luma") == "new"


def test_a_missing_key_counts_as_soon_as_it_is_entered(safe: Safe) -> None:
    safe.put('{"fal": "there"}')
    with pytest.raises(SettingsError):
        safe.keys.key("luma")
    safe.put('{"fal": "there", "luma": "entered"}')
    assert safe.keys.key("luma") == "entered"


def test_a_fresh_key_comes_from_the_secret_itself_and_is_kept_for_the_next(safe: Safe) -> None:
    safe.put('{"luma": "old"}')
    safe.keys.key("luma")
    safe.put('{"luma": "new"}')
    assert safe.keys.key("luma", fresh=True) == "new"
    assert safe.keys.key("luma") == "new"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('{"fal": "s3cr3t"}', "holds no key for luma"),
        ('{"luma": "", "fal": "s3cr3t"}', "holds no key for luma"),
        ('{"luma": "  ", "fal": "s3cr3t"}', "holds no key for luma"),
        ('{"luma": {"key": "s3cr3t"}}', "holds no key for luma"),
        ('{"luma": null, "fal": "s3cr3t"}', "holds no key for luma"),
        ("s3cr3t", "is not JSON"),
        ('{"luma": "s3cr3t"', "is not JSON"),
        (b'{"luma": "s3cr3t\xff"}', "is not JSON"),
        ('"s3cr3t"', "is not a JSON object"),
        ('["s3cr3t"]', "is not a JSON object"),
    ],
)
def test_a_secret_without_the_key_is_named_without_its_content(
    safe: Safe, content: str | bytes, complaint: str
) -> None:
    safe.put(content)
    with pytest.raises(SettingsError, match=complaint) as caught:
        safe.keys.key("luma")
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_corrected_secret_is_read_at_once_after_one_that_was_not_json(safe: Safe) -> None:
    safe.put("luma: key")
    with pytest.raises(SettingsError):
        safe.keys.key("luma")
    safe.put('{"luma": "luma-key"}')
    assert safe.keys.key("luma") == "luma-key"


def test_a_secret_that_is_not_there_is_an_error_of_settings(safe: Safe) -> None:
    keys = ProviderKeys(safe.secrets, "no-such-secret")
    with pytest.raises(SettingsError, match="cannot be read"):
        keys.key("luma")


@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "ResourceNotFoundException", "InvalidRequestException"]
)
def test_a_refusal_that_stays_is_an_error_of_settings(safe: Safe, code: str) -> None:
    safe.fail_with(refused(code))
    with pytest.raises(SettingsError, match="cannot be read"):
        safe.keys.key("luma")


PASSING = [
    refused("ThrottlingException"),
    refused("InternalServiceError"),
    refused("DecryptionFailure"),
    refused("ExpiredTokenException"),
    EndpointConnectionError(endpoint_url="https://secretsmanager.example"),
    ReadTimeoutError(endpoint_url="https://secretsmanager.example"),
    RuntimeError("something else"),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_an_error_that_may_pass_says_nothing_about_the_key(safe: Safe, error: Exception) -> None:
    safe.fail_with(error)
    with pytest.raises(KeyUnreadableError, match="just now"):
        safe.keys.key("luma")


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_an_old_key_is_used_while_no_newer_one_can_be_read(safe: Safe, error: Exception) -> None:
    safe.put('{"luma": "old"}')
    assert safe.keys.key("luma") == "old"
    safe.pass_time(2 * FIVE_MINUTES)
    safe.fail_with(error)
    assert safe.keys.key("luma") == "old"


def test_a_fresh_key_is_never_an_old_one(safe: Safe) -> None:
    safe.put('{"luma": "old"}')
    safe.keys.key("luma")
    safe.fail_with(refused("ThrottlingException"))
    with pytest.raises(KeyUnreadableError):
        safe.keys.key("luma", fresh=True)


def test_an_old_key_is_not_used_when_the_secret_may_be_read_no_longer(safe: Safe) -> None:
    safe.put('{"luma": "old"}')
    safe.keys.key("luma")
    safe.pass_time(2 * FIVE_MINUTES)
    safe.fail_with(refused("AccessDeniedException"))
    with pytest.raises(SettingsError):
        safe.keys.key("luma")
