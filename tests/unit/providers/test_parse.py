"""Reading what providers answer, whatever it turns out to be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.providers import parse

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
KEY = "luma-api-0123456789abcdef"
PAIR = "01234567-89ab-cdef-0123-456789abcdef:00112233445566778899aabbccddeeff"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("0", 0.0),
        ("12", 12.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("999999", 3600.0),
        ("Fri, 20 Nov 2026 12:00:30 GMT", 30.0),
        ("Fri, 20 Nov 2026 12:00:30 -0000", 30.0),
        ("Sat, 21 Nov 2026 12:00:00 GMT", 3600.0),
        ("Fri, 20 Nov 2026 11:59:59 GMT", None),
        ("-5", None),
        ("", None),
        (None, None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e9", None),
        ("١٢", None),
        ("Fri, 99 Nov 2026 12:00:00 GMT", None),
        ("12 seconds", None),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str | None, wait: float | None) -> None:
    assert parse.retry_after(value, NOW) == wait


@given(st.text())
def test_retry_after_never_raises(value: str) -> None:
    wait = parse.retry_after(value, NOW)
    assert wait is None or 0 <= wait <= 3600


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("  two\n\tlines  ", "two lines"),
        ("no\x00 control \u202e and \ud800 surrogate", "no control and surrogate"),
        (f"bad key {KEY}.", "bad key [...]."),
        ("bad key smk_live_12345", "bad key [...]"),
        (f"got {PAIR} instead", "got [...] instead"),
        ("Bearer abcdefghijklmnop0123", "Bearer [...]"),
        (
            "could not load https://b.s3.amazonaws.com/a%20b.jpg?X-Amz-Signature=1&x=2 (403)",
            "could not load https://b.s3.amazonaws.com/a%20b.jpg?[...] (403)",
        ),
        ("b.s3.amazonaws.com/a.jpg?sig", "b.s3.amazonaws.com/a.jpg?[...]"),
        ("https:\\/\\/b.example\\/a.jpg?X=1\\u0026y=2", "https://b.example/a.jpg?[...]"),
        (
            "https%3A%2F%2Fb.example%2Fa.jpg%3FX-Amz-Signature%3D12",
            "https%3A%2F%2Fb.example%2Fa.jpg?[...]",
        ),
        ("https://user:secret@b.example/a.jpg", "https://b.example/a.jpg"),
        ("X-Amz-Signature=5d1f0a", "X-Amz-Signature=[...]"),
        ('{"token": "abc"}', '{"token=[...]"}'),
        ("API key has been revoked", "API key has been revoked"),
        ("is 10s allowed? no", "is 10s allowed? no"),
    ],
)
def test_a_text_is_shown_without_secrets(text: str, shown: str) -> None:
    assert parse.safe_text(text, (KEY,)) == shown


def test_each_half_of_a_key_pair_is_a_secret() -> None:
    key_id, secret = PAIR.split(":")
    shown = parse.safe_text(f"id {key_id} and {secret}", (PAIR,))
    assert shown == "id [...] and [...]"


def test_a_long_text_is_shortened() -> None:
    shown = parse.safe_text("word " * 1000)
    assert len(shown) == 300
    assert shown.endswith("…")


def test_a_key_at_the_cutting_point_is_still_removed() -> None:
    text = "?" + "q" * 3985 + " " + KEY
    assert "0123" not in parse.safe_text(text, (KEY,))


@given(st.text(), st.text(min_size=8))
def test_a_shown_text_is_short_printable_and_without_the_key(text: str, key: str) -> None:
    shown = parse.safe_text(f"{text}{key}{text}", (key,))
    assert len(shown) <= 300
    assert shown.isprintable()
    assert key not in shown or key in parse.safe_text(text + "[...]" + text)


@pytest.mark.parametrize(
    ("value", "amount"),
    [
        (0.5, "0.5"),
        ("0.50", "0.50"),
        (1, "1"),
        (0, "0"),
        (0.1 + 0.2, "0.3"),
        ("1e-9", "0"),
        (True, None),
        (None, None),
        ("", None),
        ("NaN", None),
        (float("nan"), None),
        (float("inf"), None),
        (-0.01, None),
        (10**7, None),
        pytest.param(10**5000, None, id="a number too long to print"),
        ("1e999999", None),
        ([], None),
        ({"usd": 1}, None),
    ],
)
def test_money_is_a_plain_number(value: object, amount: str | None) -> None:
    assert parse.usd(value) == (None if amount is None else Decimal(amount))


@pytest.mark.parametrize(
    ("value", "usable"),
    [
        ("https://cdn.example/v.mp4?sig=1#t", True),
        ("http://127.0.0.1:8080/v.mp4", True),
        ("HTTPS://CDN.EXAMPLE/v.mp4", True),
        ("", False),
        ("v.mp4", False),
        ("//cdn.example/v.mp4", False),
        ("ftp://cdn.example/v.mp4", False),
        ("file:///etc/passwd", False),
        ("javascript:alert(1)", False),
        ("https://", False),
        ("https:///v.mp4", False),
        ("https://user@cdn.example/v.mp4", False),
        ("https://cdn.example\\@evil.example/v.mp4", False),
        ("https://cdn.example/a b.mp4", False),
        ("https://cdn.example/\nv.mp4", False),
        ("https://cdn.example:99999/v.mp4", False),
        ("https://[half/v.mp4", False),
        ("https://cdn.example/\ud800.mp4", False),
        ("https://cdn.example/" + "a" * 9000, False),
        (None, False),
        (["https://cdn.example/v.mp4"], False),
    ],
)
def test_an_address_is_a_web_address_without_a_password(value: object, usable: bool) -> None:
    assert parse.url(value) == (value if usable else None)


def test_an_address_too_deep_is_not_found() -> None:
    value: object = "https://cdn.example/v.mp4"
    for _ in range(5):
        value = {"output": value}
    assert parse.first_url(value) is None


@pytest.mark.parametrize(
    ("value", "when"),
    [
        ("2026-11-20T12:00:00Z", NOW),
        ("2026-11-20T13:00:00+01:00", NOW),
        ("2026-11-20T12:00:00", NOW),
        ((NOW - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1), NOW),
        ("yesterday", None),
        (None, None),
        (True, None),
        (float("nan"), None),
        (float("inf"), None),
        (10**20, None),
        ([], None),
    ],
)
def test_a_moment_is_read_in_both_forms(value: object, when: datetime | None) -> None:
    assert parse.timestamp(value) == when


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"error": "a", "details": "b"}, "a: b"),
        ({"error": {"title": "a", "detail": "b"}}, "a: b"),
        ({"detail": [{"msg": "a", "input": "secret"}, {"msg": "b"}]}, "a: b"),
        ({"detail": "same", "error": "same"}, "same"),
        (["a", 1, None, "never reached"], "a"),
        ({"other": "x"}, ""),
        (5, ""),
        ([[[[["too deep"]]]]], ""),
    ],
)
def test_the_reason_is_found_where_providers_put_it(data: object, words: str) -> None:
    assert parse.reason_in(data) == words


@pytest.mark.parametrize(
    ("text", "filtered"),
    [
        ("blocked by content policy", True),
        ("Content_Policy_Violation", True),
        ("output was moderated", True),
        ("safety system says no", True),
        ("failed to moderate image", False),
        ("timeout", False),
    ],
)
def test_a_content_filter_is_told_from_one_that_could_not_see(text: str, filtered: bool) -> None:
    assert parse.tells_of_moderation(text) is filtered


@given(JSON)
def test_reading_never_raises(data: object) -> None:
    assert isinstance(parse.reason_in(data), str)
    assert parse.first_url(data) is None or isinstance(data, str | list | dict)
    assert parse.usable_id(data) is None or isinstance(data, str)
    assert parse.at(data, "a", 0, "b") is None or isinstance(data, dict)
    parse.timestamp(data)
    parse.usd(data)
