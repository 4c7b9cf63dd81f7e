"""What the stack costs in a month in which nobody drops anything, at list prices without free tier.

Counted from template.yaml, and from what the functions publish when nothing happens. Prices are
those of us-east-1 in 2026-11, from the pricing pages of CloudWatch, Secrets Manager, SQS, Lambda
and DynamoDB. Run it with `python -m local.idle_cost`.
"""

from __future__ import annotations

import io
import logging
import os
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from dropreel.observability import logger, metrics
from local.embedded_aws import ROOT
from local.faults.asl import Machine
from local.faults.world import World
from local.metrics import Series, emitted

ALARM_USD = 0.10  # for each metric of an alarm
METRIC_USD = 0.30
DASHBOARD_USD = 3.00
SECRET_USD = 0.40
SQS_REQUEST_USD = 0.40e-6
GB_SECOND_USD, REQUEST_USD = 13.3334e-6, 0.2e-6
READ_USD = 0.125e-6

FREE_METRICS = 50  # on each of an account's first three dashboards, which are free then
HOURS = 730
POLLERS, LONG_POLL_S = 5, 20  # of a mapping with MaximumConcurrency, on an empty queue
SWEEPS = 2 * HOURS
SWEEP_S, SWEEP_GB = 2, 0.5  # an idle sweep with a cold start
SWEEP_READS = 16  # slots, lines, indexes, budgets, digests, the place in the inbox
_SWEEPS_PLAYED = 8  # longer than until the first comparison of the inbox


@dataclass(frozen=True, slots=True)
class Cost:
    """One kind of thing that costs money, and how many of it there are."""

    what: str
    count: float
    usd: float  # of one, in a month

    @property
    def total_usd(self) -> float:
        return self.count * self.usd


def template() -> dict[str, Any]:
    return dict(yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8")))


def costs(document: Mapping[str, Any], published: Collection[Series]) -> list[Cost]:
    """All that an idle stack of this template costs that publishes these metrics."""
    kinds = Counter(resource["Type"] for resource in document["Resources"].values())
    polls = POLLERS * HOURS * 3600 / LONG_POLL_S
    sweep = SWEEP_S * SWEEP_GB * GB_SECOND_USD + REQUEST_USD
    return [
        Cost("alarm metrics", sum(_alarm_metrics(document)), ALARM_USD),
        Cost("published metrics", len(published), METRIC_USD),
        Cost("dashboards", kinds["AWS::CloudWatch::Dashboard"], DASHBOARD_USD),
        Cost("secrets", kinds["AWS::SecretsManager::Secret"], SECRET_USD),
        Cost("requests to the ingest queue", polls, SQS_REQUEST_USD),
        Cost("sweeps", SWEEPS, sweep),
        Cost("reads of the ledger", SWEEPS * SWEEP_READS, READ_USD),
    ]


def _alarm_metrics(document: Mapping[str, Any]) -> Iterator[int]:
    for resource in document["Resources"].values():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            several = resource["Properties"].get("Metrics", [None])
            yield sum(1 for one in several if one is None or "MetricStat" in one)


def published_when_idle() -> frozenset[Series]:
    """The metrics of some sweeps on an empty ledger and an empty inbox."""
    written = io.StringIO()
    with (
        tempfile.TemporaryDirectory() as cache,
        _named_metrics(),
        redirect_stdout(written),
        closing(World(Path(cache), Machine.read())) as world,
    ):
        story = world.idle(_SWEEPS_PLAYED)
    if story.sweeps:  # nothing was there to be treated
        raise RuntimeError("a sweep of the empty stack failed")
    return frozenset(emitted(written.getvalue().splitlines()))


@contextmanager
def _named_metrics() -> Iterator[None]:
    """Metrics as the template's variables name them, none from before, and no log lines."""
    metrics.clear_metrics()
    before, level = (metrics.provider.namespace, metrics.provider.service), logger.log_level
    logger.setLevel(logging.CRITICAL)
    metrics.provider.namespace, metrics.provider.service = "dropreel", "dropreel"
    os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "dropreel")
    try:
        yield
    finally:
        metrics.provider.namespace, metrics.provider.service = before
        logger.setLevel(level)


def main() -> None:
    found = costs(template(), published_when_idle())
    for cost in found:
        print(f"{cost.count:10,.0f} {cost.what:30} ${cost.total_usd:5.2f}")
    print(f"{'':10} {'in a month':30} ${sum(cost.total_usd for cost in found):5.2f}")


if __name__ == "__main__":
    main()
