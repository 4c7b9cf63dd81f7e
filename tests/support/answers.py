"""Answers of the providers, what adapters are to recognise in them, and an adapter to play them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from dropreel.providers.base import (
    IMAGE_NOT_FETCHED,
    Accepted,
    Busy,
    Failed,
    Limited,
    NoAnswer,
    Pending,
    Phase,
    Ready,
    Refused,
    Unknown,
)
from dropreel.providers.catalog import CATALOG
from dropreel.providers.client import new_client
from dropreel.providers.config import build
from dropreel.providers.verdicts import NO_REPLY, Call, Sign, Verdict
from tests.support.providers import CLIPS, UNREADABLE, Cut, Keys, Step, fault, says

WINDOW = (datetime(2026, 11, 20, 12, tzinfo=UTC), datetime(2026, 11, 20, 13, tzinfo=UTC))
MADE = "2026-11-20T12:30:00Z"
CLIP = CLIPS["5s"]
URL = "https://cdn.example/v.mp4"
ENDED = says(200, {"status": "COMPLETED"})
CALLS = [
    (name, call)
    for name in CATALOG
    for call in Call
    if (call is not Call.RESULT or name == "fal")
    and (call is not Call.LIST or CATALOG[name].lists_orders)
]

# Each provider's own words for an error, as its pages show them.
OWN_ERROR: dict[str, object] = {
    "eachlabs": {"status": 400, "error": "some reason", "details": "in more words"},
    "oxen": {"error": {"type": "some_error", "title": "some reason"}, "status": "error"},
    "fal": {"detail": [{"loc": ["body"], "msg": "some reason", "type": "some_type"}]},
    "luma": {"detail": "some reason"},
}
# That enough jobs are under way; the words of oxen and fal are not published.
TOO_MANY_JOBS: dict[str, object] = {
    "eachlabs": {
        "status": 429,
        "error": "too many requests",
        "details": "accounts with a balance of $10.00 or less are limited to 10 concurrent "
        "executions.",
    },
    "oxen": {"error": {"type": "rate_limited", "title": "Too many concurrent generations"}},
    "fal": {"detail": "Queue is full"},
    "luma": {"detail": "Too many concurrent jobs"},
}
PLATFORM_ERROR = {"detail": "some reason", "error_type": "internal_server_error"}
FAL_HEADERS = {"X-Fal-Error-Type": "internal_server_error", "X-Fal-Needs-Retry": "1"}
# What would be success in a 2xx.
SUCCESS = {
    "predictionID": "job-1",
    "request_id": "job-1",
    "id": "job-1",
    "generations": [{"generation_id": "job-1"}],
    "status": "success",
    "state": "completed",
    "output": [{"type": "video", "url": URL}],
    "video": {"url": URL},
    "result_url": URL,
}
PAGE_OF_A_GATEWAY = b"<!doctype html><html><body><h1>Bad gateway</h1></body></html>"

Body = tuple[dict[str, str], bytes]
PLAIN: dict[str, Body] = {
    "platform error": (FAL_HEADERS, json.dumps(PLATFORM_ERROR).encode()),
    "platform error without headers": ({}, json.dumps(PLATFORM_ERROR).encode()),
    "page of a gateway": ({}, PAGE_OF_A_GATEWAY),
    "page with headers of fal": (FAL_HEADERS, PAGE_OF_A_GATEWAY),
    "nothing": ({}, b""),
    "list": ({}, b'["some reason"]'),
    "half a JSON": ({}, b'{"detail": [{"type": "som'),
    "success": ({"Retry-After": "5"}, json.dumps(SUCCESS).encode()),
}
BODIES = ("own error", *PLAIN, "cut")
ERRORS = ("own error", "platform error", "platform error without headers")


def response(name: str, code: int, body: str) -> httpx.Response:
    own = json.dumps(OWN_ERROR[name]).encode()
    if body == "cut":
        return httpx.Response(code, stream=Cut(own[:-1]))
    headers, content = PLAIN.get(body, ({}, own))
    return httpx.Response(code, headers=headers, content=content)


def sign_of(name: str, call: Call, code: int, body: str) -> Sign:
    """What the adapter is to recognise in an answer from 300 to 599."""
    match name, call, code:
        case "eachlabs", Call.ORDER, 402:
            return Sign.IN_FLIGHT
        case "luma", Call.ORDER, 503 if body in ERRORS:
            return Sign.NOT_BEGUN
        case "fal", Call.RESULT, _ if body in ERRORS:
            return Sign.FAILED
    return Sign.NOTHING


# --- playing ------------------------------------------------------------------------------------


def verdict_in(outcome: object) -> Verdict:
    match outcome:
        case Refused(failure) if failure.code == IMAGE_NOT_FETCHED and failure.retryable:
            return Verdict.FRESH_ADDRESS
        case Busy(limited=Limited.RATE):
            return Verdict.RATE
        case Busy(limited=Limited.JOBS):
            return Verdict.JOBS
        case Pending(Phase.WITHOUT_CLIP):
            return Verdict.WITHOUT_CLIP
        case Failed(failure) if failure.billed is False:
            return Verdict.FAILED_FREE
        case [_, *_]:
            return Verdict.FOUND
        case None | []:
            return Verdict.NOT_FOUND
    return {
        Accepted: Verdict.ACCEPTED,
        Refused: Verdict.REFUSED,
        Busy: Verdict.BUSY,
        Unknown: Verdict.UNKNOWN,
        Pending: Verdict.PENDING,
        Ready: Verdict.READY,
        Failed: Verdict.FAILED,
        NoAnswer: Verdict.NO_ANSWER,
    }[type(outcome)]


@dataclass
class Speaker(httpx.MockTransport):
    """Answers with `first`, once, and then with `then`."""

    first: Step | None = None
    then: Step = ENDED
    seen: list[httpx.Request] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        step, self.first = self.first or self.then, None
        self.seen.append(request)
        return step(request)


class Player:
    """One adapter that is answered as told."""

    def __init__(self, name: str, keys: Keys | None = None) -> None:
        self.speaker = Speaker()
        self._adapter = build(name, {}, keys or Keys(), new_client(self.speaker))

    def play(self, call: Call, step: Step) -> Any:
        self.speaker.first, self.speaker.then = (ENDED if call is Call.RESULT else None), step
        match call:
            case Call.ORDER:
                return self._adapter.submit(CLIP)
            case Call.LIST:
                return self._adapter.find_orders(CLIP, *WINDOW)
            case _:
                return self._adapter.status("job-1")


# --- examples -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Example:
    """An answer that is not in the sweep, and what the adapter is to recognise in it."""

    name: str
    call: Call
    sign: Sign
    step: Step
    code: int = 200
    keys: tuple[str, ...] = ()


def examples(name: str) -> Iterator[Example]:
    def example(call: Call, sign: Sign, data: object, code: int = 200) -> Example:
        return Example(name, call, sign, says(code, data), code)

    yield from _orders(name, example)
    yield from _statuses(name, example)
    if name == "fal":
        yield example(Call.RESULT, Sign.CLIP, {"video": {"url": URL}})
        yield example(Call.RESULT, Sign.NO_CLIP, {"video": None})
        yield example(Call.RESULT, Sign.NO_CLIP, [URL])
        yield example(Call.RESULT, Sign.FAILED, OWN_ERROR["fal"], 422)
        yield example(Call.RESULT, Sign.NOTHING, OWN_ERROR["fal"], 404)
    calls = [call for each, call in CALLS if each == name and call is not Call.ORDER]
    for call in calls:
        yield Example(name, call, Sign.NOTHING, fault("ReadTimeout"), NO_REPLY)
        yield Example(name, call, Sign.NOTHING, lambda _: response(name, 200, "cut"))
        yield Example(name, call, Sign.NOTHING, lambda _: response(name, 200, "page of a gateway"))
    if Call.LIST in calls:
        yield example(Call.LIST, Sign.FOUND, {"data": [LISTED[name]]})
        yield example(Call.LIST, Sign.NOTHING, {"data": []})


def _orders(name: str, example: Any) -> Iterator[Example]:
    yield example(Call.ORDER, Sign.JOB_ID, SUCCESS)
    yield example(Call.ORDER, Sign.NOTHING, {})
    yield example(Call.ORDER, Sign.NOTHING, OWN_ERROR[name], 408)
    yield example(Call.ORDER, Sign.NOTHING, OWN_ERROR[name], 400)
    yield example(Call.ORDER, Sign.TOO_MANY, OWN_ERROR[name], 429)
    yield Example(name, Call.ORDER, Sign.NOT_SENT, fault("ConnectError"), NO_REPLY)
    yield Example(name, Call.ORDER, Sign.NOT_SENT, ENDED, NO_REPLY, (UNREADABLE,))
    yield Example(name, Call.ORDER, Sign.NO_KEY, ENDED, NO_REPLY, ("",))
    yield Example(name, Call.ORDER, Sign.NOTHING, fault("ReadTimeout"), NO_REPLY)
    yield example(Call.ORDER, Sign.TOO_MANY_JOBS, TOO_MANY_JOBS[name], 429)
    too_many = {"detail": "no more", "error_type": "concurrent_requests_limit"}
    match name:
        case "oxen":
            yield example(Call.ORDER, Sign.TOO_MANY, {"error": {"title": "Rate limit"}}, 403)
        case "fal":
            yield example(Call.ORDER, Sign.TOO_MANY_JOBS, too_many, 403)
        case "eachlabs":
            yield example(Call.ORDER, Sign.IN_FLIGHT, {"error": "payment required"}, 402)
        case "luma":
            lost = {"detail": "video.start_frame: failed to fetch URL (HTTP 403)"}
            yield example(Call.ORDER, Sign.NOT_FETCHED, lost, 422)
            proxy = {"detail": "source: fetch proxy unavailable"}
            yield example(Call.ORDER, Sign.NOT_BEGUN, proxy, 502)
            yield example(Call.ORDER, Sign.NOTHING, {"detail": "Upstream unavailable"}, 502)


STATUSES: dict[str, list[tuple[Sign, dict[str, object]]]] = {
    "eachlabs": [
        (Sign.WAITING, {"status": "processing"}),
        (Sign.WAITING, {"status": "word of tomorrow"}),
        (Sign.CLIP, {"status": "success", "output": URL}),
        (Sign.NO_CLIP, {"status": "success", "output": None, "metrics": {"cost": 0}}),
        (Sign.FAILED, {"status": "error", "metrics": {"cost": 0}}),
        (Sign.FAILED, {"status": "error", "output": {"retryable": True}, "metrics": {"cost": 0}}),
        (Sign.FAILED, {"status": "failed", "metrics": {"cost": 0.5}}),
        (Sign.FAILED, {"status": "cancelled", "metrics": {"cost": 0}}),
    ],
    "oxen": [
        (Sign.WAITING, {"status": "queued"}),
        (Sign.WAITING, {"status": "word of tomorrow"}),
        (Sign.CLIP, {"status": "succeeded", "result_url": URL}),
        (Sign.NO_CLIP, {"status": "succeeded", "result_url": None}),
        (Sign.FAILED_FREE, {"status": "failed", "error_message": "Insufficient credits"}),
        (Sign.FAILED, {"status": "failed", "error_message": "error: 402 - Insufficient credits"}),
        (Sign.FAILED, {"status": "failed", "error_message": "error: 503 - Service Unavailable"}),
        (Sign.FAILED, {"status": "cancelled"}),
    ],
    "fal": [
        (Sign.WAITING, {"status": "IN_QUEUE"}),
        (Sign.WAITING, {"status": "word of tomorrow"}),
        (Sign.FAILED_FREE, {"status": "COMPLETED", "error_type": "runner_disconnected"}),
        (Sign.FAILED, {"status": "COMPLETED", "error_type": "downstream_service_error"}),
        (Sign.FAILED, {"status": "COMPLETED", "error_type": "type of tomorrow"}),
        (Sign.FAILED, {"status": "COMPLETED", "error": "a word alone"}),
        (
            Sign.FAILED,
            {"status": "COMPLETED", "error_type": "internal_error", "downstream_status": 400},
        ),
    ],
    "luma": [
        (Sign.WAITING, {"state": "queued"}),
        (Sign.WAITING, {"state": "word of tomorrow"}),
        (Sign.CLIP, {"state": "completed", "output": [{"type": "video", "url": URL}]}),
        (Sign.NO_CLIP, {"state": "completed", "output": []}),
        (Sign.FAILED_FREE, {"state": "failed", "failure_code": "generation_failed"}),
        (Sign.FAILED_FREE, {"state": "failed", "failure_code": "code of tomorrow"}),
    ],
}
_INPUT = {"prompt": CLIP.prompt, "image_url": CLIP.image_url}
LISTED: dict[str, dict[str, object]] = {
    "eachlabs": {"id": "job-1", "created_at": MADE, "input": _INPUT},
    "oxen": {
        "generation_id": "job-1",
        "enqueued_at": MADE,
        "prompt": CLIP.prompt,
        "input_image": CLIP.image_url,
    },
    "fal": {"request_id": "job-1", "sent_at": MADE, "json_input": _INPUT},
}


def _statuses(name: str, example: Any) -> Iterator[Example]:
    for sign, body in STATUSES[name]:
        yield example(Call.STATUS, sign, body)
