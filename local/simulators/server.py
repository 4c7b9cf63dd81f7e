"""HTTP/1.1 on a local port: a thread per connection, and answers that may be broken on purpose."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from local.simulators.wire import Answer, Request

_PART = 64 * 1024
_BODYLESS = (204, 304)


class HttpServer(ThreadingHTTPServer):
    """Serves `respond`; closing it also closes every connection that is still open."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, port: int, respond: Callable[[Request], Answer]) -> None:
        self.respond = respond
        self.closing = threading.Event()
        self._connections: dict[socket.socket, threading.Thread | None] = {}
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)
        self.port = int(self.socket.getsockname()[1])
        self._main = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._main.start()

    def close(self) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()
        with self._lock:
            connections = dict(self._connections)
        for connection in connections:
            _hang_up(connection)
        for thread in connections.values():
            if thread:
                thread.join(timeout=2)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections[request] = None
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections[request] = threading.current_thread()
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._connections.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is not worth a traceback, nor is what breaks off at the end."""
        if not isinstance(sys.exception(), ConnectionError) and not self.closing.is_set():
            super().handle_error(request, client_address)


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it was gone already


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HttpServer
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        answer = self.server.respond(self._request())
        if answer.delay:
            self.server.closing.wait(answer.delay)
        if answer.silent or self.server.closing.is_set():
            self.close_connection = True
            return
        self._send_head(answer)
        if self.command != "HEAD" and answer.status not in _BODYLESS:
            self._send_body(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the base class looks for these

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        return Request(
            method=self.command,
            path=parts.path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
        )

    def _send_head(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(answer.body) + answer.padding))
        self.end_headers()

    def _send_body(self, answer: Answer) -> None:
        body = answer.body
        if answer.send_only is not None:
            body, self.close_connection = body[: answer.send_only], True
        parts = -(-len(body) // _PART)
        for part in _parts(body):
            self.wfile.write(_chunk(part) if answer.chunked else part)
            self.server.closing.wait(answer.trickle / parts if answer.trickle else 0)
        if answer.chunked:
            self.wfile.write(_chunk(b""))
        for _ in range(answer.padding // _PART):
            self.wfile.write(bytes(_PART))

    def log_message(self, *_: object) -> None:
        """Requests carry keys and prompts: none is logged."""


def _parts(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), _PART):
        yield body[start : start + _PART]


def _chunk(part: bytes) -> bytes:
    return f"{len(part):x}\r\n".encode() + part + b"\r\n"
