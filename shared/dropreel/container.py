"""Settings, clients and adapters of one process, each made when it is first asked for.

The handlers, the fault matrix and the tests all take their steps from a container. A property
imports what it builds, and nothing else: most functions load neither HTTP nor the rules for money.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, cast

from boto3.session import Session as Boto3Session

from dropreel.settings import ClipsSettings, Settings, TableSettings

if TYPE_CHECKING:
    import httpx

    from dropreel.clips.addresses import ImageAddresses
    from dropreel.clips.bucket import ClipsBucket
    from dropreel.ledger.batches import Batches
    from dropreel.ledger.groups import Groups
    from dropreel.ledger.jobs import Ledger
    from dropreel.ledger.slots import Slots
    from dropreel.ledger.table import Table
    from dropreel.mail.alerts import Alerts
    from dropreel.mail.digest import Digests, ResultMailer
    from dropreel.mail.message import Links
    from dropreel.mail.once import SendOnce
    from dropreel.mail.publisher import Publisher
    from dropreel.pages.links import PageKey, PageLinks
    from dropreel.providers.base import Provider
    from dropreel.providers.keys import ProviderKeys

T = TypeVar("T")
S = TypeVar("S", bound=Settings)
P = TypeVar("P", bound="Step")


class Session(Protocol):
    """Where clients come from: `boto3.session.Session`, or a stand-in."""

    def client(self, service_name: str, /, **options: Any) -> Any: ...


class Step(Protocol):
    """What a function does, made of what the container holds."""

    @classmethod
    def build(cls, container: Container, /) -> Self: ...


class Container:
    """All that the steps of one process share. `transport` takes the place of the internet."""

    def __init__(
        self,
        environment: Mapping[str, str],
        session: Session,
        *,
        transport: httpx.BaseTransport | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._environment = environment
        self._session = session
        self._transport = transport
        self.now = now
        self.sleep = sleep
        self._read: dict[type[Settings], Settings] = {}
        self._clients: dict[str, Any] = {}
        self._steps: dict[type[Any], Any] = {}

    def step(self, kind: type[P]) -> P:
        """The step of this kind, built once."""
        if kind not in self._steps:
            self._steps[kind] = kind.build(self)
        return cast("P", self._steps[kind])

    def settings(self, kind: type[S]) -> S:
        if kind not in self._read:
            self._read[kind] = kind.read(self._environment)
        return cast("S", self._read[kind])

    def client(self, service: str) -> Any:
        """Made when it is first used: most invocations need two or three of them."""
        if service not in self._clients:
            make = self._s3 if service == "s3" else lambda: self._session.client(service)
            self._clients[service] = lazy(make)
        return self._clients[service]

    def _s3(self, credentials: Mapping[str, str] = MappingProxyType({})) -> Any:
        """SigV4 and the bucket's own host name by force: providers refuse what boto3 signs by
        default in old regions. An endpoint given from outside has no host names for buckets."""
        from botocore.config import Config

        embedded = "AWS_ENDPOINT_URL" in self._environment
        config = Config(
            signature_version="s3v4", s3={"addressing_style": "path" if embedded else "virtual"}
        )
        return self._session.client("s3", config=config, **credentials)

    @cached_property
    def table(self) -> Table:
        from dropreel.ledger.table import Table

        name = self.settings(TableSettings).ledger_table
        return Table(self.client("dynamodb"), name, sleep=self.sleep)

    @cached_property
    def ledger(self) -> Ledger:
        from dropreel.ledger.jobs import Ledger

        return Ledger(self.table)

    @cached_property
    def groups(self) -> Groups:
        from dropreel.ledger.groups import Groups

        return Groups(self.table)

    @cached_property
    def batches(self) -> Batches:
        from dropreel.ledger.batches import Batches

        return Batches(self.table)

    @cached_property
    def clips(self) -> ClipsBucket:
        from dropreel.clips.bucket import ClipsBucket

        return ClipsBucket(self.client("s3"), self.settings(ClipsSettings).clips_bucket)

    @cached_property
    def image_addresses(self) -> ImageAddresses:
        from dropreel.clips.addresses import ImageAddresses, ImageSettings

        role = self.settings(ImageSettings).image_reader_role_arn
        bucket = self.settings(ClipsSettings).clips_bucket
        return ImageAddresses(self.client("sts"), role, bucket, self._s3, self.now)

    @cached_property
    def slots(self) -> Slots:
        from dropreel.ledger.slots import Slots, SlotSettings

        limits = self.settings(SlotSettings).provider_limits
        return Slots(
            self.table,
            {str(name): limit for name, limit in limits.items()},
            self.wake,
            lease_s=2 * int(self.deadline.total_seconds()),
            now=lambda: self.now().timestamp(),
        )

    def wake(self, token: str, granted: Mapping[str, Any]) -> bool:
        workflow = self.client("stepfunctions")
        gone = workflow.exceptions
        try:
            workflow.send_task_success(taskToken=token, output=json.dumps(granted))
        except (gone.TaskDoesNotExist, gone.TaskTimedOut, gone.InvalidToken):
            return False
        return True

    @cached_property
    def deadline(self) -> timedelta:
        from dropreel.ledger.slots import SlotSettings

        return timedelta(minutes=self.settings(SlotSettings).job_deadline_minutes)

    @cached_property
    def http(self) -> httpx.Client:
        from dropreel.providers.client import new_client

        return lazy(lambda: new_client(self._transport))

    @cached_property
    def provider(self) -> Callable[[str], Provider]:
        """Adapters by name, sharing one HTTP client and one cache of keys.

        Nothing is read or loaded before one is needed, so that wrong settings of a provider do not
        keep `finalize` from sending the mails.
        """

        @cache
        def adapter(name: str) -> Provider:
            from dropreel.providers.config import ProviderSettings, build

            options = self.settings(ProviderSettings).provider_options
            return build(name, options, self.keys, self.http)

        return adapter

    @cached_property
    def keys(self) -> ProviderKeys:
        from aws_lambda_powertools.utilities.parameters import SecretsProvider

        from dropreel.providers.config import ProviderSettings
        from dropreel.providers.keys import ProviderKeys

        secrets = SecretsProvider(boto3_client=self._session.client("secretsmanager"))
        return ProviderKeys(secrets, self.settings(ProviderSettings).provider_keys_secret)

    # --- mail -----------------------------------------------------------------------------------

    @cached_property
    def topic(self) -> Publisher:
        from dropreel.mail.publisher import Publisher, ResultsSettings

        return Publisher(self.client("sns"), self.settings(ResultsSettings).results_topic_arn)

    @cached_property
    def results(self) -> ResultMailer:
        from dropreel.mail.digest import DigestSettings, ResultMailer

        settings = self.settings(DigestSettings)
        return ResultMailer(
            self.topic,
            table=self.table,
            batches=self.batches,
            queue=self.client("sqs"),
            queue_url=settings.ingest_queue_url,
            above=settings.digest_above,
            minutes=settings.digest_minutes,
            now=self.now,
        )

    @cached_property
    def digests(self) -> Digests:
        from dropreel.mail.digest import Digests

        return Digests(self.table, self.send_once, self.topic, self.links, self.now)

    @cached_property
    def links(self) -> Links:
        from dropreel.mail.message import Links
        from dropreel.mail.publisher import ResultsSettings

        region = self.settings(ResultsSettings).aws_region
        return Links(region, self.settings(ClipsSettings).clips_bucket)

    @cached_property
    def operators(self) -> Publisher:
        from dropreel.mail.publisher import OperatorsSettings, Publisher

        arn = self.settings(OperatorsSettings).operators_topic_arn
        return Publisher(self.client("sns"), arn)

    @cached_property
    def alerts(self) -> Alerts:
        from dropreel.mail.alerts import Alerts

        return Alerts(self.send_once, self.operators, self.now)

    @cached_property
    def send_once(self) -> SendOnce:
        from dropreel.mail.once import SendOnce

        return SendOnce(self.table)

    # --- pages ----------------------------------------------------------------------------------

    @cached_property
    def page_key(self) -> PageKey:
        from aws_lambda_powertools.utilities.parameters import SecretsProvider

        from dropreel.pages.links import PageKey, PageKeySettings

        secrets = lazy(lambda: SecretsProvider(boto3_client=self._session.client("secretsmanager")))
        return PageKey(secrets, self.settings(PageKeySettings).page_key_secret)

    @cached_property
    def page_links(self) -> PageLinks:
        from dropreel.pages.links import LinkSettings, PageLinks

        settings = self.settings(LinkSettings)
        return PageLinks(
            key=self.page_key, base_url=settings.pages_url, days=settings.link_days, now=self.now
        )


_current: list[Container] = []


def container() -> Container:
    """The container of this process: the function's own environment and role, built once."""
    if not _current:
        _current.append(Container(os.environ, cast("Session", Boto3Session())))
    return _current[-1]


@contextmanager
def using(other: Container) -> Iterator[None]:
    """Let the handlers use another container."""
    _current.append(other)
    try:
        yield
    finally:
        _current.remove(other)


class _Lazy:
    def __init__(self, make: Callable[[], Any]) -> None:
        self._made = cache(make)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._made(), name)


def lazy(make: Callable[[], T]) -> T:
    """Stands for what `make` returns, which is called once, when something of it is wanted."""
    return cast("T", _Lazy(make))
