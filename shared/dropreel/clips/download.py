"""Fetches a finished clip from wherever the provider says it lies.

The address comes from outside, so nothing is taken on trust: https only, public hosts only
(looked at before and after connecting), redirects followed by hand under the same rules, and
headers, which may carry an API key, go to the first address' origin alone.

A lost connection is resumed only where the rest is sure to be that of the same file: behind a
strong ETag, in ranges.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus

import httpx

from dropreel import __version__
from dropreel.errors import DownloadError, UnsafeUrlError

MAX_REDIRECTS = 5
MAX_RESUMES = 3  # per download

Resolver = Callable[[str, int], list[str]]

_EXPIRED = {401, 403, 404, 410}
_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # RFC 4291
# Identity: the length announced is then that of the file. Some hosts refuse unnamed clients.
_OWN_HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "User-Agent": f"dropreel/{__version__}",
}


class UrlExpiredError(DownloadError):
    """The address is no longer good (401, 403, 404, 410): ask the provider for a fresh one."""


def without_query(url: str) -> str:
    """The address for messages and logs: user, query and fragment may be secrets."""
    return re.sub(r"//[^/]*@", "//", re.split(r"[?#]", url, maxsplit=1)[0])


def resolve_host(host: str, port: int) -> list[str]:
    """All addresses of a host, as the system finds them. Raises OSError where there is none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


@contextmanager
def fetch_clip(
    url: str,
    headers: Mapping[str, str],
    *,
    http: httpx.Client,
    trusted_origins: frozenset[str],
    max_bytes: int,
    resolve: Resolver = resolve_host,
) -> Iterator[ClipStream]:
    """Open the clip at `url`; its body is to be iterated once, inside the `with`.

    `trusted_origins` (such as `http://127.0.0.1:8090`) are exempt from the rules for addresses.
    `http` must not use a proxy, whose address would be judged instead of the host's; none of
    its own headers, cookies and credentials are sent. Opening and iterating raise

    UnsafeUrlError    for an address that must not be fetched;
    UrlExpiredError   for one that is no longer good;
    DownloadError     for what may go better another time, and for more than `max_bytes`.
    """
    trusted = frozenset(_origin(_parsed(origin)) for origin in trusted_origins)
    source = _Source(_parsed(url), headers, http, _Guard(trusted, resolve))
    stream = ClipStream(source, source.open(), max_bytes)
    try:
        yield stream
    finally:
        stream.close()


class ClipStream:
    """The body of a clip, in pieces as they come in.

    `content_length` is that of the whole file as the server announced it, in bytes; None where
    it did not.
    """

    def __init__(self, source: _Source, response: httpx.Response, max_bytes: int) -> None:
        self.content_length = _length(response)
        self._source = source
        self._response = response
        self._max_bytes = max_bytes
        self._received = 0
        self._resumes = 0
        self._etag = _strong_etag(response)

    def __iter__(self) -> Iterator[bytes]:
        self._check_size(self.content_length or 0)
        while True:
            fault: httpx.TransportError | None = None
            try:
                for piece in self._response.iter_raw():
                    self._received += len(piece)
                    self._check_size(self._received)
                    yield piece
            except httpx.TransportError as error:
                fault = error
            announced = self.content_length
            if self._received == announced or (announced is None and fault is None):
                return
            self._resume(fault)

    def close(self) -> None:
        self._response.close()

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise DownloadError(
                f"the clip is larger than the {self._max_bytes} bytes of MaxClipMegabytes"
            )

    def _resume(self, fault: Exception | None) -> None:
        """Go on behind what has come, if it is sure to be the same file."""
        self._response.close()
        total = self.content_length or 0
        # RFC 9110 14.2 and 13.1.5
        rest = {"Range": f"bytes={self._received}-", "If-Range": self._etag}
        span = f"bytes {self._received}-{total - 1}/{total}"
        while self._etag and self._received < total and self._resumes < MAX_RESUMES:
            self._resumes += 1
            with suppress(httpx.TransportError):
                self._response = self._source.ask(rest)
                self._source.check_status(self._response, HTTPStatus.PARTIAL_CONTENT)
                if self._response.headers.get("content-range") == span:
                    return
                break
        came = f"{self._received} of {total or 'an unknown number of'} bytes came"
        raise DownloadError(f"the clip at {self._source.place} was cut short: {came}") from fault


def _length(response: httpx.Response) -> int | None:
    text = response.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _strong_etag(response: httpx.Response) -> str:
    """What `If-Range` needs (RFC 9110 13.1.5); empty where the file cannot be resumed."""
    etag: str = response.headers.get("etag", "")
    ranges = response.headers.get("accept-ranges", "").lower() == "bytes"
    return etag if ranges and etag.startswith('"') else ""


class _Source:
    """The place the clip is fetched from, after the redirects so far."""

    def __init__(
        self, url: httpx.URL, headers: Mapping[str, str], http: httpx.Client, guard: _Guard
    ) -> None:
        self._url = url
        self._headers = headers
        self._http = http
        self._guard = guard

    @property
    def place(self) -> str:
        return without_query(str(self._url))

    def open(self) -> httpx.Response:
        """The answer with the clip, behind at most MAX_REDIRECTS redirects."""
        for _ in range(MAX_REDIRECTS + 1):
            try:
                response = self.ask({})
            except (httpx.TransportError, UnicodeError) as error:
                raise self._unreachable(error) from None  # its text may hold a header
            if response.next_request is None:
                self.check_status(response, HTTPStatus.OK)
                return response
            response.close()
            self._move(response.next_request.url)
        raise DownloadError(f"more than {MAX_REDIRECTS} redirects, the last to {self.place}")

    def _move(self, url: httpx.URL) -> None:
        if _origin(url) != _origin(self._url):
            self._headers = {}
        self._url = url

    def ask(self, extra: Mapping[str, str]) -> httpx.Response:
        """Send one GET; the body of the answer is not read yet."""
        self._guard.check(self._url)
        headers = httpx.Headers(self._headers)
        headers.update({**_OWN_HEADERS, **extra})
        # Not `build_request`, which would add the client's own headers and cookies.
        request = httpx.Request("GET", self._url, headers=headers)
        response = self._http.send(request, stream=True, auth=None, follow_redirects=False)
        try:
            self._guard.check_peer(self._url, response)
        except UnsafeUrlError:
            response.close()
            raise
        return response

    def check_status(self, response: httpx.Response, wanted: HTTPStatus) -> None:
        status = response.status_code
        if status == wanted:
            return
        response.close()
        if status in _EXPIRED:
            raise UrlExpiredError(f"{self.place} is no longer good: the host answered {status}")
        pause = response.headers.get("retry-after", "")
        hint = f" and asked to wait {pause} s" if pause.isdigit() else ""
        raise DownloadError(f"{self.place} answered {status}{hint}; trying again may help")

    def _unreachable(self, error: Exception) -> DownloadError:
        secret = isinstance(error, httpx.LocalProtocolError | UnicodeError)
        reason = type(error).__name__ + ("" if secret else f": {error}")
        return DownloadError(f"{self.place} could not be reached ({reason})")


@dataclass(frozen=True, slots=True)
class _Guard:
    """Says which addresses may be fetched: https on port 443 of a public host, or trusted."""

    trusted: frozenset[str]
    resolve: Resolver

    def check(self, url: httpx.URL) -> None:
        place = without_query(str(url))
        if url.userinfo:
            raise UnsafeUrlError(f"{place} comes with a user name")
        if _origin(url) in self.trusted:
            return
        if url.scheme != "https" or url.port is not None or not url.raw_host:
            raise UnsafeUrlError(f"{place} is not https on its usual port")
        addresses = []
        with suppress(OSError, UnicodeError):
            addresses = self.resolve(url.raw_host.decode("ascii"), _PORTS["https"])
        if not addresses:
            raise DownloadError(f"the host of {place} cannot be found")
        for address in addresses:
            if not _is_public(address):
                raise UnsafeUrlError(f"{place} leads to {address}, which is not public")

    def check_peer(self, url: httpx.URL, response: httpx.Response) -> None:
        """Look again once connected: a host may answer each question of names differently."""
        stream = response.extensions.get("network_stream")
        peer = stream.get_extra_info("server_addr") if stream else None
        if peer and _origin(url) not in self.trusted and not _is_public(str(peer[0])):
            place = without_query(str(url))
            raise UnsafeUrlError(f"{place} was connected to {peer[0]}, which is not public")


def _parsed(url: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except httpx.InvalidURL as error:
        raise UnsafeUrlError(f"{without_query(url)} is not an address") from error


def _origin(url: httpx.URL) -> str:
    port = url.port or _PORTS.get(url.scheme)
    return f"{url.scheme}://{url.host}:{port}"


def _is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, also when wrapped in IPv6."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        wrapped = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            wrapped = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if wrapped is None:
            return ip.is_global and ip in _GLOBAL_UNICAST
        ip = wrapped
    return ip.is_global and not ip.is_multicast
