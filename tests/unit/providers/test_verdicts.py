"""The table of verdicts: the page shows it, and every adapter does what it says.

Every HTTP status from 300 to 599 is played in every call of every provider: those that servers
send with every body of `BODIES`, the others with two; `examples` are the answers of 2xx and those
that only one provider gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from dropreel.providers.base import Busy, Failed, Ready, Refused
from dropreel.providers.catalog import CATALOG
from dropreel.providers.verdicts import VERDICTS, Call, Sign, Verdict, VerdictRow, verdict_of
from tests.support.answers import (
    BODIES,
    CALLS,
    ERRORS,
    URL,
    Example,
    Player,
    examples,
    response,
    sign_of,
    verdict_in,
)
from tests.support.providers import Keys, contract, says

pytestmark = pytest.mark.uncounted  # many plays of what other tests cover

PAGE = Path(__file__).parents[3] / "docs" / "money.md"
SENT = {300, 302, 304, 307, *range(400, 432), 451, 499, *range(500, 512), *range(520, 531), 599}
READ_RESULT = Verdict.READ_RESULT  # no outcome by itself: it has a test of its own


@cache
def swept(name: str, call: Call) -> list[tuple[int, str, Any]]:
    """The outcome of every HTTP status."""

    def outcomes() -> Iterator[tuple[int, str, Any]]:
        player = Player(name)
        for code in range(300, 600):
            for body in bodies(call, code):
                step = lambda _, c=code, b=body: response(name, c, b)  # noqa: E731
                yield code, body, player.play(call, step)

    return list(outcomes())


def bodies(call: Call, code: int) -> Sequence[str]:
    if call is Call.LIST:
        return BODIES[:1]
    return BODIES if code in SENT else (BODIES[0], ERRORS[0])


def played(name: str, call: Call) -> set[tuple[int, str]]:
    return {(code, body) for code, body, _ in swept(name, call)}


# --- every HTTP status --------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "call"), CALLS)
def test_every_http_status_means_what_the_table_says(name: str, call: Call) -> None:
    wrong = [
        (code, body, outcome)
        for code, body, outcome in swept(name, call)
        if verdict_in(outcome) is not verdict_of(call, code, sign_of(name, call, code, body))
    ]
    assert wrong == []


@pytest.mark.parametrize(("name", "call"), [pair for pair in CALLS if pair[1] is not Call.ORDER])
def test_no_failed_call_ends_a_job(name: str, call: Call) -> None:
    """Written without the table: fal's own word in a 4xx is the only one that comes as an error."""
    of_the_call = {401, 402, 403, 404, 405, 408, 409, 425, 429, 499}
    ends = {(code, body) for code, body, found in swept(name, call) if isinstance(found, Failed)}
    words = {(code, body) for code in {*range(400, 500)} - of_the_call for body in ERRORS}
    assert ends == (words & played(name, call) if call is Call.RESULT else set())


@pytest.mark.parametrize("name", CATALOG)
def test_only_a_4xx_and_lumas_own_503_prove_that_nothing_was_ordered(name: str) -> None:
    """Written without the table."""
    free = {
        (code, body)
        for code, body, found in swept(name, Call.ORDER)
        if isinstance(found, Refused | Busy)
    }
    proofs = {(c, body) for c in {*range(400, 500)} - {408, 409, 425, 499} for body in BODIES}
    own = {(503, body) for body in ERRORS} if name == "luma" else set()
    assert free == (proofs | own) & played(name, Call.ORDER)


@pytest.mark.parametrize(("name", "call"), CALLS)
def test_an_answer_is_billed_false_only_if_the_table_releases_the_money(
    name: str, call: Call
) -> None:
    for _, _, found in swept(name, call):
        failure = getattr(found, "failure", None)
        released = "released" in verdict_in(found).money
        assert (failure is not None and failure.billed is False) == released


# --- every row ----------------------------------------------------------------------------------


EXAMPLES = [each for name in CATALOG for each in examples(name)]


@pytest.mark.parametrize(
    "each", [pytest.param(e, id=f"{e.name} {e.call} {e.code} {e.sign}") for e in EXAMPLES]
)
def test_every_example_means_what_the_table_says(each: Example) -> None:
    outcome = Player(each.name, Keys(*each.keys)).play(each.call, each.step)
    assert verdict_in(outcome) is verdict_of(each.call, each.code, each.sign)


def test_the_end_of_a_job_of_fal_is_read_from_its_result() -> None:
    player = Player("fal")
    outcome = player.play(Call.RESULT, says(200, {"video": {"url": URL}}))
    assert verdict_of(Call.STATUS, 200, Sign.ENDED) is READ_RESULT
    assert outcome == Ready(URL)
    assert [request.url.path.endswith("/status") for request in player.speaker.seen] == [
        True,
        False,
    ]


def first_row(each: Example) -> VerdictRow:
    """The row of this provider that covers the example."""
    covering = (row for row in VERDICTS if row.covers(each.call, each.code, each.sign))
    return next(row for row in covering if each.name in providers_of(row))


def providers_of(row: VerdictRow) -> set[str]:
    return set(row.providers) or set(CATALOG)


@pytest.mark.parametrize(
    "row",
    [pytest.param(r, id=f"{r.call}: {r.answer}") for r in VERDICTS if r.verdict is not READ_RESULT],
)
def test_every_row_has_an_example_of_each_of_its_providers(row: VerdictRow) -> None:
    lists = {name for name in CATALOG if CATALOG[name].lists_orders}
    able = lists if row.call is Call.LIST else set(CATALOG)
    if row.sign is Sign.TOO_MANY:
        able = {"oxen"}  # the others say it with a 429 only
    shown = {each.name for each in EXAMPLES if row is first_row(each)}
    assert providers_of(row) & able - shown == set(), "providers without an example of this answer"


@pytest.mark.parametrize("name", CATALOG)
def test_the_table_names_every_provider_that_gives_an_answer(name: str) -> None:
    unnamed = [
        f"{each.call}: {each.sign}"
        for each in examples(name)
        if first_row(each).verdict is not verdict_of(each.call, each.code, each.sign)
    ]
    assert unnamed == []


# --- the page -----------------------------------------------------------------------------------


def as_line(row: VerdictRow) -> str:
    who = ", ".join(contract(name)["title"] for name in row.providers) or "all"
    return f"| {row.call} | {who} | {row.answer} | {row.verdict.job} | {row.verdict.money} |"


def test_the_page_shows_the_table() -> None:
    section = PAGE.read_text(encoding="utf-8").split("## What each answer means", 1)[1]
    lines = [line for line in section.split("\n## ", 1)[0].splitlines() if line.startswith("|")]
    assert lines[2:] == [as_line(row) for row in VERDICTS]
