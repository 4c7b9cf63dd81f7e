"""Authenticated JSON calls: one request per call, every fault of the transport told as data.

What matters for money is whether the provider can have seen a request at all. A connection that
was never made proves that it has not; anything later proves nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

import httpx

from dropreel import __version__
from dropreel.errors import KeyUnreadableError, SettingsError
from dropreel.jobs.failure import FailureKind
from dropreel.providers import parse
from dropreel.providers.base import KeySource

TIMEOUT = httpx.Timeout(connect=5.0, read=25.0, write=15.0, pool=5.0)
BODY_SECONDS = 30.0  # for a whole body: the read timeout alone never ends a trickle
ANSWER_CAP = 1 << 20
LIST_CAP = 8 << 20

_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)


def new_client(transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """Build the client that adapters are given.

    Connections are not kept: one that died while the process was frozen would swallow a POST
    and leave its outcome unknown, which costs more than a handshake.
    """
    return httpx.Client(
        timeout=TIMEOUT,
        follow_redirects=False,
        trust_env=False,
        limits=httpx.Limits(max_connections=4, max_keepalive_connections=0),
        headers={"User-Agent": f"dropreel/{__version__}"},
        transport=transport,
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider sent. `data` is None, and `text` tells, where the body is no JSON."""

    status: int
    headers: httpx.Headers
    data: object = None
    text: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """The provider's reason in one short line without secrets; never empty."""
        found = parse.reason_in(self.data)
        if not found.strip():
            found = parse.without_tags(parse.without_keys(self.text, self.secrets))
        return self.safe(found) or f"HTTP {self.status} without a reason"

    def safe(self, text: str) -> str:
        return parse.safe_text(text, self.secrets)

    def short_word(self, value: object) -> str:
        """A status word or error code as it may be stored; empty for what is no text."""
        return parse.short_word(parse.without_keys(parse.text(value), self.secrets))

    def retry_after(self) -> float | None:
        return parse.retry_after(self.headers.get("Retry-After"), datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Fault:
    """No answer. `sent` is False only where the provider cannot have seen the request, or has
    said in a 401 that it did nothing."""

    kind: FailureKind
    message: str
    sent: bool


Reply = Answer | Fault
KeyHeaders = Callable[[str], dict[str, str]]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def trace_headers(job_id: str) -> dict[str, str]:
    """A request id that provider logs and ours share: all there is after a lost answer."""
    return {"X-Request-Id": job_id} if parse.usable_id(job_id) else {}


@dataclass(frozen=True, slots=True)
class Api:
    """Calls to one provider at its configured address; the key goes nowhere else."""

    provider: str
    base_url: str
    key_headers: KeyHeaders
    keys: KeySource
    http: httpx.Client
    clock: Callable[[], float] = time.monotonic

    def call(
        self,
        method: str,
        *segments: str,
        body: object = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        cap: int = ANSWER_CAP,
    ) -> Reply:
        """Send one request; only a 401, which proves that nothing was done, is sent once more,
        and only with a key that differs. Path segments are escaped, redirects not followed."""
        if not all(parse.usable_id(segment) for segment in segments):
            return Fault(FailureKind.UNEXPECTED, "not usable in an address", sent=False)
        key = self._key(fresh=False)
        if isinstance(key, Fault):
            return key

        def send(*secrets: str) -> Reply:
            request = self._request(method, segments, secrets[0], body, params, headers)
            return request if isinstance(request, Fault) else self._send(request, secrets, cap)

        reply = send(key)
        if isinstance(reply, Answer) and reply.status == 401:
            fresh = self._key(fresh=True)
            if isinstance(fresh, str) and fresh != key:
                return send(fresh, key)
            if isinstance(fresh, Fault) and fresh.kind is FailureKind.TRANSIENT:
                return fresh  # the key may have been changed, so the 401 is not the last word
        return reply

    def key_fault(self) -> Fault | None:
        """Why there is no usable key just now; sends nothing."""
        key = self._key(fresh=False)
        return key if isinstance(key, Fault) else None

    def auth_headers(self) -> dict[str, str]:
        """The headers that carry the key; empty when there is none."""
        key = self._key(fresh=False)
        return {} if isinstance(key, Fault) else self.key_headers(key)

    def is_own_address(self, address: str) -> bool:
        """Whether an address has the scheme, host and port of the configured one."""
        try:
            ours, theirs = httpx.URL(self.base_url), httpx.URL(address)
        except httpx.InvalidURL:
            return False
        # `raw_host`, because `host` decodes international names and raises for malformed ones.
        first, second = ((u.scheme, u.raw_host, u.port) for u in (ours, theirs))
        return first == second

    def segments_of(self, address: object) -> tuple[str, ...]:
        """The path segments, for `call`, of an address that lies below the configured one; none
        for any other, and for one with a query."""
        given = parse.url(address)
        if given is None or not self.is_own_address(given):
            return ()
        base, found = httpx.URL(self.base_url).path.rstrip("/"), httpx.URL(given)
        first, *segments = found.path.removeprefix(base).split("/")
        beyond = first or found.query or found.fragment or not found.path.startswith(base)
        usable = not beyond and all(parse.usable_id(segment) for segment in segments)
        return tuple(segments) if usable else ()

    def _key(self, *, fresh: bool) -> str | Fault:
        try:
            key = self.keys.key(self.provider, fresh=fresh).strip()
        except KeyUnreadableError as error:
            return Fault(FailureKind.TRANSIENT, parse.safe_text(str(error)), sent=False)
        except SettingsError as error:
            return Fault(FailureKind.NO_KEY, parse.safe_text(str(error)), sent=False)
        if not key or not key.isascii() or not key.isprintable():
            message = f"the API key of {self.provider} is empty or no key"
            return Fault(FailureKind.NO_KEY, message, sent=False)
        return key

    def _request(
        self,
        method: str,
        segments: tuple[str, ...],
        key: str,
        body: object,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> httpx.Request | Fault:
        path = "/".join(quote(segment, safe="") for segment in segments)
        sent = {"Accept": "application/json", "Accept-Encoding": "identity"}
        content = None
        if body is not None:
            # ASCII escapes keep any text sendable, lone surrogates included.
            content = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        try:
            return self.http.build_request(
                method,
                f"{self.base_url.rstrip('/')}/{path}",
                content=content,
                params=params,
                headers={**sent, **(headers or {}), **self.key_headers(key)},
            )
        except (httpx.InvalidURL, ValueError) as fault:
            message = f"the configured address is not usable: {fault}"
            return Fault(FailureKind.UNREACHABLE, parse.safe_text(message), sent=False)

    def _send(self, request: httpx.Request, secrets: tuple[str, ...], cap: int) -> Reply:
        try:
            response = self.http.send(request, stream=True, follow_redirects=False, auth=None)
        except _NEVER_SENT as fault:
            return Fault(FailureKind.UNREACHABLE, _described(fault, secrets), sent=False)
        except (httpx.RequestError, httpx.InvalidURL, ValueError) as fault:
            # The last two: httpx reads the `Location` of a redirect even if it follows none.
            return Fault(FailureKind.TRANSIENT, _described(fault, secrets), sent=True)
        with closing(response):
            body = self._body(response, cap)
        status, headers = response.status_code, response.headers
        if body is None:
            cut = "the answer was cut short, too long or too slow"
            return Answer(status, headers, None, cut, secrets)
        data = _json(body)
        text = body.decode(errors="replace") if data is None else ""
        return Answer(status, headers, data, text, secrets)

    def _body(self, response: httpx.Response, cap: int) -> bytes | None:
        body = bytearray()
        deadline = self.clock() + BODY_SECONDS
        try:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > cap or self.clock() > deadline:
                    return None
        except httpx.RequestError:
            return None
        return bytes(body)


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _described(fault: Exception, secrets: tuple[str, ...]) -> str:
    return parse.safe_text(f"{type(fault).__name__}: {fault}", secrets)
