"""Redirects: followed within limits, and the headers stay with the first origin."""

from __future__ import annotations

import httpx
import pytest

from dropreel.clips.download import MAX_REDIRECTS
from dropreel.errors import DownloadError, UnsafeUrlError
from tests.support.clip_host import PUBLIC, Answer, Serve, fetched, from_afar, redirect


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


def test_more_redirects_than_allowed_are_an_error(serve: Serve, http: httpx.Client) -> None:
    host = serve(*[redirect("/again")] * (MAX_REDIRECTS + 1))
    with pytest.raises(DownloadError, match="more than 5 redirects"):
        fetched(http, f"{host.origin}/a")
    assert len(host.requests) == MAX_REDIRECTS + 1


@pytest.mark.parametrize("headers", [{}, {"Location": "https://256.1.1.1/"}])
def test_a_redirect_without_a_valid_target_is_an_error(
    serve: Serve, http: httpx.Client, headers: dict[str, str]
) -> None:
    host = serve(Answer(b"", 302, headers))
    with pytest.raises(DownloadError):
        fetched(http, f"{host.origin}/a")


def test_the_target_of_every_redirect_is_resolved_and_checked() -> None:
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
