from __future__ import annotations

import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from dropreel import __version__
from dropreel.clips.download import (
    MAX_REDIRECTS,
    MAX_RESUMES,
    UrlExpiredError,
    fetch_clip,
    resolve_host,
    without_query,
)
from dropreel.errors import ClipInvalidError, DownloadError, UnsafeUrlError

CLIP = bytes(range(256)) * 7000  # 1.8 MB
RESUMABLE = {"Accept-Ranges": "bytes", "ETag": '"v1"'}
PUBLIC = "93.184.216.34"


@dataclass
class Answer:
    """What the host does with one request. `sent` ends the connection after so many bytes."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    sent: int | None = None
    with_length: bool = True


class Host:
    """A real HTTP server on a free port of this machine that answers as told, in order."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, dict[str, str]]] = []
        host = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                host.answer(self)

            def log_message(self, *_: object) -> None:
                """Keep the tests' output quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.origin = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.requests.append((handler.path, headers))
        answer = self.answers.pop(0)
        handler.send_response(answer.status)
        if answer.with_length:
            handler.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        with suppress(ConnectionError):  # some tests leave early
            handler.wfile.write(answer.body[: answer.sent])
        handler.close_connection = answer.sent is not None or not answer.with_length

    def __enter__(self) -> Host:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


Serve = Callable[..., Host]


@pytest.fixture
def serve() -> Iterator[Serve]:
    hosts: list[Host] = []

    def start(*answers: Answer) -> Host:
        hosts.append(Host(*answers).__enter__())
        return hosts[-1]

    yield start
    for host in hosts:
        host.__exit__()


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=5, trust_env=False) as client:
        yield client


def fetched(http: httpx.Client, url: str, *trusted: str, **how: Any) -> bytes:
    """The whole body at `url`. Without trusted origins, that of the URL is trusted."""
    how = {"max_bytes": 10_000_000, "headers": {}, **how}
    origins = frozenset(trusted or {"/".join(url.split("/")[:3])})
    with fetch_clip(url, http=http, trusted_origins=origins, **how) as stream:
        return b"".join(stream)


def test_a_clip_comes_in_pieces_and_says_its_length(serve: Serve, http: httpx.Client) -> None:
    host = serve(Answer(CLIP))
    trusted = frozenset({host.origin})
    with fetch_clip(
        f"{host.origin}/clip.mp4", {}, http=http, trusted_origins=trusted, max_bytes=len(CLIP)
    ) as stream:
        assert stream.content_length == len(CLIP)
        pieces = list(stream)
    assert b"".join(pieces) == CLIP
    assert max(map(len, pieces)) <= 512 * 1024


def test_a_clip_of_no_stated_length_is_taken_to_its_end(serve: Serve, http: httpx.Client) -> None:
    host = serve(Answer(CLIP, with_length=False))
    trusted = frozenset({host.origin})
    with fetch_clip(
        f"{host.origin}/c", {}, http=http, trusted_origins=trusted, max_bytes=len(CLIP)
    ) as stream:
        assert stream.content_length is None
        assert b"".join(stream) == CLIP


def test_an_empty_clip_comes_in_no_pieces(serve: Serve, http: httpx.Client) -> None:
    assert fetched(http, f"{serve(Answer(b'')).origin}/c") == b""


def test_memory_does_not_grow_with_the_clip(serve: Serve, http: httpx.Client) -> None:
    large = bytes(64 << 20)
    host = serve(Answer(large))
    trusted = frozenset({host.origin})
    tracemalloc.start()
    with fetch_clip(
        f"{host.origin}/c", {}, http=http, trusted_origins=trusted, max_bytes=len(large)
    ) as stream:
        total = sum(len(piece) for piece in stream)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == len(large)
    assert peak < 6 << 20


def test_only_the_given_headers_and_no_client_defaults_are_sent(serve: Serve) -> None:
    host = serve(Answer(b"clip", headers={"Set-Cookie": "session=1"}), Answer(b"clip"))
    with httpx.Client(
        headers={"Authorization": "Bearer other"},
        cookies={"visitor": "1"},
        auth=("user", "password"),
        trust_env=False,
    ) as client:
        for _ in range(2):
            fetched(client, f"{host.origin}/clip.mp4", headers={"X-Key": "secret"})
    for _, sent in host.requests:
        assert sent.pop("host") in host.origin
        sent.pop("connection", None)
        assert sent == {
            "x-key": "secret",
            "accept": "*/*",
            "accept-encoding": "identity",
            "user-agent": f"dropreel/{__version__}",
        }


def test_bytes_that_are_said_to_be_compressed_are_passed_on_as_they_are(
    serve: Serve, http: httpx.Client
) -> None:
    host = serve(Answer(b"as it is", headers={"Content-Encoding": "gzip"}))
    assert fetched(http, f"{host.origin}/clip.mp4") == b"as it is"


# --- redirects ---------------------------------------------------------------------------------


def redirect(location: str, status: int = 302) -> Answer:
    return Answer(b"moved", status, {"Location": location})


def test_redirects_within_the_origin_keep_the_headers(serve: Serve, http: httpx.Client) -> None:
    host = serve(redirect("/b", 301), redirect("c?x=1", 307), Answer(b"clip"))
    assert fetched(http, f"{host.origin}/a", headers={"X-Key": "secret"}) == b"clip"
    assert [path for path, _ in host.requests] == ["/a", "/b", "/c?x=1"]
    assert all(sent["x-key"] == "secret" for _, sent in host.requests)


def test_headers_are_dropped_at_the_first_change_of_origin_for_good(
    serve: Serve, http: httpx.Client
) -> None:
    first, second = serve(), serve()
    first.answers += [redirect(f"{second.origin}/b"), Answer(b"clip")]
    second.answers += [redirect(f"{first.origin}/c")]
    body = fetched(
        http, f"{first.origin}/a", first.origin, second.origin, headers={"X-Key": "secret"}
    )
    assert body == b"clip"
    assert first.requests[0][1]["x-key"] == "secret"
    assert "x-key" not in second.requests[0][1]
    assert "x-key" not in first.requests[1][1]


def test_a_redirect_to_a_host_that_is_not_trusted_is_not_followed(
    serve: Serve, http: httpx.Client
) -> None:
    first, second = serve(), serve()
    first.answers += [redirect(f"{second.origin}/b")]
    with pytest.raises(UnsafeUrlError, match="not https"):
        fetched(http, f"{first.origin}/a")
    assert second.requests == []


def test_redirects_end_somewhere(serve: Serve, http: httpx.Client) -> None:
    host = serve(*[redirect("/again")] * (MAX_REDIRECTS + 1))
    with pytest.raises(DownloadError, match="more than 5 redirects"):
        fetched(http, f"{host.origin}/a")
    assert len(host.requests) == MAX_REDIRECTS + 1


@pytest.mark.parametrize("headers", [{}, {"Location": "https://256.1.1.1/"}])
def test_a_redirect_to_nowhere_is_an_error(
    serve: Serve, http: httpx.Client, headers: dict[str, str]
) -> None:
    host = serve(Answer(b"", 302, headers))
    with pytest.raises(DownloadError):
        fetched(http, f"{host.origin}/a")


# --- addresses ---------------------------------------------------------------------------------


def answering(**peer: Any) -> httpx.Client:
    """A client that never connects: every request is answered with a clip."""
    return httpx.Client(
        transport=httpx.MockTransport(
            lambda _: httpx.Response(200, content=iter([b"clip"]), extensions=peer)
        )
    )


class Peer:
    def __init__(self, *address: object) -> None:
        self.address = address

    def get_extra_info(self, name: str) -> object:
        assert name == "server_addr"
        return self.address


def public(host: str, port: int) -> list[str]:
    assert host
    assert port == 443
    return [PUBLIC, "2606:2800:220:1::1"]


def from_afar(url: str, http: httpx.Client | None = None, **how: Any) -> bytes:
    how = {"resolve": public, **how}
    with http or answering() as client:
        return fetched(client, url, "http://127.0.0.1:1", **how)


@pytest.mark.parametrize(
    "url",
    [
        "https://clips.example/a.mp4?sig=1",
        "https://clips.example:443/a.mp4",
        "https://CLIPS.example./a.mp4",
        "https://bücher.example/a.mp4",
        f"https://{PUBLIC}/a.mp4",
    ],
)
def test_https_on_a_public_host_is_fetched(url: str) -> None:
    assert from_afar(url) == b"clip"


@pytest.mark.parametrize(
    "url",
    [
        "http://clips.example/a.mp4",
        "ftp://clips.example/a.mp4",
        "file:///etc/passwd",
        "clips.example/a.mp4",
        "https:///a.mp4",
        "https://clips.example:8443/a.mp4",
        "https://user:password@clips.example/a.mp4",
        "https://user@clips.example/a.mp4",
        "http://user@127.0.0.1:1/a.mp4",
        "http://127.0.0.1:2/a.mp4",
        "https://127.0.0.1:1/a.mp4",
        "https://256.1.1.1/a.mp4",
        "https://clips.example:port/a.mp4",
        "",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(UnsafeUrlError):
        from_afar(url)


NOT_PUBLIC = [
    "127.0.0.1",
    "127.8.8.8",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104  an address to refuse, nothing listens on it
    "224.0.0.1",
    "255.255.255.255",
    "198.18.0.1",
    "192.0.2.1",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:db8::1",
    "2001:0:1::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "unix",
    "",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_host_that_leads_to_no_public_address_is_refused(address: str) -> None:
    with pytest.raises(UnsafeUrlError, match="not public"):
        from_afar("https://clips.example/a", resolve=lambda *_: [PUBLIC, address])


@pytest.mark.parametrize(
    "address", [PUBLIC, "2606:2800:220:1::1", f"::ffff:{PUBLIC}", "64:ff9b::5db8:d822"]
)
def test_a_host_that_leads_to_a_public_address_is_fetched(address: str) -> None:
    assert from_afar("https://clips.example/a", resolve=lambda *_: [address]) == b"clip"


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://127.1/",
    ],
)
def test_numbers_that_mean_this_machine_are_refused(url: str) -> None:
    with pytest.raises(UnsafeUrlError):
        from_afar(url, resolve=resolve_host)


@pytest.mark.parametrize("fault", [socket.gaierror("no such host"), UnicodeError("too long")])
def test_an_unknown_host_may_be_known_later(fault: Exception) -> None:
    def fail(*_: object) -> list[str]:
        raise fault

    with pytest.raises(DownloadError, match=r"host of https://clips\.example/a cannot be found"):
        from_afar("https://clips.example/a?sig=1", resolve=fail)


def test_a_host_without_addresses_may_have_some_later() -> None:
    with pytest.raises(DownloadError, match="cannot be found"):
        from_afar("https://clips.example/a", resolve=lambda *_: [])


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_name_that_turned_private_after_it_was_checked_is_refused(address: str) -> None:
    client = answering(network_stream=Peer(address, 443))
    with pytest.raises(UnsafeUrlError, match="not public"):
        from_afar("https://clips.example/a", client)


def test_a_public_peer_is_read() -> None:
    client = answering(network_stream=Peer(PUBLIC, 443))
    assert from_afar("https://clips.example/a", client) == b"clip"


class Rebound(httpx.HTTPTransport):
    """Connects to this machine, whatever the name: what a rebound name does."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        self.origin = httpx.URL(origin)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(
            scheme=self.origin.scheme, host=self.origin.host, port=self.origin.port
        )
        return super().handle_request(request)


def test_the_peer_of_a_real_connection_is_looked_at(serve: Serve) -> None:
    host = serve(Answer(CLIP))
    with pytest.raises(UnsafeUrlError, match=r"connected to 127\.0\.0\.1, which is not public"):
        from_afar("https://clips.example/a", httpx.Client(transport=Rebound(host.origin)))


def test_every_redirect_is_resolved_and_looked_at() -> None:
    asked = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(302, headers={"Location": "https://inside.example/a?sig=2"})

    def resolve(host: str, _: int) -> list[str]:
        return ["10.0.0.1"] if host == "inside.example" else [PUBLIC]

    client = httpx.Client(transport=httpx.MockTransport(handler))
    with pytest.raises(UnsafeUrlError, match=r"https://inside\.example/a leads to 10\.0\.0\.1"):
        from_afar("https://clips.example/a?sig=1", client, resolve=resolve)
    assert asked == ["https://clips.example/a?sig=1"]


def test_the_system_finds_the_addresses_of_a_host() -> None:
    assert "127.0.0.1" in resolve_host("localhost", 443) or "::1" in resolve_host("localhost", 443)


# --- refusals and faults -----------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_an_address_that_is_no_longer_good_asks_for_a_fresh_one(
    serve: Serve, http: httpx.Client, status: int
) -> None:
    host = serve(Answer(b"<Error/>", status))
    with pytest.raises(UrlExpiredError, match=f"the host answered {status}") as caught:
        fetched(http, f"{host.origin}/clip.mp4?X-Amz-Signature=secret")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("status", [204, 206, 304, 400, 408, 429, 500, 502, 503])
def test_other_answers_may_be_better_another_time(
    serve: Serve, http: httpx.Client, status: int
) -> None:
    host = serve(Answer(b"", status))
    with pytest.raises(DownloadError, match=f"answered {status}; trying again may help") as caught:
        fetched(http, f"{host.origin}/clip.mp4")
    assert not isinstance(caught.value, UrlExpiredError)


def test_a_host_that_asks_to_wait_is_quoted(serve: Serve, http: httpx.Client) -> None:
    host = serve(Answer(b"", 429, {"Retry-After": "30"}))
    with pytest.raises(DownloadError, match="answered 429 and asked to wait 30 s"):
        fetched(http, f"{host.origin}/clip.mp4")


def test_a_host_that_is_not_there_is_a_download_error(http: httpx.Client) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/clip.mp4?sig=secret"
        with pytest.raises(DownloadError, match="could not be reached \\(ConnectError: ") as caught:
            fetched(http, url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["pasted with a line end\n", "schlüssel"])
def test_a_key_that_cannot_be_sent_is_not_shown(serve: Serve, http: httpx.Client, key: str) -> None:
    host = serve()
    with pytest.raises(DownloadError) as caught:
        fetched(http, f"{host.origin}/clip.mp4", headers={"X-Key": key})
    assert "pasted" not in f"{caught.value!r}{caught.value.__cause__!r}"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("with_length", [True, False])
def test_more_bytes_than_allowed_are_not_read(
    serve: Serve, http: httpx.Client, with_length: bool
) -> None:
    host = serve(Answer(CLIP, with_length=with_length))
    with pytest.raises(ClipInvalidError, match="larger than 1000000 bytes"):
        fetched(http, f"{host.origin}/clip.mp4", max_bytes=1_000_000)


def test_more_bytes_than_announced_are_an_error() -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Length": "4"}, content=iter([b"clip", b"s"]))

    client = httpx.Client(transport=httpx.MockTransport(handler))
    with pytest.raises(DownloadError, match="5 of 4 bytes came"):
        from_afar("https://clips.example/a", client)


def test_leaving_early_closes_the_connection(serve: Serve, http: httpx.Client) -> None:
    host = serve(Answer(CLIP), Answer(b"clip"))
    trusted = frozenset({host.origin})
    with fetch_clip(
        f"{host.origin}/c", {}, http=http, trusted_origins=trusted, max_bytes=len(CLIP)
    ) as stream:
        next(iter(stream))
    assert fetched(http, f"{host.origin}/c") == b"clip"


# --- lost connections --------------------------------------------------------------------------


def rest(start: int, sent: int | None = None, *, span: str = "") -> Answer:
    """The answer to a request for everything from byte `start` on."""
    span = span or f"bytes {start}-{len(CLIP) - 1}/{len(CLIP)}"
    return Answer(CLIP[start:], 206, {"Content-Range": span} | RESUMABLE, sent)


def test_a_lost_connection_is_resumed_where_it_was_lost(serve: Serve, http: httpx.Client) -> None:
    host = serve(
        Answer(CLIP, headers=RESUMABLE, sent=700_000),
        rest(700_000, 300_000),
        rest(1_000_000, 0),
        rest(1_000_000),
    )
    assert fetched(http, f"{host.origin}/c?sig=1", headers={"X-Key": "secret"}) == CLIP
    asked = [sent.get("range") for _, sent in host.requests]
    assert asked == [None, "bytes=700000-", "bytes=1000000-", "bytes=1000000-"]
    assert all(sent["if-range"] == '"v1"' for _, sent in host.requests[1:])
    assert all(sent["x-key"] == "secret" for _, sent in host.requests)


def test_a_connection_lost_before_the_first_byte_is_resumed(
    serve: Serve, http: httpx.Client
) -> None:
    host = serve(Answer(CLIP, headers=RESUMABLE, sent=0), rest(0))
    assert fetched(http, f"{host.origin}/c") == CLIP


def test_resuming_ends_somewhere(serve: Serve, http: httpx.Client) -> None:
    host = serve(Answer(CLIP, headers=RESUMABLE, sent=10), *[rest(10, 0)] * MAX_RESUMES)
    with pytest.raises(DownloadError, match=f"cut short: 10 of {len(CLIP)} bytes came"):
        fetched(http, f"{host.origin}/c")
    assert len(host.requests) == 1 + MAX_RESUMES


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ETag": '"v1"'},
        {"Accept-Ranges": "none", "ETag": '"v1"'},
        {"Accept-Ranges": "bytes"},
        {"Accept-Ranges": "bytes", "ETag": 'W/"v1"'},
    ],
)
def test_a_clip_that_may_have_changed_is_not_resumed(
    serve: Serve, http: httpx.Client, headers: dict[str, str]
) -> None:
    host = serve(Answer(CLIP, headers=headers, sent=700_000))
    with pytest.raises(DownloadError, match=f"cut short: 700000 of {len(CLIP)} bytes came"):
        fetched(http, f"{host.origin}/c?sig=1")
    assert len(host.requests) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(CLIP), "answered 200"),
        (rest(9, span=f"bytes 9-{len(CLIP) - 1}/{len(CLIP)}"), "cut short: 10 of"),
        (rest(10, span=f"bytes 10-{len(CLIP) - 1}/*"), "cut short: 10 of"),
        (Answer(b"", 206), "cut short: 10 of"),
        (Answer(b"", 503), "answered 503"),
        (redirect("/elsewhere"), "answered 302"),
    ],
)
def test_another_answer_than_the_rest_of_the_clip_ends_the_download(
    serve: Serve, http: httpx.Client, answer: Answer, words: str
) -> None:
    host = serve(Answer(CLIP, headers=RESUMABLE, sent=10), answer)
    with pytest.raises(DownloadError, match=words):
        fetched(http, f"{host.origin}/c")


def test_an_address_that_expires_in_the_middle_asks_for_a_fresh_one(
    serve: Serve, http: httpx.Client
) -> None:
    host = serve(Answer(CLIP, headers=RESUMABLE, sent=10), Answer(b"", 403))
    with pytest.raises(UrlExpiredError):
        fetched(http, f"{host.origin}/c")


def test_a_stream_of_no_stated_length_that_breaks_is_not_resumed() -> None:
    def broken() -> Iterator[bytes]:
        yield b"clip"
        raise httpx.ReadError("connection reset")

    def handler(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=RESUMABLE, content=broken())

    client = httpx.Client(transport=httpx.MockTransport(handler))
    with pytest.raises(DownloadError, match="4 of an unknown number of bytes came"):
        from_afar("https://clips.example/a", client)


def test_a_host_that_is_gone_when_resuming_is_asked_a_few_times() -> None:
    asked = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if len(asked) > 1:
            raise httpx.ConnectError("refused")
        return httpx.Response(
            200, headers={"Content-Length": "9", **RESUMABLE}, content=iter([b"clip"])
        )

    client = httpx.Client(transport=httpx.MockTransport(handler))
    with pytest.raises(DownloadError, match="4 of 9 bytes came"):
        from_afar("https://clips.example/a", client)
    assert len(asked) == 1 + MAX_RESUMES


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/b.mp4?X-Amz-Signature=1#part", "https://a.example/b.mp4"),
        ("https://a.example/b.mp4#part?no", "https://a.example/b.mp4"),
        ("https://user:password@a.example/b@2.mp4", "https://a.example/b@2.mp4"),
        ("no address at all", "no address at all"),
    ],
)
def test_addresses_are_shown_without_their_secrets(url: str, shown: str) -> None:
    assert without_query(url) == shown
