"""Caps hold whoever comes at once: 64 orders in parallel, and money freed in between."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from dropreel.container import Container
from dropreel.errors import ContentionError, LedgerConflictError
from dropreel.jobs.failure import FailureKind
from dropreel.jobs.job import Job, State
from dropreel.ledger import budget as accounts
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.table import Table, Update, plain
from dropreel.money.budget import Caps
from dropreel.providers.base import Accepted, ClipRequest, Failure, Refused
from dropreel.steps.generate import Generate
from local.faults.dynamo import Dynamo, conflict
from local.faults.expressions import Item
from local.faults.s3 import S3
from local.faults.services import OPERATORS, RESULTS, Sns, Sqs, Sts
from tests.support.aws import make_job
from tests.support.calls import failure_of, generate
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


@pytest.mark.parametrize("limits", [caps(day="3.10"), caps(month="3.10"), caps("3.10", "3.10")])
def test_of_64_orders_at_once_only_those_are_made_that_the_caps_allow(limits: Caps) -> None:
    account = Account(limits)
    account.order_all(names("job"))
    assert sum(account.asked.values()) == len(account.asked) == 10  # $3.00 of $3.10
    assert account.committed("2026-11-30") == account.committed("2026-11") == Decimal("3.00")
    refused = [job for job in account.jobs() if job.state is State.REFUSED]
    assert {failure_of(job)["kind"] for job in refused} == {"over_cap"}
    assert len(refused) == MANY - 10


def test_64_steps_for_one_job_at_once_make_one_order() -> None:
    account = Account(caps())
    name = account.claim("job")
    together = threading.Barrier(MANY)

    def order(_: int) -> None:
        generation = account.generation()
        together.wait(timeout=30)
        with suppress(LedgerConflictError):  # somebody else was first
            generate(generation, name)

    with ThreadPoolExecutor(MANY) as pool:
        list(pool.map(order, range(MANY)))
    while account.ledger.require(name).state is State.CLAIMED:  # nobody got through
        generate(account.generation(), name)
    assert account.asked == {name: 1}
    assert account.committed("2026-11-30") == PRICE


def test_a_new_month_begins_with_nothing_used() -> None:
    account = Account(caps(month="3.10"))
    account.order_all(names("november"))
    account.now = TOMORROW
    account.order_all(names("december"))
    assert sum(account.asked.values()) == 20
    for period in ("2026-11-30", "2026-11", "2026-12-01", "2026-12"):
        assert account.committed(period) == Decimal("3.00")


def test_a_new_day_does_not_widen_the_months_cap() -> None:
    account = Account(caps(day="1.80", month="3.10"), now=TODAY - timedelta(days=1))
    account.order_all(names("first"))
    account.now = TODAY
    account.order_all(names("second"))
    assert account.committed("2026-11-29") == Decimal("1.80")
    assert account.committed("2026-11-30") == Decimal("1.20")
    assert account.committed("2026-11") == Decimal("3.00")


def test_refusals_in_between_free_their_money_and_no_cap_is_passed_at_any_moment() -> None:
    refused = {f"job{number}" for number in range(0, MANY, 2)}
    account = Account(
        caps(day="3.10"), answer=lambda name: MODERATED if name in refused else Accepted(name)
    )
    account.order_all(names("job"))
    taken = [job for job in account.jobs() if job.state is State.SUBMITTED]
    assert account.most["2026-11-30"] <= 310
    assert account.committed("2026-11-30") == PRICE * len(taken)
    assert account.committed("2026-11") == PRICE * len(taken)
    assert all(count == 1 for count in account.asked.values())


def test_64_true_ups_and_releases_at_once_leave_what_the_clips_have_cost() -> None:
    account = Account(caps())
    account.order_all(names("job"))
    costs = [Decimal(number % 5) / 10 for number in range(MANY)]  # 0 frees all of it

    def settle(job: Job, cost: Decimal) -> None:
        assert job.reservation
        while account.ledger.require(job.job_id).state is State.SUBMITTED:
            with suppress(ContentionError):
                account.ledger.move(job, State.READY, reservation=job.reservation.of(cost))

    with ThreadPoolExecutor(MANY) as pool:
        list(pool.map(settle, account.jobs(), costs))
    assert account.committed("2026-11-30") == account.committed("2026-11") == sum(costs)


def test_without_the_condition_on_the_cap_64_orders_exceed_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So the tests above can fail."""

    def adding(period: str, amount: Decimal, _: Decimal) -> Any:
        return Update(f"BUDGET#{period}", adds={"committed_usd": amount})

    monkeypatch.setattr(accounts, "_adding", adding)
    account = Account(caps(day="3.10"))
    account.order_all(names("job"))
    assert account.committed("2026-11-30") == PRICE * MANY
