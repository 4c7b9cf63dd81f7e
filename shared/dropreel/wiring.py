"""Puts the adapters together for a function: clients built once per container."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from botocore.config import Config

from dropreel.clips import Clips
from dropreel.keys import ProviderKeys
from dropreel.lazy import lazy
from dropreel.providers import registry
from dropreel.providers.base import Provider
from dropreel.providers.http import new_client
from dropreel.settings import LedgerSettings, ProviderSettings
from dropreel.table import Table

if TYPE_CHECKING:
    import httpx
    from boto3.session import Session


def table(settings: LedgerSettings, session: Session) -> Table:
    return Table(session.client("dynamodb"), settings.ledger_table)


def clips(settings: LedgerSettings, session: Session) -> Clips:
    """SigV4 and the bucket's own host name by force: providers refuse what boto3 signs by default
    in old regions. An endpoint given from outside has no host names for buckets."""
    embedded = "AWS_ENDPOINT_URL" in os.environ
    config = Config(
        signature_version="s3v4", s3={"addressing_style": "path" if embedded else "virtual"}
    )
    client = lazy(lambda: session.client("s3", config=config))
    return Clips(client, settings.clips_bucket)


def providers(
    settings: Callable[[], ProviderSettings], session: Session
) -> Callable[[str], Provider]:
    """Adapters by name, sharing one HTTP client and one cache of keys.

    `settings` is called when one is needed, so that wrong settings do not keep a function from
    telling people about them.
    """

    @cache
    def shared() -> tuple[ProviderSettings, ProviderKeys, httpx.Client]:
        given, secrets = settings(), SecretsProvider(boto3_session=session)
        return given, ProviderKeys(secrets, given.provider_keys_secret), new_client()

    @cache
    def adapter(name: str) -> Provider:
        given, keys, http = shared()
        return registry.build(name, given.provider_options, keys, http)

    return adapter
