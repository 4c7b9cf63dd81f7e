"""Requests and answers as data, so that the four protocols are plain functions of one to the other.

An `Answer` can also be a broken one: late, cut short, without a length, or no answer at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; header names are lower case, `path` has no query."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json_object(self) -> dict[str, object]:
        """Raises ValueError unless the body is one JSON object."""
        body = json.loads(self.body)
        if not isinstance(body, dict):
            raise ValueError("the body is not a JSON object")  # noqa: TRY004 - like other bad JSON
        return body

    def int_query(self, name: str, default: int, least: int, most: int) -> int:
        """Raises ValueError if the parameter is no number or out of range."""
        number = int(self.query.get(name, default))
        if not least <= number <= most:
            raise ValueError(f"{name} must be between {least} and {most}")
        return number

    def credentials(self) -> str | None:
        """The first header that carries a key, whatever its scheme."""
        return self.headers.get("authorization") or self.headers.get("x-api-key")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back.

    delay: seconds before the first byte. send_only: close the connection after that many bytes
    of the body. silent: close it without a byte. chunked: no Content-Length. trickle: seconds
    over which the body is spread. padding: zero bytes that follow the body.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    send_only: int | None = None
    silent: bool = False
    chunked: bool = False
    trickle: float = 0.0
    padding: int = 0


def json_answer(
    payload: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Answer:
    return Answer(status, json.dumps(payload).encode(), headers=headers or {})


def html_answer(status: int = 200) -> Answer:
    """The page of something between us and the provider."""
    page = b"<!doctype html><html><body><h1>We'll be right back</h1></body></html>"
    return Answer(status, page, content_type="text/html; charset=utf-8")
