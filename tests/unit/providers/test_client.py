"""Calls: what is sent where, what is read, and what a fault proves."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from dropreel.jobs.failure import FailureKind
from dropreel.providers import client
from dropreel.providers.base import NoAnswer
from dropreel.providers.catalog import CATALOG
from dropreel.providers.client import Answer, Api, Fault, bearer
from tests.support.providers import (
    CLIPS,
    FRESH_KEY,
    KEY,
    Cut,
    Keys,
    Script,
    Step,
    adapter,
    fault,
    says,
)

BASE = "https://api.example/v1"


def api(*steps: Step, keys: Keys | None = None) -> tuple[Api, Script]:
    script = Script(list(steps))
    made = Api("luma", BASE, bearer, keys or Keys(), client.new_client(script))
    return made, script


def streamed(*chunks: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Step:
    class Body(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield from chunks

    return lambda _: httpx.Response(status, headers=headers, stream=Body())


def test_the_client_follows_nothing_and_trusts_no_environment() -> None:
    made = client.new_client()
    assert made.follow_redirects is False
    assert made.trust_env is False
    assert made.timeout == httpx.Timeout(connect=5, read=25, write=15, pool=5)


def test_no_connection_is_kept_for_a_later_post() -> None:
    pool = getattr(client.new_client()._transport, "_pool")  # noqa: B009
    assert pool._max_keepalive_connections == 0


@pytest.mark.parametrize(
    "name", ["ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol"]
)
def test_a_fault_before_the_connection_proves_that_nothing_was_sent(name: str) -> None:
    made, _ = api(fault(name))
    assert made.call("POST", "x") == Fault(FailureKind.UNREACHABLE, f"{name}: broken", sent=False)


@pytest.mark.parametrize(
    "name",
    [
        *("ReadTimeout", "WriteTimeout", "ReadError", "WriteError", "CloseError"),
        *("DecodingError", "RemoteProtocolError", "LocalProtocolError", "ProxyError"),
    ],
)
def test_any_other_fault_proves_nothing(name: str) -> None:
    made, _ = api(fault(name))
    assert made.call("POST", "x") == Fault(FailureKind.TRANSIENT, f"{name}: broken", sent=True)


def test_a_fault_that_repeats_the_key_does_not_pass_it_on() -> None:
    made, _ = api(fault("ReadError", f"while sending Bearer {KEY} to https://a.example/?sig=1"))
    reply = made.call("GET", "x")
    assert isinstance(reply, Fault)
    assert KEY not in reply.message
    assert "sig=1" not in reply.message


@pytest.mark.parametrize(
    ("segment", "path"),
    [
        ("a/b", b"/v1/jobs/a%2Fb"),
        ("../up", b"/v1/jobs/..%2Fup"),
        ("a?b=c#d", b"/v1/jobs/a%3Fb%3Dc%23d"),
        ("a%2Fb", b"/v1/jobs/a%252Fb"),
        ("a:b@c", b"/v1/jobs/a%3Ab%40c"),
        ("a\\b", b"/v1/jobs/a%5Cb"),
    ],
)
def test_an_id_never_changes_the_address(segment: str, path: bytes) -> None:
    made, script = api(says(200, {}))
    made.call("GET", "jobs", segment)
    assert script.seen[0].url.raw_path == path
    assert script.seen[0].url.host == "api.example"


@pytest.mark.parametrize("segment", ["", ".", "..", "a b", "a\nb", "ü", "\ud800", "a" * 201])
def test_an_id_that_fits_no_address_is_not_asked_about(segment: str) -> None:
    made, script = api()
    reply = made.call("GET", "jobs", segment)
    assert isinstance(reply, Fault)
    assert not reply.sent
    assert script.seen == []


@pytest.mark.parametrize("name", CATALOG)
def test_a_status_of_an_impossible_id_is_no_answer(name: str) -> None:
    provider, script = adapter(name, [])
    assert isinstance(provider.status(".."), NoAnswer)
    assert script.seen == []


def test_an_answer_is_parsed_and_a_get_has_no_body() -> None:
    made, script = api(says(200, {"a": [1]}))
    reply = made.call("GET", "x", params={"q": "ü&="})
    assert isinstance(reply, Answer)
    assert (reply.ok, reply.data, reply.text) == (True, {"a": [1]}, "")
    assert script.seen[0].content == b""
    assert "Content-Type" not in script.seen[0].headers
    assert script.seen[0].url.params["q"] == "ü&="


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"\xff\xfe\x00", b"[" * 200_000, b'{"a": 1', b"1" * 5000]
)
def test_a_body_that_is_no_json_is_told_as_text(body: bytes) -> None:
    made, _ = api(streamed(body))
    reply = made.call("GET", "x")
    assert isinstance(reply, Answer)
    assert reply.data is None


def test_an_answer_that_is_too_long_is_not_read_to_its_end() -> None:
    made, _ = api(streamed(b'{"id": "', *[b"a" * 65536] * 20, b'"}'))
    reply = made.call("GET", "x")
    assert isinstance(reply, Answer)
    assert (reply.data, reply.message) == (None, "the answer was cut short, too long or too slow")


def test_a_trickle_ends_after_a_while() -> None:
    script = Script([streamed(*[b" "] * 100, b"{}")])
    ticks = iter(range(0, 1000, 7))
    made = Api("luma", BASE, bearer, Keys(), client.new_client(script), lambda: float(next(ticks)))
    reply = made.call("GET", "x")
    assert isinstance(reply, Answer)
    assert reply.data is None
    assert next(ticks) < 50


def test_a_body_of_broken_compression_is_cut() -> None:
    made, _ = api(streamed(b"no gzip", headers={"Content-Encoding": "gzip"}))
    reply = made.call("GET", "x")
    assert isinstance(reply, Answer)
    assert reply.data is None


def test_the_status_of_a_cut_answer_still_counts() -> None:
    made, _ = api(lambda _: httpx.Response(402, stream=Cut(b'{"detail": "Insuff')))
    reply = made.call("GET", "x")
    assert isinstance(reply, Answer)
    assert (reply.status, reply.data) == (402, None)


@pytest.mark.parametrize(
    ("address", "owned"),
    [
        ("https://api.example/v1/files/a.mp4", True),
        ("https://API.example:443/other", True),
        ("http://api.example/v1", False),
        ("https://api.example:444/v1", False),
        ("https://api.example.evil.example/v1", False),
        ("https://evil.example/?api.example", False),
        ("https://api.example:port/v1", False),
        ("https://xn--/v1", False),
        ("https://☃.example/v1", False),
    ],
)
def test_only_the_configured_origin_is_owned(address: str, owned: bool) -> None:
    assert api()[0].is_own_address(address) is owned


def test_there_are_no_auth_headers_without_a_key() -> None:
    assert api(keys=Keys(""))[0].auth_headers() == {}
    assert api()[0].auth_headers() == {"Authorization": f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("data", "text", "message"),
    [
        ({"detail": "says why"}, "", "says why"),
        (None, "<html><style>p{}</style><h1>Bad</h1> Gateway</html>", "Bad Gateway"),
        (None, "", "HTTP 418 without a reason"),
        ({"detail": " "}, "", "HTTP 418 without a reason"),
        ({"detail": f"key {KEY} is bad"}, "", "key [...] is bad"),
        (None, f"<p>{KEY}</p>", "[...]"),
    ],
)
def test_an_answer_tells_its_reason(data: object, text: str, message: str) -> None:
    assert Answer(418, httpx.Headers(), data, text, (KEY,)).message == message


def test_neither_the_old_nor_the_fresh_key_is_shown() -> None:
    echo = {"detail": f"neither {KEY} nor {FRESH_KEY}"}
    made, _ = api(says(401, echo), says(401, echo), keys=Keys(fresh=FRESH_KEY))
    reply = made.call("GET", "x")
    assert isinstance(reply, Answer)
    assert reply.message == "neither [...] nor [...]"


def test_an_answer_does_not_show_the_key_when_printed() -> None:
    assert KEY not in repr(Answer(200, httpx.Headers(), {}, "", (KEY,)))


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("eachlabs", {"status": KEY}),
        ("eachlabs", {"status": "error", "output": {"error_code": KEY}}),
        ("oxen", {"status": "failed", "error_message": KEY}),
        ("fal", {"status": "COMPLETED", "error_type": KEY}),
        ("luma", {"state": "failed", "failure_code": KEY, "failure_reason": KEY}),
    ],
)
def test_a_provider_that_says_our_key_back_is_not_repeated(name: str, body: object) -> None:
    provider, _ = adapter(name, [says(200, body)])
    assert KEY not in repr(provider.status("job-1"))


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("oxen", {"error": {"type": KEY, "title": KEY}}),
        ("fal", {"detail": [{"type": KEY, "msg": KEY}]}),
    ],
)
def test_a_refusal_that_says_our_key_back_is_not_repeated(name: str, body: object) -> None:
    provider, _ = adapter(name, [says(422, body)])
    assert KEY not in repr(provider.submit(CLIPS["5s"]))
