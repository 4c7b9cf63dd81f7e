"""The deployed functions in process: their own handlers, on clients whose calls use the wire.

Every invocation builds its adapters anew, as a cold container does.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import httpx
from aws_lambda_powertools.utilities.parameters import SecretsProvider

from dropreel import observability
from dropreel.clips.bucket import ClipsBucket
from dropreel.drops.inbox import Inbox
from dropreel.ledger.breaker import Breaker
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.runtimes import MeasuredRuntimes
from dropreel.ledger.slots import Slots
from dropreel.ledger.table import Table
from dropreel.mail.alerts import Alerts
from dropreel.mail.once import SendOnce
from dropreel.mail.publisher import Publisher
from dropreel.money.budget import Caps
from dropreel.money.policy import SpendingRules
from dropreel.money.pricing import PriceList
from dropreel.observability import logger, metrics
from dropreel.providers import registry
from dropreel.providers.base import Provider
from dropreel.providers.client import new_client
from dropreel.providers.keys import ProviderKeys
from dropreel.providers.limits import Limit
from dropreel.settings import SubmitSettings
from dropreel.steps.finalize import Finalize
from dropreel.steps.generate import Generate
from dropreel.steps.poll import Poll
from dropreel.steps.submit import Submit
from dropreel.steps.sweep import Sweep
from dropreel.steps.watch import Watcher
from dropreel.waiting.schedule import LONGEST_WATCH_S
from local.faults.dynamo import Dynamo
from local.faults.provider import NAMES, Clock, Providers, Transport
from local.faults.s3 import S3
from local.faults.services import MACHINE, OPERATORS, RESULTS, Secrets, Sns, Sqs, StepFunctions
from local.faults.taps import Tap
from local.faults.wire import Invocation, Reply, Wire

# Seconds after which Lambda ends a function; `tests/faults` compares them with template.yaml.
TIMEOUTS = {"submit": 60, "slot": 60, "generate": 60, "poll": 85, "finalize": 840, "sweep": 600}
BUILDERS = {
    "submit": "intake",
    "slot": "parts",
    "generate": "generation",
    "poll": "polling",
    "finalize": "delivery",
    "sweep": "sweep",
}

ESTIMATE_USD = Decimal("0.60")  # no provider's true price, so that true-ups show
DEADLINE = timedelta(minutes=10)
MAX_ORDERS = 2
GRACE_S = 900
_PRICES = {name: {"5s": {"540p": ESTIMATE_USD}} for name in NAMES}
_RULES = SpendingRules(
    caps=Caps(job=Decimal(5), day=Decimal(25), month=Decimal(250)), prices=PriceList(_PRICES)
)
_SUBMIT = SubmitSettings(
    ledger_table="ledger",
    clips_bucket="clips",
    results_topic_arn=RESULTS,
    aws_region="us-east-1",
    inbox_bucket="inbox",
    ingest_queue_url="https://queue/ingest",
    thumbnail_function="thumbnail",
    state_machine_arn=MACHINE,
    providers=NAMES,
    sidecar_grace_seconds=GRACE_S,
    digest_above=0,
    digest_minutes=10,
    price_overrides=json.dumps(_PRICES, default=str),
)


@dataclass(frozen=True)
class Context:
    """What Lambda tells a function about its invocation."""

    function_name: str
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:111122223333:function:function"
    aws_request_id: str = "52fdfc07-2182-154f-163f-5f0f9a621d72"

    def get_remaining_time_in_millis(self) -> int:
        """All of it: in a play functions take no time."""
        return 1000 * TIMEOUTS[self.function_name]


@dataclass(frozen=True)
class Clients:
    """AWS as the functions see it."""

    s3: S3
    dynamo: Dynamo
    sns: Sns
    sqs: Sqs
    workflow: StepFunctions
    secrets: Secrets


class Functions:
    """Builds and calls the functions."""

    def __init__(
        self,
        clients: Clients,
        providers: Providers,
        clock: Clock,
        wire: Wire,
        sleep: Callable[[float], None],
    ) -> None:
        self._clients = clients
        self._sleep = sleep
        self._clock = clock
        self._wire = wire
        self._options = providers.options()
        self._trusted = frozenset({providers.origin})
        self.failover: tuple[str, ...] = ()
        self.limits: Mapping[str, Limit] = {}
        self._http = new_client(Transport(providers, wire))
        self._build: dict[str, Callable[[], Any]] = {
            "submit": self._intake,
            "slot": self._line,
            "generate": self._generation,
            "poll": self._polling,
            "finalize": self._delivery,
            "sweep": self._sweep,
        }

    @property
    def http(self) -> httpx.Client:
        return self._http

    def invoke(self, invocation: Invocation) -> Reply:
        """Run a function's handler; event and answer travel as JSON, as they do in AWS."""
        name = invocation.function
        module: Any = import_module(f"functions.{name}.handler")
        event = json.loads(json.dumps(invocation.event))
        made: list[Any] = []

        def builder() -> Any:
            if not made:
                made.append(self._build[name]())
            return made[0]

        def run() -> Any:
            with (
                warnings.catch_warnings(),
                _attributes(module, {BUILDERS[name]: builder}),
            ):
                warnings.filterwarnings("ignore", message="No application metrics")
                try:
                    return json.loads(json.dumps(module.handler(event, Context(name))))
                finally:
                    metrics.clear_metrics()

        return self._wire.invoke(invocation, run, TIMEOUTS[name])

    # --- as the handlers build them -------------------------------------------------------------

    def _tap(self, service: str, client: Any) -> Any:
        return Tap(client, service, self._wire)

    def _table(self) -> Table:
        client = self._tap("dynamodb", self._clients.dynamo)
        return Table(client, "ledger", sleep=lambda _: None)

    def _clips(self) -> ClipsBucket:
        return ClipsBucket(self._tap("s3", self._clients.s3), "clips")

    def _publisher(self, topic: str) -> Publisher:
        return Publisher(self._tap("sns", self._clients.sns), topic)

    def _providers(self) -> Callable[[str], Provider]:
        secrets = self._tap("secretsmanager", self._clients.secrets)
        keys = ProviderKeys(SecretsProvider(boto3_client=secrets), "keys")
        made: dict[str, Provider] = {}

        def provider(name: str) -> Provider:
            if name not in made:
                made[name] = registry.build(name, self._options, keys, self._http)
            return made[name]

        return provider

    def _line(self) -> tuple[Ledger, Slots]:
        table = self._table()
        return Ledger(table), self._slots(table)

    def _slots(self, table: Table) -> Slots:
        workflow = self._tap("stepfunctions", self._clients.workflow)
        gone = workflow.exceptions

        def wake(token: str, word: Mapping[str, Any]) -> bool:
            try:
                workflow.send_task_success(taskToken=token, output=json.dumps(word))
            except (gone.TaskDoesNotExist, gone.TaskTimedOut, gone.InvalidToken):
                return False
            return True

        lease_s = 2 * int(DEADLINE.total_seconds())
        return Slots(table, self.limits, wake, lease_s=lease_s, now=self._clock.now)

    def _intake(self) -> Submit:
        return Submit(
            _SUBMIT,
            inbox=Inbox(self._tap("s3", self._clients.s3), "inbox"),
            clips=self._clips(),
            table=self._table(),
            publisher=self._publisher(RESULTS),
            queue=self._tap("sqs", self._clients.sqs),
            workflow=self._tap("stepfunctions", self._clients.workflow),
            now=self._clock.moment,
        )

    def _watcher(self, table: Table) -> Watcher:
        measured, moment = MeasuredRuntimes(table), self._clock.moment
        return Watcher(measured, longest_s=LONGEST_WATCH_S, now=moment, sleep=self._sleep)

    def _generation(self) -> Generate:
        table = self._table()
        operators = self._publisher(OPERATORS)
        return Generate(
            ledger=Ledger(table),
            clips=self._clips(),
            provider=self._providers(),
            watcher=self._watcher(table),
            rules=replace(_RULES, failover=self.failover),
            breaker=Breaker(table),
            alerts=Alerts(SendOnce(table), operators, self._clock.moment),
            slots=self._slots(table),
            deadline=DEADLINE,
            source_url_seconds=21600,
            now=self._clock.moment,
        )

    def _polling(self) -> Poll:
        table = self._table()
        return Poll(
            ledger=Ledger(table),
            slots=self._slots(table),
            clips=self._clips(),
            provider=self._providers(),
            watcher=self._watcher(table),
            max_orders=MAX_ORDERS,
            deadline=DEADLINE,
            now=self._clock.moment,
        )

    def _delivery(self) -> Finalize:
        return Finalize(
            table=self._table(),
            clips=self._clips(),
            provider=self._providers(),
            http=self._http,
            results=self._publisher(RESULTS),
            operators=self._publisher(OPERATORS),
            region="us-east-1",
            trusted_origins=self._trusted,
            max_clip_bytes=1 << 26,
            now=self._clock.moment,
        )

    def _sweep(self) -> Sweep:
        table = self._table()
        return Sweep(
            table=table,
            slots=self._slots(table),
            clips=self._clips(),
            provider=self._providers(),
            workflow=self._tap("stepfunctions", self._clients.workflow),
            machine_arn=MACHINE,
            deadline=DEADLINE,
            cancel_stalled=False,
            caps=_RULES.caps,
            now=self._clock.moment,
        )


@contextmanager
def _attributes(module: Any, values: dict[str, Any]) -> Iterator[None]:
    before = {name: getattr(module, name) for name in values}
    for name, value in values.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


@contextmanager
def _unnoticed(*_: Any) -> Iterator[Any]:
    yield SimpleNamespace(add_dimension=lambda *_: None)


@contextmanager
def quiet() -> Iterator[None]:
    """No logs and no metrics: thousands of faults would fill the screen with what is wanted."""
    level, disabled = logger.log_level, os.environ.get("POWERTOOLS_METRICS_DISABLED")
    logger.setLevel(logging.CRITICAL)
    os.environ["POWERTOOLS_METRICS_DISABLED"] = "true"
    try:
        with _attributes(observability, {"single_metric": _unnoticed}):  # printed even then
            yield
    finally:
        logger.setLevel(level)
        if disabled is None:
            del os.environ["POWERTOOLS_METRICS_DISABLED"]
        else:
            os.environ["POWERTOOLS_METRICS_DISABLED"] = disabled
