"""Logger and metrics of all functions. Nothing else configures logging.

Logs carry `job_id`, `image_key` and, inside the workflow, `execution_id`; never prompts, keys,
whole events or addresses with a query string.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

__all__ = ["MetricUnit", "bind", "gauge", "logger", "measure", "metrics"]

logger = Logger()
metrics = Metrics()

# Most invocations have nothing to count.
warnings.filterwarnings("ignore", message="No application metrics to publish")

# Both would write whole presigned addresses at INFO, and Lambda sets the root logger to INFO.
for chatty in ("httpx", "httpcore", "botocore", "urllib3"):
    logging.getLogger(chatty).setLevel(logging.WARNING)


def bind(event: Mapping[str, Any]) -> None:
    """Put the workflow's identifiers on every line that this invocation logs."""
    logger.append_keys(job_id=event["job_id"], execution_id=event["execution_id"])


def gauge(name: str, of: str, value: int, *, dimension: str = "provider") -> None:
    """Note how many there are now of something that each provider (or topic) has."""
    measure(name, value, MetricUnit.Count, **{dimension: of})


def measure(
    name: str, value: float, unit: MetricUnit = MetricUnit.Count, **dimensions: str
) -> None:
    """Note a value of its own, by `service` and the given dimensions. Each value of a dimension
    is another metric to pay for: use only those that have a few."""
    with single_metric(name, unit, value) as metric:
        metric.add_dimension("service", metrics.service)
        for dimension, text in dimensions.items():
            metric.add_dimension(dimension, text)
