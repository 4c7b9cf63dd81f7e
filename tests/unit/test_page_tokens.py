"""What a link is worth: exactly the page that it names, until its end, for who has the key."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.errors import LinkExpiredError, LinkInvalidError
from dropreel.pages.tokens import Kind, Target, read, sign

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
IDS = st.text("0123456789abcdef", min_size=24, max_size=24)
TARGETS = st.one_of(
    st.builds(lambda one: Target(Kind.JOB, (one,)), IDS),
    st.builds(lambda one, two: Target(Kind.IMAGE, (one, two)), IDS, IDS),
    st.builds(lambda one: Target(Kind.FOLDER, (one,)), IDS),
)
LETTERS = string.ascii_letters + string.digits + "-_"
JOB = Target(Kind.JOB, ("0123456789abcdef01234567",))
END = 1_800_000_000


@given(TARGETS)
def test_opens_what_it_names_until_its_end(target: Target) -> None:
    token = sign(target, END, KEY)

    assert read(token, END - 1, KEY) == target
    assert set(token) <= set(LETTERS)
    assert len(token) < 90


@given(TARGETS)
def test_opens_nothing_from_its_end_on(target: Target) -> None:
    with pytest.raises(LinkExpiredError):
        read(sign(target, END, KEY), END, KEY)


@given(st.data(), TARGETS)
def test_opens_nothing_when_any_character_is_changed(data: st.DataObject, target: Target) -> None:
    token = sign(target, END, KEY)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from([one for one in LETTERS if one != token[place]]))

    with pytest.raises(LinkInvalidError):
        read(token[:place] + other + token[place + 1 :], END - 1, KEY)


@given(st.text())
def test_opens_nothing_when_it_is_no_token(text: str) -> None:
    with pytest.raises(LinkInvalidError):
        read(text, END, KEY)


@pytest.mark.parametrize("end", ["", "A", "=", "==", "AAAA", "\n", " "])
def test_is_written_in_one_way(end: str) -> None:
    token = sign(JOB, END, KEY)
    changed = token[:-1] if not end else token + end

    with pytest.raises(LinkInvalidError):
        read(changed, END - 1, KEY)


def test_is_worthless_once_the_key_has_changed() -> None:
    with pytest.raises(LinkInvalidError) as refused:
        read(sign(JOB, END, KEY), END - 1, OTHER_KEY)

    assert not isinstance(refused.value, LinkExpiredError)


def test_an_expired_token_of_another_key_is_not_called_expired() -> None:
    with pytest.raises(LinkInvalidError) as refused:
        read(sign(JOB, END, OTHER_KEY), END + 1, KEY)

    assert not isinstance(refused.value, LinkExpiredError)
