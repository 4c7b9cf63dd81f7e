"""A clip is never paid twice: how often a submit is sent, and when it may be sent again.

That no other answer than a 401, and no fault, is sent again: every case of `test_contracts.py`.
"""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from dropreel.jobs.failure import FailureKind
from dropreel.ledger.breaker import is_outage
from dropreel.providers.base import Accepted, Busy, NoAnswer, Refused, Unknown
from dropreel.providers.catalog import CATALOG
from dropreel.providers.client import new_client
from dropreel.providers.config import build
from tests.support.providers import (
    CLIPS,
    FRESH_KEY,
    KEY,
    UNREADABLE,
    Keys,
    Script,
    Step,
    adapter,
    answer,
    contract,
    fault,
    says,
)


def accepting(name: str) -> tuple[Step, Accepted]:
    """The first answer in the provider's contract that accepts a submit, and what it means."""
    cases = contract(name)["cases"]
    case = next(case for case in cases if case["expect"]["outcome"] == "Accepted")
    expect = case["expect"]
    order = Accepted(expect["provider_job_id"], expect.get("addresses", {}))
    return answer(case["exchange"][0]["answer"]), order


DENIED = says(401, {"error": "Invalid or missing API key", "detail": "Invalid API key"})

every_provider = pytest.mark.parametrize("name", CATALOG)


def sent_keys(script: Script) -> list[str]:
    headers = [request.headers["Authorization"] for request in script.seen]
    return [header.split(" ", 1)[1] for header in headers]


@every_provider
def test_a_401_is_sent_once_more_with_a_fresh_key(name: str) -> None:
    keys = Keys(fresh=FRESH_KEY)
    step, accepted = accepting(name)
    provider, script = adapter(name, [DENIED, step], keys)
    assert provider.submit(CLIPS["5s"]) == accepted
    assert sent_keys(script) == [KEY, FRESH_KEY]
    assert script.seen[0].content == script.seen[1].content


@every_provider
def test_a_401_is_not_sent_again_with_the_same_key(name: str) -> None:
    keys = Keys()
    provider, script = adapter(name, [DENIED], keys)
    outcome = provider.submit(CLIPS["5s"])
    assert isinstance(outcome, Refused)
    assert outcome.failure.kind is FailureKind.AUTH
    assert len(script.seen) == 1
    assert keys.asked == [(name, False), (name, True)]


@every_provider
def test_a_second_401_is_final(name: str) -> None:
    provider, script = adapter(name, [DENIED, DENIED], Keys(fresh=FRESH_KEY))
    assert isinstance(provider.submit(CLIPS["5s"]), Refused)
    assert len(script.seen) == 2


@every_provider
@pytest.mark.parametrize(
    ("second", "outcome"),
    [
        (fault("ReadTimeout"), Unknown),
        (fault("ConnectError"), Busy),
        (says(500, {}), Unknown),
        (says(429, {}), Busy),
    ],
)
def test_what_follows_a_401_is_judged_by_itself(
    name: str, second: Step, outcome: type[Unknown | Busy]
) -> None:
    provider, script = adapter(name, [DENIED, second], Keys(fresh=FRESH_KEY))
    assert isinstance(provider.submit(CLIPS["5s"]), outcome)
    assert len(script.seen) == 2


@every_provider
def test_a_401_whose_fresh_key_cannot_be_read_is_refused(name: str) -> None:
    provider, script = adapter(name, [DENIED], Keys(fresh=""))
    assert isinstance(provider.submit(CLIPS["5s"]), Refused)
    assert len(script.seen) == 1


@every_provider
@pytest.mark.parametrize("key", ["", "two words\nand a line", "schlüssel", "\x00"])
def test_without_a_usable_key_nothing_is_sent(name: str, key: str) -> None:
    provider, script = adapter(name, [], Keys(key))
    outcome = provider.submit(CLIPS["5s"])
    assert isinstance(outcome, Refused)
    assert outcome.failure.kind is FailureKind.NO_KEY
    assert script.seen == []


@every_provider
def test_a_secret_that_cannot_be_read_just_now_is_not_a_key_refused(name: str) -> None:
    provider, script = adapter(name, [], Keys(UNREADABLE))
    outcome = provider.submit(CLIPS["5s"])
    assert isinstance(outcome, Busy)
    assert outcome.failure.kind is FailureKind.TRANSIENT
    assert isinstance(provider.status("job-1"), NoAnswer)
    assert script.seen == []


@every_provider
def test_a_401_while_the_secret_cannot_be_read_is_busy(name: str) -> None:
    provider, script = adapter(name, [DENIED, DENIED], Keys(fresh=UNREADABLE))
    outcome = provider.submit(CLIPS["5s"])
    assert isinstance(outcome, Busy)
    assert outcome.failure.kind is FailureKind.TRANSIENT
    assert len(script.seen) == 1


@every_provider
def test_a_secret_that_cannot_be_read_is_no_outage_of_the_provider(name: str) -> None:
    provider, _ = adapter(name, [], Keys(UNREADABLE))
    assert not is_outage(provider.submit(CLIPS["5s"]))


@every_provider
@pytest.mark.parametrize(
    ("keys", "answer", "kind"),
    [
        (Keys(UNREADABLE), Busy, FailureKind.TRANSIENT),
        (Keys(""), Refused, FailureKind.NO_KEY),
        (Keys("two words\nand a line"), Refused, FailureKind.NO_KEY),
    ],
)
def test_a_key_can_be_checked_before_anything_is_ordered(
    name: str, keys: Keys, answer: type[Refused | Busy], kind: FailureKind
) -> None:
    provider, script = adapter(name, [], keys)
    outcome = provider.check_key()
    assert isinstance(outcome, answer)
    assert (outcome.failure.kind, outcome.failure.billed) == (kind, False)
    assert script.seen == []


@every_provider
def test_a_key_that_is_there_passes_the_check_unsent(name: str) -> None:
    provider, script = adapter(name, [], Keys())
    assert provider.check_key() is None
    assert script.seen == []


@every_provider
def test_a_key_with_a_line_end_is_trimmed(name: str) -> None:
    step, accepted = accepting(name)
    provider, script = adapter(name, [step], Keys(KEY + "\n"))
    assert provider.submit(CLIPS["5s"]) == accepted
    assert sent_keys(script) == [KEY]


@every_provider
def test_a_status_answered_401_is_asked_once_more(name: str) -> None:
    provider, script = adapter(name, [DENIED, DENIED], Keys(fresh=FRESH_KEY))
    outcome = provider.status("job-1")
    assert isinstance(outcome, NoAnswer)
    assert outcome.failure.kind is FailureKind.AUTH
    assert sent_keys(script) == [KEY, FRESH_KEY]


@every_provider
def test_a_status_without_a_key_leaves_the_job_as_it_was(name: str) -> None:
    provider, _ = adapter(name, [], Keys(""))
    outcome = provider.status("job-1")
    assert isinstance(outcome, NoAnswer)
    assert outcome.failure.kind is FailureKind.NO_KEY


@every_provider
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(name: str, status: int) -> None:
    away = {"Location": "https://elsewhere.example/"}
    provider, script = adapter(name, [says(status, {}, away)])
    assert isinstance(provider.submit(CLIPS["5s"]), Unknown)
    assert [request.url.host for request in script.seen] != ["elsewhere.example"]
    assert len(script.seen) == 1


@every_provider
@pytest.mark.parametrize(
    "location",
    [
        *("https://xn--/", "javascript:x", "data:,x", "//", "https://[half", "https://a:99999/"),
        *("ftp://elsewhere.example/", "https://â\x98\x83.example/", "\x00"),
    ],
)
def test_a_redirect_to_no_address_at_all_is_unknown(name: str, location: str) -> None:
    raw = location.encode("latin-1")
    provider, script = adapter(
        name, [lambda _: httpx.Response(307, headers=[(b"Location", raw)], content=b"")]
    )
    assert isinstance(provider.submit(CLIPS["5s"]), Unknown)
    assert len(script.seen) == 1


@every_provider
def test_a_client_that_follows_redirects_changes_nothing(name: str) -> None:
    away = {"Location": "https://elsewhere.example/"}
    script = Script([says(307, {}, away)])
    client = new_client(script)
    client.follow_redirects = True
    provider = build(name, {}, Keys(), client)
    assert isinstance(provider.submit(CLIPS["5s"]), Unknown)
    assert len(script.seen) == 1


@every_provider
@pytest.mark.parametrize("call", ["submit", "status", "cancel"])
def test_the_key_goes_to_the_configured_host_only(name: str, call: str) -> None:
    steps = [says(200, {"status": "COMPLETED", "result_url": "https://elsewhere.example/v.mp4"})]
    provider, script = adapter(name, steps * 2, base_url="https://proxy.example:8443/base/")
    if call == "submit":
        provider.submit(CLIPS["5s"])
    else:
        getattr(provider, call)("job-1")
    assert {(r.url.host, r.url.port) for r in script.seen} <= {("proxy.example", 8443)}
    assert all(r.url.path.startswith("/base/") for r in script.seen)
    assert all(KEY not in str(r.url) for r in script.seen)


@every_provider
def test_text_that_no_encoding_takes_is_sent_as_escapes(name: str) -> None:
    clip = replace(CLIPS["5s"], prompt="lone \ud800 surrogate")
    step, accepted = accepting(name)
    provider, script = adapter(name, [step])
    assert provider.submit(clip) == accepted
    assert b"\\ud800" in script.seen[0].content


@every_provider
@pytest.mark.parametrize(
    "address", ["https://api.example:port", "https://xn--/", "https://☃.example"]
)
def test_a_configured_address_that_is_none_sends_nothing(name: str, address: str) -> None:
    provider, script = adapter(name, [], base_url=address)
    outcome = provider.submit(CLIPS["5s"])
    assert isinstance(outcome, Busy)
    assert outcome.failure.kind is FailureKind.UNREACHABLE
    assert script.seen == []


@pytest.mark.parametrize("name", ["eachlabs", "luma"])
def test_a_submit_carries_our_job_id_for_the_provider_to_log(name: str) -> None:
    step, _ = accepting(name)
    provider, script = adapter(name, [step])
    provider.submit(CLIPS["5s"])
    assert script.seen[0].headers["X-Request-Id"] == "7f3a9c"


@pytest.mark.parametrize("name", ["eachlabs", "luma"])
def test_a_job_id_that_is_no_header_is_not_sent_as_one(name: str) -> None:
    clip = replace(CLIPS["5s"], job_id="drop\r\nX-Evil: 1")
    step, accepted = accepting(name)
    provider, script = adapter(name, [step])
    assert provider.submit(clip) == accepted
    assert "X-Request-Id" not in script.seen[0].headers
