"""The worst case of an execution: how long it takes, and how long its history gets."""

from __future__ import annotations

import pytest

from dropreel.mail.once import LEASE_S
from dropreel.providers.catalog import CATALOG
from dropreel.steps.finalize import MAX_FETCHES
from dropreel.steps.lost_order import MAX_SEARCHES
from dropreel.waiting.schedule import MAX_TRIES, SEARCH_FIRST_S, busy_wait, least_gap
from tests.template.stack import Document
from tests.template.stack import template as load_template
from tests.template.stack import workflow as load


@pytest.fixture
def workflow() -> Document:
    return load()


def longest_deadline() -> int:
    return 60 * int(load_template()["Parameters"]["JobDeadlineMinutes"]["MaxValue"])


def most_orders() -> int:
    return int(load_template()["Parameters"]["MaxOrdersPerJob"]["MaxValue"])


def test_the_machines_own_timer_outlives_all_orders_of_a_job(workflow: Document) -> None:
    generate, finalize = workflow["States"]["Generate"], workflow["States"]["Finalize"]
    generating = MAX_TRIES * (busy_wait(10**9, 0) + generate["TimeoutSeconds"])
    fetching = sum(30 * 2**number + finalize["TimeoutSeconds"] for number in range(MAX_FETCHES))
    searching = sum(SEARCH_FIRST_S * 2**number for number in range(MAX_SEARCHES))
    line = workflow["States"]["Wait for a slot"]["TimeoutSeconds"]
    longest = line + most_orders() * (longest_deadline() + generating + searching) + fetching
    assert 86_400 < longest < workflow["TimeoutSeconds"]


# What one pass through a state adds to the history. Source: the history of executions in the Step
# Functions guide; 25,000 is the service's limit.
ENTERED_AND_EXITED = 2
SCHEDULED_STARTED_ENDED = 3
MOST_EVENTS = 25_000


def most_events(workflow: Document, *names: str) -> int:
    """Of one pass through these states, if every task needs all its retries."""
    return sum(_most_events(workflow["States"][name]) for name in names)


def _most_events(state: Document) -> int:
    if state["Type"] != "Task":
        return ENTERED_AND_EXITED
    attempts = 1 + sum(int(retry["MaxAttempts"]) for retry in state["Retry"])
    submitted = 1 if state["Resource"].endswith(".waitForTaskToken") else 0
    return ENTERED_AND_EXITED + attempts * (SCHEDULED_STARTED_ENDED + submitted)


@pytest.mark.parametrize("provider", CATALOG)
def test_all_orders_of_a_job_fit_into_one_history_even_if_every_step_needs_all_retries(
    workflow: Document, provider: str
) -> None:
    waited, polls = 0.0, MAX_SEARCHES
    while waited < longest_deadline():
        waited += least_gap(waited, CATALOG[provider].profile.pace_s)
        polls += 1
    order = MAX_TRIES * most_events(
        workflow, "Wait to generate", "Wait for a slot", "Generate", "Order accepted?"
    ) + polls * most_events(workflow, "Wait to poll", "Poll", "Clip ready?")
    end = most_events(workflow, "Wait to finalize", "Finalize", "Clip delivered?")
    once = 2 + most_events(workflow, "Start", "New or resumed?", "Not delivered")
    most = once + most_orders() * order + MAX_FETCHES * end
    assert MOST_EVENTS / 2 < most < MOST_EVENTS


def test_the_retries_of_finalize_outwait_the_lease_of_a_sender_that_died(
    workflow: Document,
) -> None:
    (retry,) = workflow["States"]["Finalize"]["Retry"]
    pauses = [
        min(retry["MaxDelaySeconds"], retry["IntervalSeconds"] * retry["BackoffRate"] ** number)
        for number in range(retry["MaxAttempts"])
    ]
    assert "JitterStrategy" not in retry
    assert sum(pauses) > 2 * LEASE_S
