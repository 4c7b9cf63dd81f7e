from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.parameters import SecretsProvider
from moto import mock_aws

from dropreel.errors import SettingsError
from dropreel.providers.keys import ProviderKeys

SECRET = "provider-keys"
FIVE_MINUTES = timedelta(minutes=5)


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


def test_a_mended_secret_is_read_at_once_after_one_that_was_not_json(safe: Safe) -> None:
    safe.put("luma: key")
    with pytest.raises(SettingsError):
        safe.keys.key("luma")
    safe.put('{"luma": "luma-key"}')
    assert safe.keys.key("luma") == "luma-key"


def test_a_secret_that_cannot_be_read_is_an_error_of_settings(safe: Safe) -> None:
    keys = ProviderKeys(safe.secrets, "no-such-secret")
    with pytest.raises(SettingsError, match="cannot be read"):
        keys.key("luma")
