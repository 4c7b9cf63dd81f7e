"""The deployed functions in process: their own handlers, on clients whose calls use the wire.

Every invocation has a container of its own, as a cold start does: handlers, settings and
composition are those that are deployed, and only the clients are stand-ins.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from dropreel import observability
from dropreel.container import Container, using
from dropreel.observability import logger, metrics
from dropreel.waiting.schedule import LONGEST_WATCH_S
from local.environment import ENVIRONMENT
from local.faults.operating import COMMANDS
from local.faults.provider import NAMES, Clock, Providers, Transport
from local.faults.taps import Tap
from local.faults.wire import Invocation, Reply, Wire

# Seconds after which Lambda ends a function; `tests/faults` compares them with template.yaml.
TIMEOUTS = {"submit": 60, "slot": 60, "generate": 60, "poll": 85, "finalize": 840, "sweep": 600}
COMMAND_S = 60  # after which an operator gives a command up
ESTIMATE_USD = Decimal("0.60")  # no provider's true price, so that true-ups show
DEADLINE = timedelta(minutes=10)
GRACE_S = 900
_PRICES = {name: {"5s": {"540p": str(ESTIMATE_USD)}} for name in NAMES}
_ENVIRONMENT = {
    **ENVIRONMENT,
    "PROVIDERS": ",".join(NAMES),
    "PRICE_OVERRIDES": json.dumps(_PRICES),
    "SIDECAR_GRACE_SECONDS": str(GRACE_S),
    "WATCH_SECONDS": str(LONGEST_WATCH_S),
    "JOB_DEADLINE_MINUTES": str(int(DEADLINE.total_seconds() // 60)),
    "MAX_CLIP_MEGABYTES": "64",
}
_CONTENTION_S = 1.5  # shorter pauses keep writers apart, and take no time in a play


@dataclass(frozen=True)
class Context:
    """What Lambda tells a function about its invocation."""

    function_name: str
    clock: Clock
    begun: float
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:111122223333:function:function"
    aws_request_id: str = "52fdfc07-2182-154f-163f-5f0f9a621d72"

    def get_remaining_time_in_millis(self) -> int:
        """What is left of the function's time; none passes but in slow calls and pauses."""
        passed = self.clock.now() - self.begun
        return max(0, int(1000 * (TIMEOUTS.get(self.function_name, COMMAND_S) - passed)))


class Functions:
    """Calls the functions. `clients` holds AWS as they see it, by service."""

    def __init__(
        self,
        clients: Mapping[str, Any],
        providers: Providers,
        clock: Clock,
        wire: Wire,
        sleep: Callable[[float], None],
    ) -> None:
        self._clients = clients
        self._clock = clock
        self._wire = wire
        self._pass = sleep
        self._transport = Transport(providers, wire)
        self._environment = {
            **_ENVIRONMENT,
            "PROVIDER_OPTIONS": json.dumps(providers.options()),
            "TRUSTED_RESULT_ORIGINS": providers.origin,
        }
        self.parameters: Mapping[str, str] = {}

    def client(self, service_name: str, /, **_: Any) -> Any:
        return Tap(self._clients[service_name], service_name, self._wire)

    def invoke(self, invocation: Invocation) -> Reply:
        """Run a function's handler; event and answer travel as JSON, as they do in AWS."""
        name = invocation.function
        handler = COMMANDS.get(name) or import_module(f"functions.{name}.handler").handler
        event = json.loads(json.dumps(invocation.event))
        container = self._container()
        context = Context(name, self._clock, self._clock.now())

        def run() -> Any:
            with warnings.catch_warnings(), using(container):
                warnings.filterwarnings("ignore", message="No application metrics")
                try:
                    return json.loads(json.dumps(handler(event, context)))
                finally:
                    metrics.clear_metrics()

        return self._wire.invoke(invocation, run, TIMEOUTS.get(name, COMMAND_S))

    def _container(self) -> Container:
        return Container(
            {**self._environment, **self.parameters},
            self,
            transport=self._transport,
            now=self._clock.moment,
            sleep=self._sleep,
        )

    def _sleep(self, seconds: float) -> None:
        if seconds >= _CONTENTION_S:
            self._pass(seconds)


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
