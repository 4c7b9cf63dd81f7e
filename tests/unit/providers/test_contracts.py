"""Every recorded case of the wire contracts: what we send, and what we make of the answer.

`tests/contracts/<provider>.json` names the requests and lists the cases; `common.json` holds the
cases that are the same for all four, `clips.json` what is asked for. A case is one call: each
exchange is the name of a request and the answer (`json`, or `text`; `cut` breaks the body off) or
the fault that comes back, and `expect` the outcome with every field that matters.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from dropreel.providers import eachlabs, fal, luma, oxen
from dropreel.providers.base import (
    Busy,
    CancelOutcome,
    Failed,
    FailureKind,
    NoAnswer,
    Phase,
    Refused,
    Unknown,
)
from dropreel.providers.classify import KINDS, PROVES_NOTHING
from dropreel.providers.registry import NAMES
from tests.unit.providers.support import CLIPS, Case, adapter, answer, contract

SINCE = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
UNTIL = datetime(2026, 11, 20, 12, 5, tzinfo=UTC)
FILES = {name: contract(name) for name in NAMES}
COMMON = contract("common")["cases"]


RECORDED = [
    pytest.param(name, case, id=f"{name}: {case['name']}")
    for name, file in FILES.items()
    for case in [*file["cases"], *COMMON]
]


def ask(name: str, case: Case) -> tuple[object, list[httpx.Request]]:
    steps = [answer(exchange["answer"]) for exchange in case["exchange"]]
    provider, script = adapter(name, steps, **case.get("options", {}))
    clip = CLIPS[case.get("clip", "5s")]
    outcome: object
    match case["call"]:
        case "submit":
            outcome = provider.submit(clip)
        case "status":
            outcome = provider.status("job-1")
        case "cancel":
            outcome = provider.cancel("job-1")
        case _:
            outcome = provider.find(clip, SINCE, UNTIL)
    return outcome, script.seen


def judged(outcome: object) -> dict[str, object]:
    """An outcome in the words of the contract files."""
    if isinstance(outcome, CancelOutcome):
        return {"outcome": "CancelOutcome", "is": outcome.value}
    if isinstance(outcome, list | None):
        return {"outcome": "found", "ids": outcome}
    told = asdict(outcome)  # type: ignore[call-overload]
    failure = told.pop("failure", {})
    plain = {"outcome": type(outcome).__name__, **told, **failure}
    return {
        k: str(v) if isinstance(v, Decimal | FailureKind | Phase) else v for k, v in plain.items()
    }


@pytest.mark.parametrize(("name", "case"), RECORDED)
def test_a_recorded_case_has_its_outcome(name: str, case: Case) -> None:
    outcome, _ = ask(name, case)
    shown = judged(outcome)
    assert {key: shown.get(key, "absent") for key in case["expect"]} == case["expect"]


@pytest.mark.parametrize(("name", "case"), RECORDED)
def test_a_recorded_case_sends_what_the_contract_says(name: str, case: Case) -> None:
    _, seen = ask(name, case)
    assert len(seen) == len(case["exchange"])
    for request, exchange in zip(seen, case["exchange"], strict=True):
        wanted = FILES[name]["requests"][exchange["send"]]
        body = request.content.decode()
        assert (request.method, str(request.url)) == (wanted["method"], wanted["url"])
        assert (json.loads(body) if body else None) == wanted.get("json")
        own = {k: request.headers.get(k) for k in wanted["headers"]}
        assert own == wanted["headers"]


@pytest.mark.parametrize(("name", "case"), RECORDED)
def test_a_failure_says_something_and_is_never_claimed_as_made(name: str, case: Case) -> None:
    outcome, _ = ask(name, case)
    if isinstance(outcome, Refused | Busy):
        assert outcome.failure.billed is False
    if isinstance(outcome, Unknown | NoAnswer):
        assert outcome.failure.billed is None
        assert not outcome.failure.retryable
    if isinstance(outcome, Refused | Busy | Unknown | NoAnswer | Failed):
        assert 0 < len(outcome.failure.message) <= 300
        assert "X-Amz-Signature" not in outcome.failure.message


def expected(name: str, call: str, key: str) -> set[object]:
    cases = [case for case in FILES[name]["cases"] if case["call"] == call]
    return {case["expect"].get(key) for case in cases}


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("eachlabs", set(eachlabs.ERROR_CODES)),
        ("fal", set(fal.TYPES)),
        ("luma", set(luma.FAILURE_CODES)),
    ],
)
def test_every_failure_code_of_a_table_has_a_case(name: str, codes: set[str]) -> None:
    assert codes - expected(name, "status", "code") == set()


@pytest.mark.parametrize(
    ("name", "phases"),
    [
        ("eachlabs", eachlabs.PHASES),
        ("oxen", oxen.PHASES),
        ("fal", fal.PHASES),
        ("luma", luma.PHASES),
    ],
)
def test_every_status_word_of_a_table_has_a_case(name: str, phases: dict[str, Phase]) -> None:
    assert set(phases) - expected(name, "status", "word") == set()


def said(name: str) -> list[dict[str, Any]]:
    """The bodies of all status answers of a provider."""
    cases = [case for case in FILES[name]["cases"] if case["call"] == "status"]
    bodies = [exchange["answer"].get("json") for case in cases for exchange in case["exchange"]]
    return [body for body in bodies if isinstance(body, dict)]


def test_every_category_of_eachlabs_has_a_case() -> None:
    outputs = [body.get("output") for body in said("eachlabs")]
    codes = [o for o in outputs if isinstance(o, dict) and o.get("error_code") == "NEW_CODE"]
    assert set(eachlabs.CATEGORIES) - {o["classification"]["category"] for o in codes} == set()


def test_every_ending_word_has_a_case() -> None:
    assert {*eachlabs.FAILED_WORDS, "success", "cancelled"} <= {
        b.get("status") for b in said("eachlabs")
    }
    assert set(oxen.ENDS) <= {b.get("status") for b in said("oxen")}
    assert {"completed", "failed"} <= {b.get("state") for b in said("luma")}


def test_every_text_pattern_of_oxen_decides_a_case() -> None:
    messages = [str(body["error_message"]) for body in said("oxen") if body.get("error_message")]
    patterns = [pattern for pattern, *_ in oxen.TEXTS]
    hits = [[p for p in patterns if re.search(p, text, re.IGNORECASE)] for text in messages]
    assert set(patterns) - {found[0] for found in hits if found} == set()


def test_every_judged_http_status_has_a_submit_case() -> None:
    answers = {
        name: {
            exchange["answer"].get("status")
            for case in [*FILES[name]["cases"], *COMMON]
            if case["call"] == "submit"
            for exchange in case["exchange"]
        }
        for name in NAMES
    }
    for name, statuses in answers.items():
        wanted = {*KINDS, *PROVES_NOTHING, 301, 302, 304, 307, 500, 502, 503, 504}
        assert wanted - statuses == set(), name


@pytest.mark.parametrize("name", [*NAMES, "common"])
def test_case_names_are_unique(name: str) -> None:
    names = [case["name"] for case in contract(name)["cases"]]
    assert len(names) == len(set(names))
