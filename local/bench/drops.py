"""A folder of images at once: how long it takes, what it costs, and that nothing goes wrong.

The real template on the embedded AWS, with true waits; the provider is a simulator that takes a
fixed time per clip. The ledger knows that time from jobs before, as it does after a day of work.
The baseline is the least possible: `images x runtime / slots`, or one runtime.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropreel.jobs import Job, from_iso
from dropreel.ledger import Ledger
from dropreel.runtimes import PROFILES, Kind
from dropreel.table import Table
from dropreel.timings import Timings
from dropreel.waiting import GB_SECOND_USD, REQUEST_USD, TRANSITION_USD
from local import stack
from local.embedded_aws import ROOT, EmbeddedAws
from local.follow import executions, states_entered
from local.simulators import JobView, Simulators

PROVIDER, SLOTS = "eachlabs", 10
COUNTS, QUICK_COUNTS = (1, 10, 100, 500), (1, 10, 30)
RUNTIME_S, QUICK_RUNTIME_S = 20.0, 6.0
_KNOWN_JOBS = 40
_PATIENCE = 6  # times the ideal makespan
# Requests to S3, DynamoDB, SQS and SNS are the same for every clip: about 45 of them.
_REQUESTS_USD = 0.00006
Row = dict[str, Any]


@dataclass
class _Bench:
    stack: stack.Stack
    simulators: Simulators
    runtime_s: float

    def run(self, count: int) -> Row:
        """Drop `count` images at once and wait for all of them."""
        folder = f"drops-{count}"
        billed = self._billed()
        dropped = self._drop(folder, count)
        jobs = self._wait(folder, count)
        orders = [order for order in self.simulators.jobs() if folder in order.prompt]
        after = self._billed()
        states = self._states(folder)
        return {
            "images": count,
            **_times(jobs, orders, dropped),
            **self._counts(jobs, orders, count),
            "ideal_s": round(self._ideal_s(count), 1),
            "transitions_per_clip": round(statistics.mean(states), 2),
            "invocations_per_clip": round((after[0] - billed[0]) / count, 2),
            "plumbing_usd": round(self._plumbing(states, billed, after, count), 6),
        }

    def _ideal_s(self, count: int) -> float:
        return math.ceil(count / SLOTS) * self.runtime_s

    def _drop(self, folder: str, count: int) -> dict[str, float]:
        """Upload all pairs; returns when each image was there (unix seconds)."""
        s3 = self.stack.aws.client("s3")
        bucket = self.stack.outputs["InboxBucketName"]
        image = (ROOT / "events" / "lighthouse.jpg").read_bytes()
        dropped: dict[str, float] = {}

        def put(number: int) -> None:
            key = f"{folder}/{number:03}"
            sidecar = {"prompt": f"push-in {key}", "provider": PROVIDER}
            s3.put_object(Bucket=bucket, Key=f"{key}.json", Body=json.dumps(sidecar).encode())
            s3.put_object(Bucket=bucket, Key=f"{key}.jpg", Body=image)
            dropped[f"{key}.jpg"] = time.time()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(put, range(count)))
        return dropped

    def _wait(self, folder: str, count: int) -> list[Job]:
        patience = time.monotonic() + 120 + _PATIENCE * self._ideal_s(count)
        while True:
            jobs = [job for job in self._jobs() if job.source.key.startswith(f"{folder}/")]
            if sum(bool(job.delivered_at) for job in jobs) >= count:
                return jobs
            if time.monotonic() > patience:
                return jobs  # what is missing shows as lost
            time.sleep(1)

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

    def _states(self, folder: str) -> list[int]:
        """State transitions of each execution; the one into the first state counts, too."""
        aws, machine = self.stack.aws, self.stack.outputs["RenderStateMachineArn"]
        counts = []
        for execution in executions(aws, machine):
            arn = execution["executionArn"]
            given = aws.client("stepfunctions").describe_execution(executionArn=arn)["input"]
            if json.loads(given)["image"].startswith(f"{folder}/"):
                counts.append(len(states_entered(aws, arn)))
        return counts

    def _billed(self) -> tuple[int, float]:
        """Invocations and GB-seconds so far, from the functions' own REPORT lines."""
        logs = self.stack.aws.client("logs")
        calls, gb_seconds = 0, 0.0
        for group in logs.describe_log_groups()["logGroups"]:
            pages = logs.get_paginator("filter_log_events").paginate(
                logGroupName=group["logGroupName"], filterPattern="REPORT"
            )
            for page in pages:
                for event in page["events"]:
                    words = event["message"].split()
                    if not words or words[0] != "REPORT":
                        continue
                    calls += 1
                    seconds = float(words[words.index("Billed") + 2]) / 1000
                    gb_seconds += seconds * float(words[words.index("Size:") + 1]) / 1024
        return calls, gb_seconds

    def _counts(self, jobs: Sequence[Job], orders: Sequence[JobView], count: int) -> Row:
        per_prompt = Counter(order.prompt for order in orders)
        return {
            "lost": count - sum(bool(job.delivered_at) for job in jobs),
            "duplicated": sum(number - 1 for number in per_prompt.values()),
            "most_at_once": most_at_once(orders),
            "over_limit": max(0, most_at_once(orders) - SLOTS),
        }

    def _plumbing(
        self,
        states: Sequence[int],
        before: tuple[int, float],
        after: tuple[int, float],
        count: int,
    ) -> float:
        calls, gb_seconds = after[0] - before[0], after[1] - before[1]
        functions = calls * REQUEST_USD + gb_seconds * GB_SECOND_USD
        return statistics.mean(states) * TRANSITION_USD + functions / count + _REQUESTS_USD


def _times(jobs: Sequence[Job], orders: Sequence[JobView], dropped: dict[str, float]) -> Row:
    """Seconds; the clip counts as stored when the ledger says that it is delivered."""
    ended = {order.id: order.ended_at for order in orders}
    stored = {job.source.key: from_iso(job.delivered_at).timestamp() for job in jobs if job.clip}
    delays = sorted(
        stored[job.source.key] - (ended.get(job.provider_job_id) or math.inf)
        for job in jobs
        if job.source.key in stored
    )
    asked = min(from_iso(job.asked_at).timestamp() - dropped[job.source.key] for job in jobs)
    return {
        "makespan_s": round(max(stored.values()) - min(dropped.values()), 1),
        "upload_to_post_s": round(asked, 2),
        "ready_to_stored_s": round(statistics.mean(delays), 2),
        "ready_to_stored_p95_s": round(delays[int(0.95 * (len(delays) - 1))], 2),
        "delays_s": [round(delay, 2) for delay in delays],
    }


def most_at_once(orders: Sequence[JobView]) -> int:
    """The most orders that were under way at the provider at the same time."""
    return max(
        sum(one.accepted_at <= other.accepted_at < (one.ended_at or math.inf) for one in orders)
        for other in orders
    )


@contextmanager
def bench(runtime_s: float) -> Iterator[_Bench]:
    """The stack, deployed with ten slots, and with what a day of work has taught it."""
    with (
        tempfile.TemporaryDirectory(prefix="dropreel-bench-") as folder,
        Simulators(keys=stack.KEYS, render_seconds=runtime_s) as simulators,
        EmbeddedAws(wait_scale=1, log=Path(folder) / "aws.log") as aws,
    ):
        limits = json.dumps({PROVIDER: {"jobs": SLOTS}})
        parameters = {"DailyCapUsd": "9000", "MonthlyCapUsd": "9000", "ProviderLimits": limits}
        launched = stack.launch(aws, simulators, stack.build(Path(folder) / "build"), parameters)
        timings = Timings(Table(aws.client("dynamodb"), launched.outputs["LedgerTableName"]))
        for _ in range(_KNOWN_JOBS):
            timings.note(Kind(PROVIDER, "540p", "5s"), 0.97 * runtime_s, 1.03 * runtime_s)
        yield _Bench(launched, simulators, runtime_s)


def rows(counts: Sequence[int] = COUNTS, runtime_s: float = RUNTIME_S) -> list[Row]:
    """One row per number of images, after one image that warms the functions up."""
    with bench(runtime_s) as ready:
        ready.run(2)
        found = [ready.run(count) for count in counts]
    for row in found:
        row["makespan_ratio"] = round(row["makespan_s"] / row["ideal_s"], 3)
        row["pace_s"] = PROFILES[PROVIDER].pace_s
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    for row in rows(QUICK_COUNTS, QUICK_RUNTIME_S) if quick else rows():
        print({name: value for name, value in row.items() if name != "delays_s"})


if __name__ == "__main__":
    main()
