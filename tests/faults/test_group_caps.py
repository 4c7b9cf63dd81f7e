"""Groups that come at once: each is ordered whole or not at all, and no cap is passed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from dropreel.jobs.job import Job, State
from dropreel.ledger.groups import Groups
from dropreel.money.budget import Caps
from tests.support.accounts import Account, caps
from tests.support.calls import generate
from tests.support.groups import PRICE, takes

MANY, TAKES = 12, 3
DAY = "2026-11-30"


def groups_of(account: Account) -> list[list[Job]]:
    """Each of another image."""
    claimed = []
    for number in range(MANY):
        jobs = takes(TAKES, group=f"group{number}")
        source = replace(jobs[0].source, key=f"campaign/{number}.jpg")
        named = [replace(one, job_id=f"{number}_{one.job_id[-2:]}", source=source) for one in jobs]
        claimed.append(Groups(account.table).claim(named))
    return claimed


def order_all(account: Account, groups: list[list[Job]]) -> None:
    names = [job.job_id for jobs in groups for job in jobs]
    together = threading.Barrier(len(names))

    def order(name: str) -> None:
        generation = account.generation()
        together.wait(timeout=30)
        while generate(generation, name)["outcome"] == "wait":
            pass

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(order, names))


@pytest.mark.parametrize("limits", [caps(day="8.00"), caps(month="8.00")])
def test_of_groups_that_come_at_once_as_many_are_ordered_whole_as_the_caps_allow(
    limits: Caps,
) -> None:
    account = Account(limits)
    groups = groups_of(account)
    order_all(account, groups)
    ended = [{account.ledger.require(job.job_id).state for job in jobs} for jobs in groups]
    assert ended.count({State.SUBMITTED}) == 4  # at $1.80 each, of $8.00
    assert ended.count({State.REFUSED}) == MANY - 4
    assert sum(account.asked.values()) == len(account.asked) == 4 * TAKES
    assert account.committed(DAY) == account.committed("2026-11") == 4 * TAKES * PRICE
    assert account.most[DAY] == 100 * 4 * TAKES * PRICE
