"""Answers of the providers, what adapters are to recognise in them, and an adapter to play them.

What only one provider says is in its file of tests/contracts: `error`, and `answers` with the sign
in each.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
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
from dropreel.providers.verdicts import NO_REPLY, RESULT_CALL, Call, Sign, Verdict
from tests.support.providers import CLIPS, UNREADABLE, Cut, Keys, Step, contract, fault, says

WINDOW = (datetime(2026, 11, 20, 12, tzinfo=UTC), datetime(2026, 11, 20, 13, tzinfo=UTC))
CLIP = CLIPS["5s"]
URL = "https://cdn.example/v.mp4"
ENDED = says(200, {"status": "COMPLETED"})
CALLS = [
    (name, call)
    for name in CATALOG
    for call in Call
    if (call is not Call.RESULT or name in RESULT_CALL)
    and (call is not Call.LIST or CATALOG[name].lists_orders)
]

PLATFORM_ERROR = {"detail": "some reason", "error_type": "internal_server_error"}
FAL_HEADERS = {"X-Fal-Error-Type": "internal_server_error", "X-Fal-Needs-Retry": "1"}
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
}
BODIES = ("own error", "success", *PLAIN, "cut")
ERRORS = ("own error", "platform error", "platform error without headers")


@cache
def own_error(name: str) -> bytes:
    """The provider's own form of an error, as its pages show it."""
    return json.dumps(contract(name)["error"]).encode()


@cache
def success(name: str) -> bytes:
    """What would be success in a 2xx of any call of the provider."""
    signs = (Sign.JOB_ID, Sign.CLIP)
    bodies = [given["json"] for given in contract(name)["answers"] if given["sign"] in signs]
    return json.dumps({key: value for body in bodies for key, value in body.items()}).encode()


def response(name: str, code: int, body: str) -> httpx.Response:
    if body == "cut":
        return httpx.Response(code, stream=Cut(own_error(name)[:-1]))
    if body == "success":
        return httpx.Response(code, headers={"Retry-After": "5"}, content=success(name))
    headers, content = PLAIN.get(body, ({}, own_error(name)))
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
    """Those of the provider's pages, and those that every provider can give."""
    for given in contract(name)["answers"]:
        code = given.get("status", 200)
        step = says(code, given["json"])
        yield Example(name, Call(given["call"]), Sign(given["sign"]), step, code)
    yield from _orders(name)
    for call in (call for each, call in CALLS if each == name and call is not Call.ORDER):
        yield Example(name, call, Sign.NOTHING, fault("ReadTimeout"), NO_REPLY)
        yield Example(name, call, Sign.NOTHING, lambda _: response(name, 200, "cut"))
        yield Example(name, call, Sign.NOTHING, lambda _: response(name, 200, "page of a gateway"))
        if call is Call.LIST:
            yield Example(name, call, Sign.NOTHING, says(200, {"data": []}))


def _orders(name: str) -> Iterator[Example]:
    def example(sign: Sign, step: Step, code: int = NO_REPLY, *keys: str) -> Example:
        return Example(name, Call.ORDER, sign, step, code, keys)

    yield example(Sign.NOTHING, says(200, {}), 200)
    for code, sign in ((408, Sign.NOTHING), (400, Sign.NOTHING), (429, Sign.TOO_MANY)):
        yield example(sign, lambda _, c=code: response(name, c, "own error"), code)  # type: ignore[misc]
    yield example(Sign.NOT_SENT, fault("ConnectError"))
    yield example(Sign.NOT_SENT, ENDED, NO_REPLY, UNREADABLE)
    yield example(Sign.NO_KEY, ENDED, NO_REPLY, "")
    yield example(Sign.NOTHING, fault("ReadTimeout"))
