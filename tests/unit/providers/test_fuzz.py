"""Anything at all as an answer: no call raises, and nothing is claimed that was not said."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.providers.base import (
    Accepted,
    Busy,
    CancelOutcome,
    Failed,
    NoAnswer,
    Pending,
    Provider,
    Ready,
    Refused,
    Unknown,
)
from dropreel.providers.catalog import CATALOG
from dropreel.providers.client import new_client
from dropreel.providers.config import build
from tests.support.fuzz import fuzzed
from tests.support.providers import CLIPS, KEY, Keys

WINDOW = (datetime(2026, 11, 20, 12, tzinfo=UTC), datetime(2026, 11, 20, 13, tzinfo=UTC))
# The keys and words of the four contracts, so that chance reaches every corner of them.
NAMES = st.sampled_from(
    [
        *("status", "state", "error", "error_type", "detail", "type", "msg", "message", "id"),
        *("predictionID", "request_id", "generations", "generation_id", "generation", "cost"),
        *("output", "url", "video", "video_url", "result_url", "error_message", "metrics"),
        *("error_code", "classification", "category", "retryable", "failure_code", "success"),
        *("failure_reason", "executions", "items", "data", "count", "next_cursor", "has_more"),
        *("input", "json_input", "prompt", "image_url", "keyframes", "created_at", "sent_at"),
        *("enqueued_at", "input_image"),
    ]
)
WORDS = st.sampled_from(
    [
        *("success", "error", "failed", "cancelled", "created", "succeeded", "processing"),
        *("IN_QUEUE", "COMPLETED", "ALREADY_COMPLETED", "completed", "queued", "PROVIDER_FAILED"),
        *("content_policy_violation", "generation_failed", "VALIDATION", "..", "job-1"),
        *("https://cdn.example/v.mp4", "https://hub.oxen.ai/v.mp4", "ftp://a/b", "0.5", "NaN"),
        *("https://xn--/v.mp4", "https://☃.example/v.mp4", "https://a:99999/", "https://[::1]/"),
        *("2026-11-20T12:30:00Z", "Mg==", CLIPS["5s"].prompt, CLIPS["5s"].image_url),
        f"your key {KEY} is bad, see https://a.example/?X-Amz-Signature=1",
    ]
)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | WORDS | WORDS
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)
BODIES = st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode())
LOCATIONS = st.sampled_from(
    [
        b"https://xn--/",
        b"javascript:x",
        b"data:,x",
        "https://\u2603.example/".encode(),
        b"//",
        b"\x00",
    ]
)
HEADERS = st.dictionaries(
    st.sampled_from([b"Retry-After", b"X-Fal-Error-Type", b"X-Fal-Needs-Retry", b"Location"]),
    LOCATIONS | st.binary(max_size=20) | st.just(b"1"),
)
STATUSES = st.sampled_from([200, 200, 200, 201, 202, 204, 302]) | st.integers(200, 599)
ANSWERS = st.lists(st.tuples(STATUSES, HEADERS, BODIES), min_size=1, max_size=4)

every_provider = pytest.mark.parametrize("name", CATALOG)
widely = fuzzed(120)

Told = list[tuple[int, dict[bytes, bytes], bytes]]


def speaking(name: str, answers: Told) -> tuple[Provider, list[bytes]]:
    """An adapter whose provider gives these answers, the last one for ever."""
    given_out: list[bytes] = []

    def respond(_: httpx.Request) -> httpx.Response:
        status, headers, body = answers[min(len(given_out), len(answers) - 1)]
        given_out.append(body)
        return httpx.Response(status, headers=headers, content=body)

    client = new_client(httpx.MockTransport(respond))
    return build(name, {}, Keys(), client), given_out


def check_failure(outcome: object) -> None:
    if isinstance(outcome, Refused | Busy | Unknown | Failed | NoAnswer):
        message = outcome.failure.message
        assert 0 < len(message) <= 300
        assert message.isprintable()
        assert KEY not in repr(outcome)
        assert "X-Amz-Signature=1" not in message


@every_provider
@widely
@given(answers=ANSWERS)
def test_any_answer_to_a_submit_is_an_outcome(name: str, answers: Told) -> None:
    provider, bodies = speaking(name, answers)
    outcome = provider.submit(CLIPS["5s"])
    assert isinstance(outcome, Accepted | Refused | Busy | Unknown)
    assert len(bodies) == 1
    check_failure(outcome)
    if isinstance(outcome, Accepted):
        assert 200 <= answers[0][0] < 300
        assert outcome.provider_job_id in json.dumps(json.loads(bodies[0]), ensure_ascii=False)


@every_provider
@widely
@given(answers=ANSWERS)
def test_any_answer_to_a_status_is_an_outcome(name: str, answers: Told) -> None:
    provider, bodies = speaking(name, answers)
    outcome = provider.status("job-1")
    assert isinstance(outcome, Pending | Ready | Failed | NoAnswer)
    check_failure(outcome)
    if isinstance(outcome, Failed):
        assert 200 <= answers[0][0] < 300
        assert outcome.failure.billed is not False or name != "eachlabs"
    if isinstance(outcome, Ready):
        assert 200 <= answers[0][0] < 300
        assert outcome.url.lower().startswith(("http://", "https://"))
        assert any(outcome.url.encode() in body for body in bodies)
        assert outcome.headers == {} or outcome.url.startswith("https://hub.oxen.ai/")


@every_provider
@widely
@given(answers=ANSWERS)
def test_any_answer_to_a_cancel_is_an_outcome(name: str, answers: Told) -> None:
    provider, _ = speaking(name, answers)
    assert isinstance(provider.cancel("job-1"), CancelOutcome)


@every_provider
@widely
@given(answers=ANSWERS)
def test_any_answer_to_a_search_is_a_list_or_nothing(name: str, answers: Told) -> None:
    provider, bodies = speaking(name, answers)
    found = provider.find_orders(CLIPS["5s"], *WINDOW)
    assert found is None or isinstance(found, list)
    if found:
        prompt = json.dumps(CLIPS["5s"].prompt).encode()
        assert any(prompt in body for body in bodies)


@every_provider
@fuzzed(100)
@given(job_id=st.text(max_size=30))
def test_any_job_id_can_be_asked_about(name: str, job_id: str) -> None:
    provider, _ = speaking(name, [(200, {}, b"{}")])
    assert isinstance(provider.status(job_id), NoAnswer)
    assert isinstance(provider.cancel(job_id), CancelOutcome)
