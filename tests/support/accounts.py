"""One installation that many order from at once, on a table in which writers meet."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from dropreel.container import Container
from dropreel.jobs.failure import FailureKind
from dropreel.jobs.job import Job, State
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.table import Table, plain
from dropreel.money.budget import Caps
from dropreel.providers.base import Accepted, ClipRequest, Failure, Refused
from dropreel.steps.generate import Generate
from local.faults.dynamo import Dynamo, conflict
from local.faults.expressions import Item
from local.faults.s3 import S3
from local.faults.services import OPERATORS, RESULTS, Sns, Sqs, Sts
from tests.support.aws import make_job
from tests.support.calls import generate
from tests.support.container import ENVIRONMENT

MANY = 64


PRICE = Decimal("0.30")


TODAY = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)


TOMORROW = TODAY + timedelta(seconds=1)


MODERATED = Refused(Failure(FailureKind.MODERATED, "no", billed=False))


class BusyDynamo(Dynamo):
    """Transactions that meet are refused with a conflict, as those of DynamoDB are."""

    def __init__(self) -> None:
        super().__init__()
        self._under_way = threading.Lock()

    def transact_write_items(self, **request: Any) -> Item:
        if not self._under_way.acquire(blocking=False):
            raise conflict(len(request["TransactItems"]))
        try:
            return super().transact_write_items(**request)
        finally:
            self._under_way.release()


def step_back(seconds: float) -> None:
    """Ten times as fast as deployed. On a busy machine a fiftieth is too short for twelve tries."""
    time.sleep(seconds / 10)


@dataclass
class Account:
    """One installation: its ledger, and a provider that counts what it is asked."""

    caps: Caps
    now: datetime = TODAY
    answer: Callable[[str], Any] = Accepted
    asked: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)  # ever committed, in cents by period

    def __post_init__(self) -> None:
        self.dynamo = BusyDynamo()
        self.dynamo.watchers.append(self._written)
        self._clients = {
            "dynamodb": self.dynamo,
            "s3": S3(lambda: self.now),
            "sns": Sns(lambda: self.now),
            "sqs": Sqs(lambda *_: None),
            "sts": Sts(lambda: self.now),
        }
        self.table = Table(self.client("dynamodb"), "ledger", sleep=step_back)
        self.ledger = Ledger(self.table)
        self._lock = threading.Lock()

    def check_key(self) -> None:
        """There is one."""

    def submit(self, request: ClipRequest) -> Any:
        with self._lock:
            self.asked[request.job_id] += 1
        return self.answer(request.job_id)

    def client(self, service_name: str, /, **_: Any) -> Any:
        """As a boto3 session: what all functions of this installation share."""
        return self._clients[service_name]

    def generation(self) -> Generate:
        """The step of one more function, with a container of its own."""
        container = Container(
            {
                **ENVIRONMENT,
                "OPERATORS_TOPIC_ARN": OPERATORS,
                "RESULTS_TOPIC_ARN": RESULTS,
                "INGEST_QUEUE_URL": "https://queue/ingest",
                "JOB_CAP_USD": str(self.caps.job),
                "DAILY_CAP_USD": str(self.caps.day),
                "MONTHLY_CAP_USD": str(self.caps.month),
            },
            self,
            now=lambda: self.now,
            sleep=step_back,
        )
        provider: Any = self
        container.provider = lambda _: provider
        return container.step(Generate)

    def claim(self, name: str) -> str:
        return self.ledger.claim(make_job(job_id=name, estimate_usd=PRICE)).job_id

    def order_all(self, names: Sequence[str]) -> None:
        """One thread for each, all let go at once; again where the ledger is too busy."""
        jobs = [self.claim(name) for name in dict.fromkeys(names)]
        together = threading.Barrier(len(names))

        def order(name: str) -> None:
            generation = self.generation()
            together.wait(timeout=30)
            while generate(generation, name)["outcome"] == "wait":
                pass

        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(order, names))
        assert {self.ledger.require(job).state for job in jobs} <= {State.SUBMITTED, State.REFUSED}

    def committed(self, period: str) -> Decimal:
        item = self.table.get(f"BUDGET#{period}")
        return item["committed_usd"] if item else Decimal(0)

    def jobs(self) -> list[Job]:
        return [self.ledger.require(key[4:]) for key in self.dynamo.items("JOB#")]

    def _written(self, key: str, item: Item) -> None:
        if key.startswith("BUDGET#"):
            cents = int(plain(item)["committed_usd"] * 100)
            self.most[key[7:]] = max(self.most[key[7:]], cents)


def names(prefix: str) -> list[str]:
    return [f"{prefix}{number}" for number in range(MANY)]


def caps(day: str = "1000", month: str = "1000") -> Caps:
    return Caps(job=Decimal(5), day=Decimal(day), month=Decimal(month))
