"""One row of words and rules for every kind of failure."""

from __future__ import annotations

import re
from string import Formatter

import pytest

from dropreel.jobs.failure import ROWS, FailureKind, JobFailure
from tests.conftest import ROOT

RUNBOOK = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
SECTIONS = set(re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE))


def test_every_kind_has_a_row() -> None:
    assert set(ROWS) == set(FailureKind)


@pytest.mark.parametrize("kind", FailureKind)
def test_a_row_says_what_happened_and_what_to_do(kind: FailureKind) -> None:
    row = ROWS[kind]
    assert row.label
    for text in (row.what, row.next):
        assert text.endswith(".")
        assert {name for _, name, _, _ in Formatter().parse(text) if name} <= {"provider", "again"}


@pytest.mark.parametrize("kind", [kind for kind in FailureKind if ROWS[kind].operator])
def test_what_the_operator_is_asked_for_has_a_section_in_the_runbook(kind: FailureKind) -> None:
    assert ROWS[kind].runbook in SECTIONS


@pytest.mark.parametrize("kind", FailureKind)
def test_a_failure_comes_back_as_it_was_stored(kind: FailureKind) -> None:
    failure = JobFailure(kind, "why", code="c", http_status=500, retryable=True, billed=False)
    assert JobFailure.stored(failure.facts()) == failure
    assert JobFailure.stored(JobFailure(kind).facts()) == JobFailure(kind)


def test_a_kind_that_another_version_stored_is_unexpected() -> None:
    failure = JobFailure.stored({"kind": "new kind", "message": "why", "colour": "red"})
    assert failure == JobFailure(FailureKind.UNEXPECTED, "why")
    assert JobFailure.stored({"billed": False}) == JobFailure(FailureKind.UNEXPECTED, billed=False)


@pytest.mark.parametrize("nothing", [{}, None])
def test_a_job_without_a_failure_has_none(nothing: dict[str, str] | None) -> None:
    assert JobFailure.stored(nothing) is None


def test_only_failures_before_an_order_are_known_to_be_unbilled() -> None:
    free = {kind for kind in FailureKind if JobFailure.of(kind, "").billed is False}
    assert free == {
        FailureKind.OVER_CAP,
        FailureKind.UNKNOWN_PRICE,
        FailureKind.PAID_CALLS_OFF,
        FailureKind.NOTHING_MADE,
        FailureKind.REPLACED,
        FailureKind.NO_KEY,
    }
