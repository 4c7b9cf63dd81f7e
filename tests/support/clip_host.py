"""A host of clips on this machine, and fetches from it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from dropreel.clips.download import fetch_clip

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
    """A real HTTP server on a free port of this machine that gives the answers in order."""

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


def fetched(http: httpx.Client, url: str, *trusted: str, **how: Any) -> bytes:
    """The whole body at `url`. Without trusted origins, that of the URL is trusted."""
    how = {"max_bytes": 10_000_000, "headers": {}, **how}
    origins = frozenset(trusted or {"/".join(url.split("/")[:3])})
    with fetch_clip(url, http=http, trusted_origins=origins, **how) as stream:
        return b"".join(stream)


def redirect(location: str, status: int = 302) -> Answer:
    return Answer(b"moved", status, {"Location": location})


def answering(**peer: Any) -> httpx.Client:
    """A client that never connects: every request is answered with a clip."""
    return httpx.Client(
        transport=httpx.MockTransport(
            lambda _: httpx.Response(200, content=iter([b"clip"]), extensions=peer)
        )
    )


def public(host: str, port: int) -> list[str]:
    assert host
    assert port == 443
    return [PUBLIC, "2606:2800:220:1::1"]


def from_afar(url: str, http: httpx.Client | None = None, **how: Any) -> bytes:
    how = {"resolve": public, **how}
    with http or answering() as client:
        return fetched(client, url, "http://127.0.0.1:1", **how)
