"""Puts the adapters together for a function: clients built once per container."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from boto3.session import Session
from botocore.config import Config

from dropreel.clips.bucket import ClipsBucket
from dropreel.lazy import lazy
from dropreel.ledger.slots import Slots
from dropreel.ledger.table import Table
from dropreel.settings import LedgerSettings, ProviderSettings, SlotSettings, TableSettings

if TYPE_CHECKING:
    import httpx

    from dropreel.providers.base import Provider
    from dropreel.providers.keys import ProviderKeys


def new_session() -> Session:
    """With the function's own role."""
    return Session()


def table(settings: TableSettings, session: Session) -> Table:
    return Table(session.client("dynamodb"), settings.ledger_table)


def clips(settings: LedgerSettings, session: Session) -> ClipsBucket:
    """SigV4 and the bucket's own host name by force: providers refuse what boto3 signs by default
    in old regions. An endpoint given from outside has no host names for buckets."""
    embedded = "AWS_ENDPOINT_URL" in os.environ
    config = Config(
        signature_version="s3v4", s3={"addressing_style": "path" if embedded else "virtual"}
    )
    client = lazy(lambda: session.client("s3", config=config))
    return ClipsBucket(client, settings.clips_bucket)


def slots(settings: SlotSettings, items: Table, session: Session) -> Slots:
    workflow = lazy(lambda: session.client("stepfunctions"))  # most invocations wake nobody

    def wake(token: str, word: Mapping[str, Any]) -> bool:
        gone = workflow.exceptions
        try:
            workflow.send_task_success(taskToken=token, output=json.dumps(word))
        except (gone.TaskDoesNotExist, gone.TaskTimedOut, gone.InvalidToken):
            return False
        return True

    lease = 2 * 60 * settings.job_deadline_minutes
    limits = {str(name): limit for name, limit in settings.provider_limits.items()}
    return Slots(items, limits, wake, lease_s=lease, now=time.time)


def providers(
    settings: Callable[[], ProviderSettings], session: Session
) -> Callable[[str], Provider]:
    """Adapters by name, sharing one HTTP client and one cache of keys.

    `settings` is called when one is needed, so that wrong settings do not keep a function from
    telling people about them. HTTP is loaded here, for half of the functions do without.
    """
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

    from dropreel.providers import registry
    from dropreel.providers.client import new_client
    from dropreel.providers.keys import ProviderKeys

    @cache
    def shared() -> tuple[ProviderSettings, ProviderKeys, httpx.Client]:
        given, secrets = settings(), SecretsProvider(boto3_session=session)
        return given, ProviderKeys(secrets, given.provider_keys_secret), new_client()

    @cache
    def adapter(name: str) -> Provider:
        given, keys, http = shared()
        return registry.build(name, given.provider_options, keys, http)

    return adapter
