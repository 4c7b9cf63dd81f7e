"""Events and outcomes: changes are additive, whoever is older."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dropreel.jobs.job import State
from dropreel.steps.outcomes import (
    DropEvent,
    FinalizeEvent,
    GenerateEvent,
    NotDelivered,
    PollEvent,
    Resume,
    SearchOrder,
    Wait,
)


def test_unknown_fields_are_ignored_and_absent_ones_have_defaults() -> None:
    event = {"job_id": "j", "new": 1, "tries": None}
    assert GenerateEvent.of(event) == GenerateEvent("j")
    assert PollEvent.of({**event, "polls": 3}) == PollEvent("j")
    assert FinalizeEvent.of(event) == FinalizeEvent("j")


@pytest.mark.parametrize(
    ("given", "resume"),
    [
        (None, None),
        ({}, Resume()),
        ({"nothing_made": True}, Resume(nothing_made=True)),
        (
            {"provider_job_id": "p-9", "why": "seen"},
            Resume(provider_job_id="p-9", unknown=("why",)),
        ),
    ],
)
def test_a_resumed_execution_says_so_even_with_nothing_more(
    given: dict[str, object] | None, resume: Resume | None
) -> None:
    assert PollEvent.of({"job_id": "j", "resume": given}).resume == resume


@pytest.mark.parametrize("name", ["recheck", "look_again"])
def test_a_drop_that_waited_in_the_queue_is_known_by_its_old_name_too(name: str) -> None:
    assert DropEvent.of({name: {"key": "a.jpg", "since": "now"}}) == DropEvent("a.jpg", "now")
    drop = DropEvent("a.jpg", "now", settled=["one", "two"])
    assert DropEvent.of(json.loads(json.dumps(drop.recheck()))) == drop


def test_the_end_of_an_execution_comes_from_eventbridge(events: Path) -> None:
    event = json.loads((events / "execution-aborted.json").read_text())
    ended = FinalizeEvent.of(event)
    assert ended.late
    assert ended.accident == "the workflow was aborted"
    assert ended.execution_id == event["detail"]["executionArn"]


def test_an_outcome_travels_without_what_it_does_not_say() -> None:
    assert Wait(3).payload() == {"outcome": "wait", "wait_seconds": 3}
    assert json.loads(json.dumps(SearchOrder(30, State.UNKNOWN).payload())) == {
        "outcome": "search",
        "wait_seconds": 30,
        "state": "unknown",
    }
    ended = NotDelivered(State.STALLED, "stalled.deadline", "last seen: running")
    assert ended.payload()["outcome"] == "ended"
