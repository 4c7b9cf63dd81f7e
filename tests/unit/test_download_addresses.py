"""Only https on public addresses is fetched, whatever a name resolves to."""

from __future__ import annotations

import socket

import httpx
import pytest

from dropreel.clips.download import resolve_host, without_query
from dropreel.errors import DownloadError, UnsafeUrlError
from tests.support.clip_host import CLIP, PUBLIC, Answer, Serve, answering, from_afar


class Peer:
    def __init__(self, *address: object) -> None:
        self.address = address

    def get_extra_info(self, name: str) -> object:
        assert name == "server_addr"
        return self.address


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
def test_urls_that_are_not_https_on_a_public_host_are_refused(url: str) -> None:
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
def test_numeric_forms_of_the_loopback_address_are_refused(url: str) -> None:
    with pytest.raises(UnsafeUrlError):
        from_afar(url, resolve=resolve_host)


@pytest.mark.parametrize("fault", [socket.gaierror("no such host"), UnicodeError("too long")])
def test_a_host_that_cannot_be_resolved_is_a_download_error(fault: Exception) -> None:
    def fail(*_: object) -> list[str]:
        raise fault

    with pytest.raises(DownloadError, match=r"host of https://clips\.example/a cannot be found"):
        from_afar("https://clips.example/a?sig=1", resolve=fail)


def test_a_host_without_addresses_is_a_download_error() -> None:
    with pytest.raises(DownloadError, match="cannot be found"):
        from_afar("https://clips.example/a", resolve=lambda *_: [])


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_name_that_turned_private_after_it_was_checked_is_refused(address: str) -> None:
    client = answering(network_stream=Peer(address, 443))
    with pytest.raises(UnsafeUrlError, match="not public"):
        from_afar("https://clips.example/a", client)


def test_a_clip_from_a_public_peer_is_read() -> None:
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


def test_the_peer_of_a_real_connection_is_checked(serve: Serve) -> None:
    host = serve(Answer(CLIP))
    with pytest.raises(UnsafeUrlError, match=r"connected to 127\.0\.0\.1, which is not public"):
        from_afar("https://clips.example/a", httpx.Client(transport=Rebound(host.origin)))


def test_the_system_finds_the_addresses_of_a_host() -> None:
    assert "127.0.0.1" in resolve_host("localhost", 443) or "::1" in resolve_host("localhost", 443)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/b.mp4?X-Amz-Signature=1#part", "https://a.example/b.mp4"),
        ("https://a.example/b.mp4#part?no", "https://a.example/b.mp4"),
        ("https://user:password@a.example/b@2.mp4", "https://a.example/b@2.mp4"),
        ("no address at all", "no address at all"),
    ],
)
def test_urls_are_shown_without_query_fragment_and_password(url: str, shown: str) -> None:
    assert without_query(url) == shown
