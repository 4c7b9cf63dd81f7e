"""The provider simulators in process: no sockets between them, the functions and S3."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx

from dropreel.providers.catalog import CATALOG
from local.faults.dynamo import Dynamo
from local.faults.faults import READ_TIMEOUT_S, Kind, Moment
from local.faults.wire import Wire
from local.simulators import Simulators
from local.simulators.clock import ManualClock
from local.simulators.images import Fetcher, ImageError
from local.simulators.wire import Answer, Request

NAMES = tuple(sorted(CATALOG))
AT_WORK = frozenset({"queued", "running"})
KEYS = {name: f"{name}-id:{name}-secret" for name in NAMES}

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


class Clock(ManualClock):
    """Time of a play: stands still unless moved, and can be set back for the next one."""

    def restart(self, moment: datetime) -> None:
        self._now = moment.timestamp()

    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.now(), UTC)


class SourceFetcher(Fetcher):
    """Fetches the dropped image where its presigned address leads: in the S3 of the play."""

    def __init__(self, read: Callable[[str], bytes | None]) -> None:
        super().__init__(timeout=1.0, max_bytes=1 << 24)
        self._read_source = read

    def fetch(self, url: str) -> bytes:
        content = self._read_source(url)
        if content is None:
            raise ImageError("bad-image", "failed to fetch URL")
        return content


class Providers(Simulators):
    """All four hosted APIs on one manual clock, asked through `transport`."""

    def __init__(
        self, clock: Clock, read_source: Callable[[str], bytes | None], cache: Path
    ) -> None:
        super().__init__(keys=KEYS, clock=clock, renders="on-download", cache_dir=cache)
        self._studio.fetcher.close()
        self._studio.fetcher = SourceFetcher(read_source)
        self._limited: dict[str, float] = {}  # until when, by the path of orders
        self.most_at_once = self.asked_too_soon = 0

    def reset(self) -> None:
        super().reset()
        self._limited.clear()
        self.most_at_once = self.asked_too_soon = 0

    def respond(self, request: Request) -> Answer:
        """Also counts how many jobs one provider has at once, and orders before the time that a
        rate limit has named."""
        answer = super().respond(request)
        if request.method == "POST":
            at_work = Counter(job.provider for job in self.jobs() if job.state in AT_WORK)
            self.most_at_once = max(self.most_at_once, *at_work.values(), 0)
            self._watch_limit(request.path, answer)
        return answer

    def _watch_limit(self, path: str, answer: Answer) -> None:
        now = self.clock.now()
        self.asked_too_soon += now < self._limited.get(path, 0)
        if answer.status == 429 and b"concurrent" not in answer.body:
            self._limited[path] = now + float(answer.headers.get("Retry-After", 0))

    def options(self) -> dict[str, Any]:
        """The stack's parameter ProviderOptions that leads to these simulators."""
        urls: dict[str, Any] = {name: {"base_url": self.base_url(name)} for name in NAMES}
        urls["fal"]["api_base_url"] = f"{self.origin}/fal-api"
        return urls


def note_checkups(dynamo: Dynamo) -> None:
    """The daily look at the providers is no part of a job's way: none is due in a play."""
    for name in NAMES:
        key = {"pk": {"S": f"CHECKUP#{name}"}, "sk": {"S": "CHECKUP"}}
        item = {**key, "due_at": {"N": "9999999999"}}
        dynamo.put_item(TableName="ledger", Item=item)


class Transport(httpx.BaseTransport):
    """Hands requests to the simulators; every one goes through the wire."""

    def __init__(self, providers: Providers, wire: Wire) -> None:
        self._providers = providers
        self._wire = wire

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        name = f"{request.method} {_ID.sub('{id}', request.url.path)}"
        return self._wire.call(name, lambda: self._respond(request), _HttpSpoiler(request))

    def _respond(self, request: httpx.Request) -> httpx.Response:
        answer = self._providers.respond(_request(request))
        if answer.silent:
            raise httpx.RemoteProtocolError("closed without an answer", request=request)
        if answer.delay > READ_TIMEOUT_S:
            raise httpx.ReadTimeout("no answer in time", request=request)
        return _response(answer)


class _HttpSpoiler:
    """What httpx raises, and answers that are not whole or not the provider's."""

    def __init__(self, request: httpx.Request) -> None:
        self._request = request

    def error(self, kind: Kind, moment: Moment) -> Exception:
        if kind is Kind.HALF_SENT:
            return httpx.WriteError("connection reset", request=self._request)
        if kind is Kind.SLOW:
            return httpx.ReadTimeout("no answer in time", request=self._request)
        if moment is Moment.BEFORE:
            return httpx.ConnectError("nobody there", request=self._request)
        return httpx.RemoteProtocolError("closed without an answer", request=self._request)

    def spoilt(self, kind: Kind, answer: Any) -> Any:
        if kind is Kind.GATEWAY:
            return httpx.Response(502, html="<h1>Bad Gateway</h1>")
        body = answer.read()
        kept = {Kind.CUT_FIRST: 0, Kind.CUT: len(body) // 2, Kind.CUT_LAST: len(body) - 1}[kind]
        part = _Body(body[:kept], cut=True)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=part)


class _Body(httpx.SyncByteStream):
    """A body that may break off where it ends."""

    def __init__(self, content: bytes, *, cut: bool) -> None:
        self._content = content
        self._cut = cut

    def __iter__(self) -> Iterator[bytes]:
        yield self._content
        if self._cut:
            raise httpx.RemoteProtocolError("peer closed connection without sending all")


def _request(request: httpx.Request) -> Request:
    return Request(
        method=request.method,
        path=request.url.path,
        query=dict(parse_qsl(request.url.query.decode(), keep_blank_values=True)),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=request.read(),
    )


def _response(answer: Answer) -> httpx.Response:
    whole = len(answer.body)
    sent = replace(answer, send_only=whole) if answer.send_only is None else answer
    headers = {"Content-Type": answer.content_type, "Content-Length": str(whole), **answer.headers}
    cut = sent.send_only is not None and sent.send_only < whole
    return httpx.Response(
        answer.status, headers=headers, stream=_Body(answer.body[: sent.send_only], cut=cut)
    )
