"""What the tests of the adapters share: contract cases, a scripted transport, made-up keys."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from dropreel.errors import KeyUnreadableError, SettingsError
from dropreel.providers.base import ClipRequest, Provider
from dropreel.providers.client import new_client
from dropreel.providers.config import build, read_options

CONTRACTS = Path(__file__).parents[1] / "contracts"
KEY = "test-key-0123456789"
FRESH_KEY = "fresh-key-9876543210"

Case = dict[str, Any]
Step = Callable[[httpx.Request], httpx.Response]


# What a test of test_contracts.py finds in the file of each provider.
PARTS: dict[str, Any] = {"title": "", "requests": {}, "error": {}, "answers": [], "cases": []}


def contract(name: str) -> dict[str, Any]:
    """One file of cases from the providers' pages; a part that it lacks is empty."""
    path = CONTRACTS / f"{name}.json"
    loaded: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return {**PARTS, **loaded}


CLIPS: dict[str, ClipRequest] = {
    name: ClipRequest(**{**clip, "reference_image_urls": tuple(clip["reference_image_urls"])})
    for name, clip in json.loads((CONTRACTS / "clips.json").read_text()).items()
}


UNREADABLE = "unreadable"  # in place of a key: the secret cannot be read just now


class Keys:
    """A key source that answers `first` and, when asked for a fresh key, `fresh`."""

    def __init__(self, first: str = KEY, fresh: str | None = None) -> None:
        self._first = first
        self._fresh = first if fresh is None else fresh
        self.asked: list[tuple[str, bool]] = []

    def key(self, provider: str, *, fresh: bool = False) -> str:
        self.asked.append((provider, fresh))
        if fresh:
            self._first = self._fresh
        if self._first == UNREADABLE:
            raise KeyUnreadableError("the secret cannot be read just now")
        if not self._first:
            raise SettingsError(f"the secret holds no key for {provider}")
        return self._first


@dataclass
class Script(httpx.MockTransport):
    """Answers requests one by one and keeps them; a request too many is an error of the test."""

    steps: list[Step]
    seen: list[httpx.Request] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert len(self.seen) < len(self.steps), f"unexpected {request.method} {request.url}"
        step = self.steps[len(self.seen)]
        self.seen.append(request)
        request.read()
        return step(request)


class Cut(httpx.SyncByteStream):
    """A body that breaks off after its first bytes."""

    def __init__(self, start: bytes) -> None:
        self._start = start

    def __iter__(self) -> Iterator[bytes]:
        yield self._start
        raise httpx.RemoteProtocolError("peer closed connection without complete body")


def answer(given: Case) -> Step:
    """Turn an answer or fault of a case into a step of a script."""
    if "fault" in given:
        return fault(given["fault"])
    headers = given.get("headers", {})
    text = given.get("text")
    body = json.dumps(given["json"]) if text is None else text

    def step(_: httpx.Request) -> httpx.Response:
        if given.get("cut"):
            return httpx.Response(given["status"], headers=headers, stream=Cut(body.encode()))
        return httpx.Response(given["status"], headers=headers, content=body.encode())

    return step


def fault(name: str, text: str = "broken") -> Step:
    def step(request: httpx.Request) -> httpx.Response:
        raised: httpx.RequestError = getattr(httpx, name)(text, request=request)
        raise raised

    return step


def says(status: int, data: object, headers: dict[str, str] | None = None) -> Step:
    return answer({"status": status, "json": data, "headers": headers or {}})


def adapter(
    name: str,
    steps: Sequence[Step],
    keys: Keys | None = None,
    **options: object,
) -> tuple[Provider, Script]:
    """The adapter of that name on a script of answers."""
    script = Script(list(steps))
    return build(name, read_options({name: options}), keys or Keys(), new_client(script)), script
