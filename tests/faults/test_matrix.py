"""The promise: a clip is never paid twice, and every job ends once with one mail."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local.faults.__main__ import main
from local.faults.faults import END, Cell, Kind, Moment, Point, Result, late_faults
from local.faults.liveness import baseline
from local.faults.matrix import (
    FIRST,
    Draw,
    courses,
    is_decisive,
    play,
    sample,
    stands_for_others,
    thinned,
)
from local.faults.provider import NAMES
from local.faults.report import MatrixRun, outcome, page, summary
from local.faults.scenarios import SCENARIOS
from local.faults.world import World
from tests.faults.mutations import repeats_orders_without_answer

LEAST_CELLS = 1000
PARTS = 4  # of the sample, which workers share
SEED, PAIRS = 11, 60
SMALL = ["--quick", "--provider", "luma", "--processes", "1", "--scenario"]


@pytest.fixture(scope="module")
def sampled(cells: list[Cell]) -> list[Cell]:
    return sample(cells)


@pytest.fixture(scope="module")
def chosen(sampled: list[Cell]) -> list[Cell]:
    """The decisive cells and half of the others; `make faults QUICK=1` plays all of the sample."""
    return [cell for n, cell in enumerate(sampled) if n % 2 or is_decisive(cell)]


def faults_of(cells: list[Cell], provider: str) -> list[Cell]:
    return [cell for cell in cells if cell.provider == provider and cell.fault]


# --- the promise -------------------------------------------------------------------------------


def what_is_wrong(results: list[Result]) -> list[str]:
    """A line for each violation."""
    return [f"{result.cell}: {text}" for result in results for text in result.violations]


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_fails_nothing_is_paid_twice_and_every_job_ends_once_as_well_as_it_can(
    played_in: World, chosen: list[Cell], part: int
) -> None:
    results = [play(played_in, cell) for cell in chosen[part::PARTS]]
    assert what_is_wrong(results) == []
    assert [str(result.cell) for result in results if not result.struck] == []


def test_without_a_fault_each_scenario_ends_as_it_should(played_in: World) -> None:
    clean = [play(played_in, Cell(*course)) for course in courses()]
    assert what_is_wrong(clean) == []
    found: dict[str, set[tuple[str, int]]] = {}
    for result in clean:
        found.setdefault(result.cell.scenario, set()).add((result.state, result.accepted))
    assert found == {
        "success": {("delivered", 1)},
        "moderated": {("failed", 1)},
        "busy": {("delivered", 1)},
        "lost": {("delivered", 1), ("unknown", 1)},
        "again": {("delivered", 2), ("failed", 1)},
        "elsewhere": {("delivered", 1)},
        "late": {("delivered", 1)},
        "in line": {("delivered", 2)},
        "midnight": {("delivered", 2)},
        "cap": {("delivered+refused", 1)},
        "paced": {("delivered", 2)},
        "limited": {("delivered", 2)},
        "digest": {("delivered", 2)},
        "unseen": {("delivered", 1)},
        "one prompt": {("delivered", 2)},
        "cut": {("delivered", 1)},
        "failing": {("failed", 2)},
        "cancelled in line": {("delivered+cancelled", 1)},
        "cancelled at work": {("cancelled", 1)},
        "paused": {("delivered", 1)},
        "takes": {("delivered", 3)},
        "takes tomorrow": {("delivered+cancelled", 3)},
        "takes over cap": {("refused", 0)},
        "tomorrow": {("delivered", 2)},
        "defaults": {("delivered", 2)},
        "batch": {("delivered", 2)},
    }


@pytest.mark.parametrize("provider", NAMES)
def test_what_is_ordered_again_or_lost_ends_as_the_provider_allows(
    played_in: World, provider: str
) -> None:
    lost, again = (play(played_in, Cell(provider, name)) for name in ("lost", "again"))
    assert lost.state == ("unknown" if provider == "luma" else "delivered")
    assert again.accepted == (2 if provider in SCENARIOS["again"].unbilled else 1)


@pytest.mark.parametrize("provider", NAMES)
def test_a_refused_order_is_made_elsewhere(played_in: World, provider: str) -> None:
    played_in.play(Cell(provider, "elsewhere", None))
    (order,) = played_in.providers.jobs()
    assert order.provider == ("fal" if provider == "luma" else "luma")


# --- the sample stands for the matrix ----------------------------------------------------------


def test_the_sample_has_many_cells(cells: list[Cell], sampled: list[Cell]) -> None:
    assert len(sampled) == len(set(sampled)) >= LEAST_CELLS
    assert set(sampled) < set(cells)


def test_the_sample_leaves_out_no_call_and_no_kind_of_fault(
    cells: list[Cell], sampled: list[Cell]
) -> None:
    whole, part = ([cell for cell in some if cell.fault] for some in (cells, sampled))
    for seen in (
        lambda cell: (cell.scenario, cell.fault.label.partition("#")[0]),
        lambda cell: (cell.fault.label.partition(":")[0], cell.fault.kind, cell.fault.moment),
    ):
        assert {seen(cell) for cell in whole} == {seen(cell) for cell in part}
    assert {cell.fault.kind for cell in part if cell.fault} == set(Kind)
    assert {(cell.provider, cell.scenario) for cell in sampled} == set(courses())


def test_the_sample_is_the_same_every_time(cells: list[Cell], sampled: list[Cell]) -> None:
    assert sample(cells) == sampled


def test_the_matrix_has_every_fault_at_every_call_that_was_made(
    played_in: World, cells: list[Cell]
) -> None:
    played = {(cell.scenario, cell.fault) for cell in cells}
    first = {(cell.provider, cell.fault) for cell in cells if cell.scenario == FIRST}
    for provider, scenario in courses():
        points = thinned(baseline(played_in, provider, scenario).points)
        faults = {fault for point in points for fault in point.faults()} | {*late_faults()}
        for fault in faults:
            alone = stands_for_others(Cell(provider, scenario, fault))
            assert ((scenario, fault) in played) == alone
        if scenario == FIRST:
            assert {(provider, fault) for fault in faults} <= first


def test_what_a_provider_has_a_part_in_is_played_with_each(cells: list[Cell]) -> None:
    for cell in cells:
        if cell.fault and cell.fault.label.startswith("poll:GET"):
            break
    alike = [one for one in cells if (one.scenario, one.fault) == (cell.scenario, cell.fault)]
    assert len(alike) == len({one.provider for one in alike}) >= 1
    assert len({(cell.provider, cell.scenario, cell.fault) for cell in cells}) == len(cells)


def test_what_happens_between_two_calls_is_played_once() -> None:
    read = Point("poll:dynamodb.get_item#1", in_execution=True, first=True)
    later = Point("poll:dynamodb.get_item#2", in_execution=True)
    pays = Point("generate:POST /x#1", in_execution=True)
    kills = [
        [fault.moment for fault in point.faults() if fault.kind is Kind.KILL]
        for point in (read, later, pays)
    ]
    assert kills == [[*Moment], [Moment.AFTER], [*Moment]]


def test_a_read_is_neither_repeated_nor_answered_with_an_error() -> None:
    read, write = (Point(f"poll:dynamodb.{call}#1", True) for call in ("query", "put_item"))
    after = [
        {fault.kind for fault in point.faults() if fault.moment is Moment.AFTER}
        for point in (read, write)
    ]
    assert after[1] - after[0] == {Kind.ERROR, Kind.REPEAT}


def test_the_paid_call_meets_every_kind_of_broken_answer(cells: list[Cell]) -> None:
    orders = [
        cell.fault
        for cell in faults_of(cells, "luma")
        if cell.scenario == "success" and cell.fault and ":POST " in cell.fault.label
    ]
    met = {(fault.kind, fault.moment) for fault in orders}
    lost = {Kind.SLOW, Kind.CUT_FIRST, Kind.CUT, Kind.CUT_LAST}
    assert {(kind, Moment.AFTER) for kind in lost} | {(Kind.HALF_SENT, Moment.BEFORE)} <= met
    assert {(kind, moment) for kind in (Kind.ERROR, Kind.GATEWAY) for moment in Moment} <= met
    assert {(Kind.KILL, moment) for moment in Moment} | {(Kind.TIMEOUT, Moment.AFTER)} <= met


def test_of_a_long_row_of_equal_calls_the_first_two_and_the_last_are_played() -> None:
    points = [Point(f"poll:GET /x#{number}", True) for number in range(1, 41)]
    labels = [point.label.partition("#")[2] for point in thinned(points)]
    assert labels == ["1", "2", "40"]


# --- the report --------------------------------------------------------------------------------


def test_the_report_shows_violations_first_and_every_scenario(played_in: World) -> None:
    good = play(played_in, Cell("luma", "success", None))
    bad = Result(good.cell, "delivered", 2, ("delivered",), "1.2", ("2 clips were made",))
    text = page(MatrixRun([good, bad]))
    assert text.index("2 clips were made") < text.index("What each fault led to")
    assert f"### {good.cell.provider}, {good.cell.scenario}" in text
    assert outcome(bad) == "delivered 2/1 **!**"
    assert summary([good, bad]) == ["     1 x 2 clips were made"]


def test_the_report_counts_the_faults_at_each_step(cells: list[Cell]) -> None:
    paid = [cell for cell in cells if cell.fault and ":POST " in cell.fault.label]
    text = page(MatrixRun([Result(cell, "delivered", 1, (), "0", ()) for cell in paid]))
    (row,) = [line for line in text.splitlines() if line.startswith("| before `generate POST")]
    killed = sum(1 for cell in paid if _is(cell, Kind.KILL, Moment.BEFORE))
    assert f"| {killed} |" in row
    assert killed >= sum(len(scenario.providers) for scenario in SCENARIOS.values())


def _is(cell: Cell, kind: Kind, moment: Moment) -> bool:
    return bool(cell.fault and (cell.fault.kind, cell.fault.moment) == (kind, moment))


# --- the command -------------------------------------------------------------------------------


def test_the_command_prints_a_line_each_and_writes_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "out" / "faults.md"
    assert main([*SMALL, "cut", "--pairs", "3", "--seed", "5", "--page", str(report)]) == 0
    told = capsys.readouterr().out
    assert re.match(
        r"\d+ cells in \d+ s, pairs included\n3 pairs of faults \(--seed 5 repeats them\)\n"
        r"liveness: \d+ plays had to end as without a fault\n0 violations\n",
        told,
    )
    assert report.read_text().startswith(f"# Fault matrix\n\n- {told.splitlines()[0]}")


def test_the_command_fails_when_the_paid_call_is_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    repeats_orders_without_answer(monkeypatch)
    page = str(tmp_path / "faults.md")
    assert main([*SMALL, "success", "--pairs", "0", "--page", page]) == 1
    assert "2 clips were made" in capsys.readouterr().out


# --- pairs -------------------------------------------------------------------------------------


def test_pairs_hold_what_single_faults_hold(played_in: World) -> None:
    results = [play(played_in, Draw(SEED, number, 2).cell(played_in)) for number in range(PAIRS)]
    assert what_is_wrong(results) == []


def test_a_seed_draws_the_same_faults_again_and_another_one_others(played_in: World) -> None:
    drawn, again, other = (
        [Draw(seed, number, 3).cell(played_in) for number in range(4)] for seed in (1, 1, 2)
    )
    assert drawn == again != other
    assert {len(cell.faults) for cell in drawn} == {3}


def test_a_later_fault_may_strike_where_only_the_first_one_leads(played_in: World) -> None:
    cells = [Draw(SEED, number, 2).cell(played_in) for number in range(PAIRS)]
    usual = [
        {point.label for point in baseline(played_in, cell.provider, cell.scenario).points}
        for cell in cells
    ]
    elsewhere = [
        cell for cell, labels in zip(cells, usual, strict=True) if cell.more[0].label not in labels
    ]
    assert 0 < len(elsewhere) < PAIRS / 2


# --- late --------------------------------------------------------------------------------------


def test_after_the_end_the_events_come_a_day_and_three_months_later(cells: list[Cell]) -> None:
    late = {cell.fault.hours for cell in cells if cell.fault and cell.fault.label == END}
    assert {25, 91 * 24} <= late
