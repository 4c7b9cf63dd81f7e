from __future__ import annotations

import pytest

from local.simulators.faults import FaultBook, MarkerError, read_marker, read_markers


def test_a_marker_is_read_anywhere_in_a_prompt() -> None:
    markers = read_markers("A bay [sim: submit=429 times=2] at dusk [sim: end=moderated]")
    assert [marker.switches for marker in markers] == [
        {"submit": "429", "times": "2"},
        {"end": "moderated"},
    ]


def test_a_prompt_without_markers_has_no_faults() -> None:
    assert read_markers("A bay at dusk [slow], similar to [simple: x=1]") == []


def test_a_marker_may_come_without_its_brackets() -> None:
    assert read_marker("status=500") == read_marker("[sim: status=500]")


@pytest.mark.parametrize(
    "text",
    ["sumbit=429", "submit=42", "submit=slow-after", "times=often", "end=good", "only=gcp", "x"],
)
def test_what_is_not_in_the_table_is_refused_by_name(text: str) -> None:
    with pytest.raises(MarkerError, match="simulator: "):
        read_marker(text)


def test_tries_are_counted_per_call_and_scope() -> None:
    book = FaultBook()
    prompt = "[sim: submit=429 status=500 times=1]"

    def submits(scope: str) -> list[bool]:
        return [bool(book.take("fal", "submit", prompt, scope)) for _ in range(2)]

    assert submits("one.jpg") == [True, False]
    assert submits("two.jpg") == [True, False]
    assert book.take("fal", "status", prompt, "job")


def test_the_first_marker_with_tries_left_wins() -> None:
    book = FaultBook()
    prompt = "[sim: submit=429 times=1] [sim: submit=503 times=1]"
    kinds = [getattr(book.take("fal", "submit", prompt, ""), "kind", None) for _ in range(3)]
    assert kinds == ["429", "503", None]


def test_a_marker_can_be_for_some_providers_only() -> None:
    book = FaultBook()
    prompt = "[sim: only=fal,luma end=failed]"
    assert book.take("luma", "end", prompt, "")
    assert book.take("oxen", "end", prompt, "") is None


def test_a_standing_marker_counts_over_all_jobs_until_it_is_set_anew() -> None:
    book = FaultBook()
    book.set_standing("luma", "[sim: submit=503 times=1]")
    found = [bool(book.take("luma", "submit", "", scope)) for scope in ("a", "b")]
    book.set_standing("luma", "submit=503 times=1")
    again = bool(book.take("luma", "submit", "", "a"))
    book.set_standing("luma", None)
    assert (found, again) == ([True, False], True)
    assert book.take("luma", "submit", "", "c") is None


def test_an_expired_address_is_so_once_unless_said_otherwise() -> None:
    book = FaultBook()
    assert [bool(book.take("fal", "result", "[sim: result=expired]", "j")) for _ in "ab"] == [
        True,
        False,
    ]
    assert book.take("fal", "result", "[sim: result=expired times=2]", "k")
