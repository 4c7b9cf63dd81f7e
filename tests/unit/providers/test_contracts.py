"""Every case from the providers' pages: what we send, and what we make of the answer.

`tests/contracts/<provider>.json` names the requests and lists the cases; `common.json` holds the
cases that are the same for all, `clips.json` what is asked for. A case is one call: each
exchange is the name of a request and the answer (`json`, or `text`; `cut` breaks the body off) or
the fault that comes back, and `expect` the outcome with every field that matters. `title`, `error`
and `answers` are for `test_verdicts.py`.
"""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from dropreel.jobs.failure import FailureKind
from dropreel.providers import eachlabs, fal_errors, luma, oxen
from dropreel.providers.base import Busy, CancelOutcome, Failed, NoAnswer, Phase, Refused, Unknown
from dropreel.providers.catalog import CATALOG
from dropreel.providers.classify import KINDS
from dropreel.providers.verdicts import PROVES_NOTHING
from tests.support.providers import CLIPS, FRESH_KEY, PARTS, Case, Keys, adapter, answer, contract

SINCE = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
UNTIL = datetime(2026, 11, 20, 12, 5, tzinfo=UTC)
FILES = {name: contract(name) for name in CATALOG}
COMMON = contract("common")["cases"]


CASES = [
    pytest.param(name, case, id=f"{name}: {case['name']}")
    for name, file in FILES.items()
    for case in [*file["cases"], *COMMON]
]


@pytest.mark.parametrize("name", CATALOG)
def test_every_provider_has_a_contract(name: str) -> None:
    missing = [part for part in PARTS if not FILES[name][part]]
    assert missing == [], f"tests/contracts/{name}.json must have these, too"


def call(name: str, case: Case) -> tuple[object, list[httpx.Request]]:
    """The outcome of a case, and what was sent.

    A fresh key is at hand unless the case is about a 401, so a request that is wrongly sent once
    more would be seen.
    """
    answers = [exchange["answer"] for exchange in case["exchange"]]
    denied = any(given.get("status") == 401 for given in answers)
    keys = Keys() if denied else Keys(fresh=FRESH_KEY)
    provider, script = adapter(name, [answer(a) for a in answers], keys, **case.get("options", {}))
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
            outcome = provider.find_orders(clip, SINCE, UNTIL)
    return outcome, script.seen


def fields_of(outcome: object) -> dict[str, object]:
    """An outcome in the words of the contract files."""
    if isinstance(outcome, CancelOutcome):
        return {"outcome": "CancelOutcome", "is": outcome.value}
    if isinstance(outcome, list | None):
        return {"outcome": "found", "ids": outcome}
    fields = asdict(outcome)  # type: ignore[call-overload]
    failure = fields.pop("failure", {})
    plain = {"outcome": type(outcome).__name__, **fields, **failure}
    return {
        k: str(v) if isinstance(v, Decimal | FailureKind | Phase) else v for k, v in plain.items()
    }


def check_sent(request: httpx.Request, wanted: dict[str, Any]) -> None:
    body = request.content.decode()
    assert (request.method, str(request.url)) == (wanted["method"], wanted["url"])
    assert (json.loads(body) if body else None) == wanted.get("json")
    assert {k: request.headers.get(k) for k in wanted["headers"]} == wanted["headers"]


def check_failure(outcome: object) -> None:
    """A failure has a safe message, and never claims that something was made or is free."""
    if isinstance(outcome, Refused | Busy):
        assert outcome.failure.billed is False
    if isinstance(outcome, Unknown | NoAnswer):
        assert outcome.failure.billed is None
        assert not outcome.failure.retryable
    if isinstance(outcome, Refused | Busy | Unknown | NoAnswer | Failed):
        assert 0 < len(outcome.failure.message) <= 300
        assert "X-Amz-Signature" not in outcome.failure.message


@pytest.mark.parametrize(("name", "case"), CASES)
def test_a_case_sends_what_the_contract_says_and_has_its_outcome(name: str, case: Case) -> None:
    outcome, seen = call(name, case)
    shown = fields_of(outcome)
    assert {key: shown.get(key, "absent") for key in case["expect"]} == case["expect"]
    check_failure(outcome)
    assert len(seen) == len(case["exchange"])
    for request, exchange in zip(seen, case["exchange"], strict=True):
        check_sent(request, FILES[name]["requests"][exchange["send"]])


def expected(name: str, call: str, key: str) -> set[object]:
    cases = [case for case in FILES[name]["cases"] if case["call"] == call]
    return {case["expect"].get(key) for case in cases}


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("eachlabs", set(eachlabs.ERROR_CODES)),
        ("fal", set(fal_errors.TYPES)),
        ("luma", set(luma.FAILURE_CODES)),
    ],
)
def test_every_failure_code_of_a_table_has_a_case(name: str, codes: set[str]) -> None:
    assert codes - expected(name, "status", "code") == set()


@pytest.mark.parametrize("name", CATALOG)
def test_every_status_word_of_a_table_has_a_case(name: str) -> None:
    module = importlib.import_module(CATALOG[name].adapter.partition(":")[0])
    assert set(module.PHASES) - expected(name, "status", "word") == set()


def status_bodies(name: str) -> list[dict[str, Any]]:
    cases = [case for case in FILES[name]["cases"] if case["call"] == "status"]
    bodies = [exchange["answer"].get("json") for case in cases for exchange in case["exchange"]]
    return [body for body in bodies if isinstance(body, dict)]


def test_every_category_of_eachlabs_has_a_case() -> None:
    outputs = [body.get("output") for body in status_bodies("eachlabs")]
    codes = [o for o in outputs if isinstance(o, dict) and o.get("error_code") == "NEW_CODE"]
    assert set(eachlabs.CATEGORIES) - {o["classification"]["category"] for o in codes} == set()


def test_every_ending_word_has_a_case() -> None:
    assert {*eachlabs.FAILED_WORDS, "success", "cancelled"} <= {
        b.get("status") for b in status_bodies("eachlabs")
    }
    assert set(oxen.ENDS) <= {b.get("status") for b in status_bodies("oxen")}
    assert {"completed", "failed"} <= {b.get("state") for b in status_bodies("luma")}


def test_every_text_pattern_of_oxen_decides_a_case() -> None:
    messages = [
        str(body["error_message"]) for body in status_bodies("oxen") if body.get("error_message")
    ]
    patterns = [pattern for pattern, *_ in oxen.TEXTS]
    hits = [[p for p in patterns if re.search(p, text, re.IGNORECASE)] for text in messages]
    assert set(patterns) - {found[0] for found in hits if found} == set()


@pytest.mark.parametrize("name", CATALOG)
def test_every_judged_http_status_and_fault_has_a_submit_case(name: str) -> None:
    cases = [case for case in [*FILES[name]["cases"], *COMMON] if case["call"] == "submit"]
    answers = [exchange["answer"] for case in cases for exchange in case["exchange"]]
    statuses = {*KINDS, *PROVES_NOTHING, 301, 302, 304, 307, 500, 502, 503, 504}
    assert statuses - {given.get("status") for given in answers} == set()
    faults = {"ReadTimeout", "ConnectError", "RemoteProtocolError", "PoolTimeout"}
    assert faults - {given.get("fault") for given in answers} == set()


@pytest.mark.parametrize("name", [*CATALOG, "common"])
def test_case_names_are_unique(name: str) -> None:
    names = [case["name"] for case in contract(name)["cases"]]
    assert len(names) == len(set(names))
