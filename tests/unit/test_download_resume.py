"""A lost connection is resumed within the run, and only if the clip is the same."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from dropreel.clips.download import MAX_RESUMES, UrlExpiredError
from dropreel.errors import DownloadError
from tests.support.clip_host import CLIP, RESUMABLE, Answer, Serve, fetched, from_afar, redirect


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


def test_a_download_is_resumed_a_limited_number_of_times(serve: Serve, http: httpx.Client) -> None:
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


def test_a_url_that_expires_during_the_download_asks_for_a_fresh_one(
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


def test_a_host_that_is_gone_when_resuming_is_tried_a_limited_number_of_times() -> None:
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
