"""The promise: a clip is never paid twice, and every job ends once with one mail."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from local.faults.__main__ import main
from local.faults.faults import END, Cell, Kind, Place, Point, Result, late_faults
from local.faults.matrix import play, sample, thinned
from local.faults.provider import NAMES
from local.faults.report import outcome, page, summary
from local.faults.scenarios import SCENARIOS
from local.faults.world import World
from tests.faults.mutations import repeats_orders_without_answer

LEAST_CELLS = 1500
SMALL = ["--quick", "--provider", "luma", "--processes", "1", "--scenario"]


@pytest.fixture(scope="module")
def chosen(cells: list[Cell]) -> list[Cell]:
    return sample(cells)


def faults_of(cells: list[Cell], provider: str) -> list[Cell]:
    return [cell for cell in cells if cell.provider == provider and cell.fault]


# --- the promise -------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", NAMES)
def test_whatever_fails_nothing_is_paid_twice_and_every_job_ends_once_with_one_mail(
    played_in: World, chosen: list[Cell], provider: str
) -> None:
    results = [play(played_in, cell) for cell in chosen if cell.provider == provider]
    broken = [result for result in results if result.violations]
    wrong = [f"{result.cell}: {'; '.join(result.violations)}" for result in broken[:20]]
    assert not broken, "\n".join([*summary(broken), "", *wrong])
    assert [str(result.cell) for result in results if not result.struck] == []


@pytest.mark.parametrize("provider", NAMES)
def test_without_a_fault_each_scenario_ends_as_it_should(played_in: World, provider: str) -> None:
    clean = [play(played_in, Cell(provider, scenario, None)) for scenario in SCENARIOS]
    costs_nothing = provider in SCENARIOS["again"].unbilled
    assert {result.cell.scenario: (result.state, result.accepted) for result in clean} == {
        "success": ("delivered", 1),
        "moderated": ("failed", 1),
        "busy": ("delivered", 1),
        "lost": ("unknown" if provider == "luma" else "delivered", 1),
        "again": ("delivered", 2) if costs_nothing else ("failed", 1),
        "elsewhere": ("delivered", 1),
        "late": ("delivered", 1),
        "in line": ("delivered", 2),
    }


@pytest.mark.parametrize("provider", NAMES)
def test_a_refused_order_is_made_elsewhere(played_in: World, provider: str) -> None:
    played_in.play(Cell(provider, "elsewhere", None))
    (order,) = played_in.providers.jobs()
    assert order.provider == ("fal" if provider == "luma" else "luma")


# --- the sample stands for the matrix ----------------------------------------------------------


def test_the_sample_has_many_cells(cells: list[Cell], chosen: list[Cell]) -> None:
    assert len(chosen) == len(set(chosen)) >= LEAST_CELLS
    assert set(chosen) < set(cells)


@pytest.mark.parametrize("provider", NAMES)
def test_the_sample_leaves_out_no_call_and_no_kind_of_fault(
    cells: list[Cell], chosen: list[Cell], provider: str
) -> None:
    whole, part = faults_of(cells, provider), faults_of(chosen, provider)
    for seen in (
        lambda cell: (cell.scenario, cell.fault.label),
        lambda cell: (cell.fault.label.partition(":")[0], cell.fault.kind, cell.fault.place),
    ):
        assert {seen(cell) for cell in whole} == {seen(cell) for cell in part}
    assert {cell.fault.kind for cell in part if cell.fault} == set(Kind)


def test_the_sample_is_the_same_every_time(cells: list[Cell], chosen: list[Cell]) -> None:
    assert sample(cells) == chosen


def test_the_matrix_has_every_fault_at_every_call_that_was_made(
    played_in: World, cells: list[Cell]
) -> None:
    for provider in NAMES:
        for scenario in {cell.scenario for cell in cells if cell.provider == provider}:
            played_in.play(Cell(provider, scenario, None))
            points = thinned(played_in.points)
            wanted = 1 + len(late_faults()) + sum(len(point.faults()) for point in points)
            counted = Counter((cell.provider, cell.scenario) for cell in cells)
            assert counted[provider, scenario] == wanted


def test_the_paid_call_meets_every_kind_of_broken_answer(cells: list[Cell]) -> None:
    orders = [
        cell.fault
        for cell in faults_of(cells, "luma")
        if cell.scenario == "success" and cell.fault and ":POST " in cell.fault.label
    ]
    met = {(fault.kind, fault.place) for fault in orders}
    lost = {Kind.SLOW, Kind.CUT_FIRST, Kind.CUT, Kind.CUT_LAST}
    assert {(kind, Place.AFTER) for kind in lost} | {(Kind.HALF_SENT, Place.BEFORE)} <= met
    assert {(kind, place) for kind in (Kind.ERROR, Kind.GATEWAY) for place in Place} <= met
    assert {(Kind.KILL, place) for place in Place} | {(Kind.TIMEOUT, Place.AFTER)} <= met


def test_of_a_call_that_is_repeated_without_end_the_ends_are_enough() -> None:
    points = [Point(f"poll:GET /x#{number}", True) for number in range(1, 41)]
    labels = [point.label.partition("#")[2] for point in thinned(points)]
    assert labels == ["1", "2", "3", "39", "40"]


# --- the report --------------------------------------------------------------------------------


def test_the_report_shows_violations_first_and_every_scenario(played_in: World) -> None:
    good = play(played_in, Cell("luma", "success", None))
    bad = Result(good.cell, "delivered", 2, ("delivered",), "1.2", ("2 clips were made",))
    text = page([good, bad], 1.0)
    assert text.index("2 clips were made") < text.index("What each fault led to")
    assert f"### {good.cell.provider}, {good.cell.scenario}" in text
    assert outcome(bad) == "delivered 2/1 **!**"
    assert summary([good, bad]) == ["     1 x 2 clips were made"]


def test_the_report_counts_the_faults_at_each_step(cells: list[Cell]) -> None:
    paid = [cell for cell in cells if cell.fault and ":POST " in cell.fault.label]
    text = page([Result(cell, "delivered", 1, (), "0", ()) for cell in paid], 1.0)
    (row,) = [line for line in text.splitlines() if line.startswith("| before `generate POST")]
    killed = sum(1 for cell in paid if _is(cell, Kind.KILL, Place.BEFORE))
    assert f"| {killed} |" in row
    assert killed >= sum(len(scenario.providers) for scenario in SCENARIOS.values())


def _is(cell: Cell, kind: Kind, place: Place) -> bool:
    return bool(cell.fault and (cell.fault.kind, cell.fault.place) == (kind, place))


# --- the command -------------------------------------------------------------------------------


def test_the_command_prints_the_count_and_writes_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "out" / "faults.md"
    assert main([*SMALL, "moderated", "--page", str(report)]) == 0
    told = capsys.readouterr().out
    assert re.match(r"\d+ cells, 0 with violations in \d+ s", told)
    assert re.match(r"# Fault matrix\n\n\d+ cells, 0 with violations", report.read_text())


def test_the_command_fails_when_the_paid_call_is_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    repeats_orders_without_answer(monkeypatch)
    assert main([*SMALL, "success", "--page", str(tmp_path / "faults.md")]) == 1
    assert "2 clips were made" in capsys.readouterr().out


# --- late --------------------------------------------------------------------------------------


def test_after_the_end_the_events_come_a_day_and_three_months_later(cells: list[Cell]) -> None:
    late = {cell.fault.hours for cell in cells if cell.fault and cell.fault.label == END}
    assert {25, 91 * 24} <= late
