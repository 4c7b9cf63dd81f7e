"""Downloads: what is sent, what comes back, and the errors of the host."""

from __future__ import annotations

import socket
import tracemalloc

import httpx
import pytest

from dropreel import __version__
from dropreel.clips.download import UrlExpiredError, fetch_clip
from dropreel.errors import DownloadError
from tests.support.clip_host import CLIP, Answer, Serve, fetched, from_afar


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


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_an_expired_url_raises_an_error_that_asks_for_a_fresh_one(
    serve: Serve, http: httpx.Client, status: int
) -> None:
    host = serve(Answer(b"<Error/>", status))
    with pytest.raises(UrlExpiredError, match=f"the host answered {status}") as caught:
        fetched(http, f"{host.origin}/clip.mp4?X-Amz-Signature=secret")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("status", [204, 206, 304, 400, 408, 429, 500, 502, 503])
def test_any_other_status_raises_an_error_that_suggests_a_retry(
    serve: Serve, http: httpx.Client, status: int
) -> None:
    host = serve(Answer(b"", status))
    with pytest.raises(DownloadError, match=f"answered {status}; trying again may help") as caught:
        fetched(http, f"{host.origin}/clip.mp4")
    assert not isinstance(caught.value, UrlExpiredError)


def test_the_error_states_how_long_the_host_asked_to_wait(serve: Serve, http: httpx.Client) -> None:
    host = serve(Answer(b"", 429, {"Retry-After": "30"}))
    with pytest.raises(DownloadError, match="answered 429 and asked to wait 30 s"):
        fetched(http, f"{host.origin}/clip.mp4")


def test_a_host_that_refuses_connections_is_a_download_error(http: httpx.Client) -> None:
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
    with pytest.raises(DownloadError, match="larger than the 1000000 bytes"):
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
