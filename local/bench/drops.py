"""Many images at once: how long it takes, what it costs, and that nothing goes wrong.

The real template on the embedded AWS, with true waits; the providers are simulators. The ledger
knows the runtimes of earlier jobs, as it does after a day of work. `folders` drops more images
than the provider takes at once; its baseline is the least possible, all runtimes shared out among
the slots. `providers` drops a few images for each provider, with its own shape of runtimes, and
tells how long clips that are ready take until they are stored.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropreel.jobs.job import Job, from_iso
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.runtimes import MeasuredRuntimes
from dropreel.ledger.table import Table
from dropreel.providers.catalog import CATALOG, limit_of
from dropreel.waiting.runtimes import JobKind
from local import builds, stack
from local.bench.billing import RECORDING, Meter, Used
from local.bench.shapes import SHAPES
from local.embedded_aws import ROOT, EmbeddedAws
from local.follow import executions, states_entered, ticks
from local.simulators import JobView, Simulators

PROVIDER = "eachlabs"
SLOTS = limit_of(PROVIDER, {}).jobs
COUNTS, QUICK_COUNTS = (1, 10, 100, 500), (1, 20)
RUNTIME_S, QUICK_RUNTIME_S = 20.0, 6.0
_SPREAD = 0.1  # of the runtimes in a folder
HOSTED = {shape.provider: shape for shape in SHAPES[:4]}
PER_PROVIDER = {"eachlabs": 20, "luma": 20, "fal": 20, "oxen": 10}
QUICK_PER_PROVIDER = {"eachlabs": 3, "luma": 3, "fal": 3}
QUICK_SCALE = 0.1  # of the runtimes by provider
_KNOWN_JOBS = 40
_RESOLUTION, _DURATION = "540p", "5s"
_PATIENCE = 6  # times the least possible
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Drop:
    """One image, and how long its provider will take for it."""

    key: str
    provider: str
    runtime_s: float

    @property
    def sidecar(self) -> bytes:
        prompt = f"push-in {self.key} [sim: render={self.runtime_s:.2f}]"
        settings = {"resolution": _RESOLUTION, "duration": _DURATION}
        return json.dumps({"prompt": prompt, "provider": self.provider, **settings}).encode()


@dataclass(frozen=True)
class Measurement:
    """What came of images that were dropped at once.

    `dropped_at` is unix seconds by key, `transitions` are those of each execution.
    """

    drops: Sequence[Drop]
    dropped_at: dict[str, float]
    jobs: Sequence[Job]
    orders: Sequence[JobView]
    transitions: Sequence[int]
    used: Used

    @property
    def stored_at(self) -> dict[str, float]:
        """Unix seconds by key, as the ledger says."""
        delivered = [job for job in self.jobs if job.clip]
        return {job.source.key: from_iso(job.delivered_at).timestamp() for job in delivered}

    def delays_s(self, provider: str) -> list[float]:
        """From ready to stored, least first."""
        ended = {order.id: order.ended_at or math.inf for order in self.orders}
        stored = self.stored_at
        return sorted(
            round(stored[job.source.key] - ended[job.provider_job_id], 2)
            for job in self.jobs
            if job.provider == provider and job.source.key in stored
        )

    @property
    def most_at_once(self) -> int:
        """The most orders that were under way at the provider at the same time."""
        return max(
            sum(
                one.accepted_at <= other.accepted_at < (one.ended_at or math.inf)
                for one in self.orders
            )
            for other in self.orders
        )

    def folder(self) -> Row:
        """The row of a folder for one provider."""
        count, ideal_s = len(self.drops), least_s(self.drops)
        makespan = max(self.stored_at.values()) - min(self.dropped_at.values())
        delays = self.delays_s(self.drops[0].provider)
        per_prompt = Counter(order.prompt for order in self.orders)
        posted = [from_iso(job.asked_at).timestamp() - self._dropped_at(job) for job in self.jobs]
        transitions = statistics.mean(self.transitions)
        requests = sum(self.used.requests.values())
        return {
            "images": count,
            "ideal_s": round(ideal_s, 1),
            "makespan_s": round(makespan, 1),
            "makespan_ratio": round(makespan / ideal_s, 3),
            "upload_to_post_s": round(min(posted), 2),
            **_summary(delays),
            "lost": count - len(self.stored_at),
            "duplicated": sum(number - 1 for number in per_prompt.values()),
            "most_at_once": self.most_at_once,
            "over_limit": max(0, self.most_at_once - SLOTS),
            "transitions_per_clip": round(transitions, 2),
            "invocations_per_clip": round(self.used.invocations / count, 2),
            "ledger_writes_per_clip": round(self.used.ledger_writes / count, 2),
            "requests_per_clip": round(requests / count, 1),
            "gb_seconds_per_clip": round(self.used.gb_seconds / count, 2),
            "plumbing_usd": round(self.used.usd(sum(self.transitions)) / count, 6),
            "delays_s": delays,
        }

    def _dropped_at(self, job: Job) -> float:
        return self.dropped_at[job.source.key]


def least_s(drops: Sequence[Drop]) -> float:
    """No schedule can be done sooner with all slots."""
    runtimes = [drop.runtime_s for drop in drops]
    return max(*runtimes, sum(runtimes) / SLOTS)


def _summary(delays: Sequence[float]) -> Row:
    return {
        "ready_to_stored_s": round(statistics.mean(delays), 2),
        "ready_to_stored_p95_s": delays[int(0.95 * (len(delays) - 1))],
    }


@dataclass
class _Bench:
    stack: stack.Stack
    simulators: Simulators
    meter: Meter

    def measure(self, folder: str, runtimes: Sequence[tuple[str, float]]) -> Measurement:
        """Drop an image for each provider and runtime at once, and wait for all clips."""
        drops = [
            Drop(f"{folder}/{number:03}.jpg", provider, runtime_s)
            for number, (provider, runtime_s) in enumerate(runtimes)
        ]
        earlier = set(self._executions())
        self.meter.read()
        dropped_at = self._drop(drops)
        patience_s = 120 + _PATIENCE * least_s(drops)
        ours = self._wait(earlier, len(drops), patience_s)
        return Measurement(
            drops,
            dropped_at,
            jobs=[job for job in self._jobs() if job.source.key.startswith(f"{folder}/")],
            orders=[order for order in self.simulators.jobs() if f" {folder}/" in order.prompt],
            transitions=[len(states_entered(self.stack.aws, arn)) for arn in ours],
            used=self.meter.read(),
        )

    def teach(self, provider: str, runtimes: Sequence[float]) -> None:
        """Make these all that is known; each job was seen pending shortly before it was ready."""
        client, name = self.stack.aws.client("dynamodb"), self.stack.outputs["LedgerTableName"]
        known = f"RUNTIMES#{provider}#{_RESOLUTION}#{_DURATION}"
        client.delete_item(TableName=name, Key={"pk": {"S": known}, "sk": {"S": "RUNTIMES"}})
        measured = MeasuredRuntimes(Table(client, name))
        for runtime in runtimes:
            kind = JobKind(provider, _RESOLUTION, _DURATION)
            measured.note(kind, 0.97 * runtime, 1.03 * runtime)

    def _drop(self, drops: Sequence[Drop]) -> dict[str, float]:
        """Upload all pairs; returns when each image was there."""
        s3 = self.stack.aws.client("s3")
        bucket = self.stack.outputs["InboxBucketName"]
        image = (ROOT / "events" / "lighthouse.jpg").read_bytes()
        dropped: dict[str, float] = {}

        def put(drop: Drop) -> None:
            s3.put_object(Bucket=bucket, Key=f"{drop.key[:-4]}.json", Body=drop.sidecar)
            s3.put_object(Bucket=bucket, Key=drop.key, Body=image)
            dropped[drop.key] = time.time()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, drops))
        return dropped

    def _wait(self, earlier: set[str], count: int, patience_s: float) -> list[str]:
        """The new executions, when all have ended; what is missing after a while is lost."""
        for _ in ticks(patience_s, every_s=1):
            statuses = {arn: s for arn, s in self._executions().items() if arn not in earlier}
            if sum(status != "RUNNING" for status in statuses.values()) >= count:
                break
        return list(statuses)

    def _executions(self) -> dict[str, str]:
        found = executions(self.stack.aws, self.stack.outputs["RenderStateMachineArn"])
        return {execution["executionArn"]: execution["status"] for execution in found}

    def _jobs(self) -> Iterator[Job]:
        client = self.stack.aws.client("dynamodb")
        name = self.stack.outputs["LedgerTableName"]
        ledger = Ledger(Table(client, name))
        pages = client.get_paginator("scan").paginate(
            TableName=name,
            FilterExpression="sk = :job",
            ExpressionAttributeValues={":job": {"S": "JOB"}},
            ProjectionExpression="pk",
        )
        for page in pages:
            for item in page["Items"]:
                yield ledger.require(item["pk"]["S"].removeprefix("JOB#"))


@contextmanager
def bench() -> Iterator[_Bench]:
    """The stack, deployed with its ten slots per provider, and warm."""
    with (
        tempfile.TemporaryDirectory(prefix="dropreel-bench-") as folder,
        Simulators(keys=stack.KEYS) as simulators,
        EmbeddedAws(wait_scale=1, log=Path(folder) / "aws.log", switches=RECORDING) as aws,
    ):
        parameters = {"DailyCapUsd": "9000", "MonthlyCapUsd": "9000"}
        launched = stack.launch(
            aws, simulators, builds.build(folder=Path(folder) / "build"), parameters
        )
        ready = _Bench(launched, simulators, Meter(aws))
        ready.teach(PROVIDER, [2.0] * _KNOWN_JOBS)
        ready.measure("warm", [(PROVIDER, 2.0)] * 2)
        yield ready


def folders(ready: _Bench, counts: Sequence[int], runtime_s: float) -> list[Row]:
    """One row per number of images, all for one provider."""
    dice = random.Random(1)  # noqa: S311  to be drawn again

    def draw(count: int) -> list[float]:
        most, least = (1 + _SPREAD) * runtime_s, (1 - _SPREAD) * runtime_s
        return [dice.uniform(least, most) for _ in range(count)]

    ready.teach(PROVIDER, draw(_KNOWN_JOBS))
    return [
        ready.measure(f"folder-{count}", [(PROVIDER, runtime) for runtime in draw(count)]).folder()
        for count in counts
    ]


def providers(ready: _Bench, counts: Mapping[str, int], scale: float = 1) -> list[Row]:
    """One row per provider, of so many images."""
    runtimes: list[tuple[str, float]] = []
    for name, count in counts.items():
        drawn = [scale * runtime for runtime in HOSTED[name].runtimes(count + _KNOWN_JOBS, seed=2)]
        ready.teach(name, drawn[count:])
        runtimes += [(name, runtime) for runtime in drawn[:count]]
    measured = ready.measure("providers", runtimes)
    return [
        {
            "provider": HOSTED[name].name,
            "clips": count,
            "mean_runtime_s": round(statistics.mean(r for n, r in runtimes if n == name), 1),
            "pace_s": CATALOG[name].profile.pace_s,
            **_summary(measured.delays_s(name)),
            "delays_s": measured.delays_s(name),
        }
        for name, count in counts.items()
    ]


def rows(*, quick: bool = False) -> tuple[list[Row], list[Row]]:
    """Those of the providers and those of the folders."""
    with bench() as ready:
        if quick:
            by_provider = providers(ready, QUICK_PER_PROVIDER, QUICK_SCALE)
            return by_provider, folders(ready, QUICK_COUNTS, QUICK_RUNTIME_S)
        by_provider = providers(ready, PER_PROVIDER)
        return by_provider, folders(ready, COUNTS, RUNTIME_S)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    for row in (row for part in rows(quick=parser.parse_args().quick) for row in part):
        print({name: value for name, value in row.items() if name != "delays_s"})


if __name__ == "__main__":
    main()
