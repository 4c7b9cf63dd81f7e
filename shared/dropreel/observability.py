"""Logger and metrics of all functions. Nothing else configures logging.

Logs carry `job_id`, `image_key` and, inside the workflow, `execution_id`; never prompts, keys,
whole events or addresses with a query string.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Protocol

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

__all__ = [
    "MetricUnit",
    "bind",
    "count",
    "gauge",
    "logger",
    "measure",
    "metrics",
    "mute",
    "report_failure",
]

logger = Logger()
metrics = Metrics()

# Most invocations have nothing to count.
warnings.filterwarnings("ignore", message="No application metrics to publish")

# Both would write whole presigned addresses at INFO, and Lambda sets the root logger to INFO.
for chatty in ("httpx", "httpcore", "botocore", "urllib3"):
    logging.getLogger(chatty).setLevel(logging.WARNING)


_muted: list[bool] = []


def mute() -> None:
    """Log and measure nothing: for a program on a terminal, which uses the functions' steps."""
    logging.disable(logging.CRITICAL)
    _muted.append(True)


def bind(**identifiers: str) -> None:
    """Put these identifiers on every line that this invocation logs."""
    logger.append_keys(**identifiers)


def count(name: str, value: int) -> None:
    """Note how many there were, if any: a metric costs money in the hours in which it is there."""
    if value:
        metrics.add_metric(name, MetricUnit.Count, value)


def gauge(name: str, provider: str, value: int) -> None:
    """Note how many there are now of something that each provider has."""
    measure(name, value, MetricUnit.Count, provider=provider)


def measure(
    name: str, value: float, unit: MetricUnit = MetricUnit.Count, **dimensions: str
) -> None:
    """Note a value of its own, by `service` and the given dimensions. Each value of a dimension
    is another metric to pay for: use only those that have a few."""
    if _muted:
        return
    with single_metric(name, unit, value) as metric:
        metric.add_dimension("service", metrics.service)
        for dimension, text in dimensions.items():
            metric.add_dimension(dimension, text)


class _Failure(Protocol):
    """A provider's failure. Logs get its codes but not its text, which may quote the prompt."""

    @property
    def kind(self) -> str: ...
    @property
    def code(self) -> str | None: ...
    @property
    def http_status(self) -> int | None: ...


def report_failure(text: str, failure: _Failure, log: Callable[..., None] = logger.warning) -> None:
    """Log what a provider did not do, and count it by its kind."""
    words = {"kind": str(failure.kind), "code": failure.code, "http_status": failure.http_status}
    log(text, **{name: value for name, value in words.items() if value is not None})
    measure("ProviderErrors", 1, kind=str(failure.kind))
