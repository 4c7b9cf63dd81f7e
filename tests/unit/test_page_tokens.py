"""What a link is worth: exactly the page that it names, until its end, for who has the key."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.errors import LinkExpiredError, LinkInvalidError
from dropreel.pages.tokens import PageKind, Token

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
END = 1_800_000_000
IDS = st.text("0123456789abcdef", min_size=24, max_size=24)
TOKENS = st.one_of(
    st.builds(lambda one: Token(PageKind.JOB, (one,), END), IDS),
    st.builds(lambda one, two: Token(PageKind.IMAGE, (one, two), END), IDS, IDS),
    st.builds(lambda one: Token(PageKind.FOLDER, (one,), END), IDS),
)
LETTERS = string.ascii_letters + string.digits + "-_"
JOB = Token(PageKind.JOB, ("0123456789abcdef01234567",), END)


@given(TOKENS)
def test_a_token_opens_what_it_names_until_its_end(token: Token) -> None:
    text = token.sign(KEY)

    assert Token.read(text, END - 1, KEY) == token
    assert set(text) <= set(LETTERS)
    assert len(text) < 90


@given(TOKENS)
def test_a_token_is_expired_from_its_end_on(token: Token) -> None:
    with pytest.raises(LinkExpiredError):
        Token.read(token.sign(KEY), END, KEY)


@given(st.data(), TOKENS)
def test_a_token_with_a_changed_character_is_invalid(data: st.DataObject, token: Token) -> None:
    text = token.sign(KEY)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from([one for one in LETTERS if one != text[place]]))

    with pytest.raises(LinkInvalidError):
        Token.read(text[:place] + other + text[place + 1 :], END - 1, KEY)


@given(st.text())
def test_any_other_text_is_an_invalid_token(text: str) -> None:
    with pytest.raises(LinkInvalidError):
        Token.read(text, END, KEY)


@pytest.mark.parametrize("end", ["", "A", "=", "==", "AAAA", "\n", " "])
def test_another_spelling_of_a_token_is_invalid(end: str) -> None:
    text = JOB.sign(KEY)
    changed = text[:-1] if not end else text + end

    with pytest.raises(LinkInvalidError):
        Token.read(changed, END - 1, KEY)


def test_a_token_of_another_key_is_invalid() -> None:
    with pytest.raises(LinkInvalidError) as refused:
        Token.read(JOB.sign(KEY), END - 1, OTHER_KEY)

    assert not isinstance(refused.value, LinkExpiredError)


def test_an_expired_token_of_another_key_is_invalid() -> None:
    with pytest.raises(LinkInvalidError) as refused:
        Token.read(JOB.sign(OTHER_KEY), END + 1, KEY)

    assert not isinstance(refused.value, LinkExpiredError)
