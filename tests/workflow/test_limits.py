"""The worst case of an execution: how long it takes, and how long its history gets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import accumulate

import pytest

from dropreel.mail.once import LEASE_S
from dropreel.providers.catalog import CATALOG
from dropreel.steps.finalize import MAX_FETCHES
from dropreel.steps.lost_order import MAX_SEARCHES
from dropreel.waiting.schedule import SEARCH_FIRST_S, busy_wait, least_gap
from local.aws_limits import EVENTS
from tests.support.stack import Document
from tests.support.stack import template as load_template
from tests.support.stack import workflow as load


@pytest.fixture
def workflow() -> Document:
    return load()


def longest_deadline() -> int:
    return 60 * int(load_template()["Parameters"]["JobDeadlineMinutes"]["MaxValue"])


def most_orders() -> int:
    return int(load_template()["Parameters"]["MaxOrdersPerJob"]["MaxValue"])


def longest_unpaid() -> int:
    """Two days at least: so long has a job that waits for the next day's budget."""
    return max(2 * 86_400, 3600 * int(load_template()["Parameters"]["UnpaidWaitHours"]["MaxValue"]))


def test_the_machines_own_timer_outlives_all_orders_of_a_job(workflow: Document) -> None:
    finalize = workflow["States"]["Finalize"]
    fetching = sum(30 * 2**number + finalize["TimeoutSeconds"] for number in range(MAX_FETCHES))
    searching = sum(SEARCH_FIRST_S * 2**number for number in range(MAX_SEARCHES))
    line = workflow["States"]["Wait for a slot"]["TimeoutSeconds"]
    ordering = most_orders() * (longest_deadline() + searching)
    longest = line + longest_unpaid() + ordering + fetching
    assert 86_400 < longest < workflow["TimeoutSeconds"]


# What one pass through a state adds to the history. Source: the history of executions in the Step
# Functions guide; 25,000 is the service's limit.
ENTERED_AND_EXITED = 2
SCHEDULED_STARTED_ENDED = 3
MOST_EVENTS = EVENTS.most


def events(workflow: Document, *names: str) -> int:
    """Of one pass through these states without a retry."""
    return sum(ENTERED_AND_EXITED + _attempt(workflow["States"][name]) for name in names)


def _attempt(state: Document) -> int:
    if state["Type"] != "Task":
        return 0
    waits = str(state["Resource"]).endswith(".waitForTaskToken")
    return SCHEDULED_STARTED_ENDED + int(waits)


Moves = list[tuple[float, int]]


def retries(workflow: Document, *names: str) -> Moves:
    """Seconds and events of no retry of these tasks, of one, of two; with full jitter on average.

    Those after throttling are among them while their pauses grow; for later ones see `throttled`.
    """
    steps = sorted(step for name in names for step in _steps(workflow["States"][name]))
    spent = accumulate((pause for pause, _ in steps), initial=0.0)
    extra = accumulate((event for _, event in steps), initial=0)
    return list(zip(spent, extra, strict=True))


def _steps(task: Document) -> Iterator[tuple[float, int]]:
    """The pause before each retry of this task, and its events."""
    throttling, *others = task["Retry"]
    growing = [pause for pause in _pauses(throttling) if pause < _longest(throttling)]
    for pause in (*growing, *(pause for retry in others for pause in _pauses(retry))):
        yield pause, _attempt(task)


def _pauses(retry: Document) -> list[float]:
    first, rate = _share(retry) * retry["IntervalSeconds"], retry["BackoffRate"]
    most = min(retry["MaxAttempts"], 250)  # of a longer series, the rest is at the longest pause
    return [min(_longest(retry), first * rate**number) for number in range(most)]


def _longest(retry: Document) -> float:
    return float(_share(retry) * retry["MaxDelaySeconds"])


def _share(retry: Document) -> float:
    return 0.5 if retry.get("JitterStrategy") == "FULL" else 1.0


def throttled(workflow: Document) -> int:
    """Events of retries at the longest pause, in all the time that is not counted elsewhere.

    Where polls and orders are counted, these would take more time and leave fewer events.
    """
    tasks = [state for state in workflow["States"].values() if state["Type"] == "Task"]
    counted = longest_unpaid() + most_orders() * longest_deadline()
    pause = min(_longest(task["Retry"][0]) for task in tasks)
    seconds = float(workflow["TimeoutSeconds"]) - counted
    return math.ceil(seconds / pause) * max(map(_attempt, tasks))


def most_events(until_s: int, loop: int, gap: Callable[[float], float], moves: Moves) -> int:
    """Of all ways to spend the time: loops of `loop` events with a gap, and retries in them."""
    step = max(1, until_s // 40_000)  # seconds; what falls between counts as earlier
    end = until_s // step
    best = [0] * (end + 1)
    for number in reversed(range(end)):
        now = number * step
        free = now + gap(now)
        for spent, extra in moves:
            then = min(math.floor((free + spent) / step), end)
            best[number] = max(best[number], loop + extra + best[then])
            if then == end:
                break
    return best[0]


def gap_when_busy(now: float) -> float:
    """What lies between the orders of a provider that is always busy, `now` seconds after it."""
    return busy_wait(None, max(0, math.floor(math.log2(1 + now / 15))))


def test_all_that_can_happen_to_a_job_fits_into_one_history(workflow: Document) -> None:
    """Even if the tasks fail whenever that makes the history longest; a retry takes its time."""
    polling = events(workflow, "Wait to poll", "Poll", "Clip ready?")
    pace = min(row.profile.pace_s for row in CATALOG.values())
    polls = most_events(
        longest_deadline(), polling, partial(least_gap, pace=pace), retries(workflow, "Poll")
    )
    ordering = ("Wait to generate", "Wait for a slot", "Generate", "Order accepted?")
    failing_before = retries(workflow, "Wait for a slot", "Generate")[:24]
    orders = retries(workflow, "Wait for a slot")[-1][1] + most_events(
        longest_unpaid(), events(workflow, *ordering), gap_when_busy, failing_before
    )
    fetching = events(workflow, "Wait to finalize", "Finalize", "Clip delivered?")
    fetches = MAX_FETCHES * (fetching + retries(workflow, "Finalize")[-1][1])
    once = 2 + events(workflow, "Start", "New or resumed?", "Not delivered")
    searches = most_orders() * MAX_SEARCHES * polling
    most = once + orders + most_orders() * polls + searches + fetches + throttled(workflow)
    assert MOST_EVENTS / 2 < most < MOST_EVENTS


def test_the_retries_of_finalize_outwait_the_lease_of_a_sender_that_died(
    workflow: Document,
) -> None:
    _, retry = workflow["States"]["Finalize"]["Retry"]
    pauses = [
        min(retry["MaxDelaySeconds"], retry["IntervalSeconds"] * retry["BackoffRate"] ** number)
        for number in range(retry["MaxAttempts"])
    ]
    assert "JitterStrategy" not in retry
    assert sum(pauses) > 2 * LEASE_S
