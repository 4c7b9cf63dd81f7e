"""All cells of the matrix, a sample of them that leaves nothing out, and how they are played."""

from __future__ import annotations

import multiprocessing
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from zlib import crc32

from local.faults.ends import ends_of
from local.faults.faults import END, Cell, Point, Result, late_faults
from local.faults.invariants import violations
from local.faults.provider import NAMES
from local.faults.scenarios import SCENARIOS
from local.faults.world import World, world

# Of a call that is made over and over, the first and the last ones stand for those between.
_FIRST, _LAST = 3, 2

# In the sample these are played with every fault: where money, claims and mails hang on one call,
# and in a line the turn of whoever waits.
_WRITES = ("dynamodb.put_item", "dynamodb.transact_write_items")
_DECISIVE = {
    "success": tuple(
        f"{function}:{call}"
        for function in ("submit", "generate", "poll", "finalize")
        for call in (*_WRITES, "POST ", "sns.publish")
    ),
    "in line": tuple(
        f"{function}:{call}"
        for function in ("slot", "poll")
        for call in ("dynamodb.transact_write_items", "stepfunctions.send_task_success")
    ),
}


def play(played_in: World, cell: Cell) -> Result:
    """Play one cell and look at what is left."""
    played_in.play(cell)
    ends = ends_of(played_in, cell)
    return Result(
        cell=cell,
        state="+".join(dict.fromkeys(end.state for end in ends)),
        accepted=sum(len(end.ordered) for end in ends),
        mails=tuple(outcome for end in ends for outcome in end.results),
        committed_usd=str(ends[0].committed_usd) if ends else "",
        violations=violations(ends, SCENARIOS[cell.scenario]),
        struck=played_in.wire.fired or cell.fault is None or cell.fault in late_faults(),
    )


def plan(played_in: World, providers: Iterable[str] = NAMES) -> list[Cell]:
    """Every fault at every call of every scenario: the calls are those of plays without one."""
    cells: list[Cell] = []
    for provider in providers:
        for scenario in (name for name, one in SCENARIOS.items() if provider in one.providers):
            clean = Cell(provider, scenario, None)
            played_in.play(clean)
            points = thinned(played_in.points)
            faults = [fault for point in points for fault in point.faults()]
            cells.append(clean)
            cells += [Cell(provider, scenario, fault) for fault in (*faults, *late_faults())]
    return cells


def thinned(points: Sequence[Point]) -> list[Point]:
    """The points without the middle ones of calls that are made over and over."""
    alike: dict[tuple[str, str], list[Point]] = defaultdict(list)
    for point in points:
        alike[point.function, point.call].append(point)
    return [point for group in alike.values() for point in _ends_of(group)]


def _ends_of(group: list[Point]) -> list[Point]:
    return group if len(group) <= _FIRST + _LAST else [*group[:_FIRST], *group[-_LAST:]]


def sample(cells: Sequence[Cell]) -> list[Cell]:
    """Every call of every scenario, every kind of fault in each function, and every fault at the
    decisive calls of the first scenario; the same cells each time."""
    chosen = {cell for cell in cells if _always(cell)}
    for group in _groups(cells):
        chosen.add(min(group, key=lambda cell: crc32(str(cell).encode())))
    return [cell for cell in cells if cell in chosen]


def _always(cell: Cell) -> bool:
    fault = cell.fault
    if fault is None or fault.label == END:
        return True
    return fault.label.startswith(_DECISIVE.get(cell.scenario, ()))


def _groups(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """Cells of which one is enough: by call, and by function with kind and place."""
    groups: dict[tuple[str, ...], list[Cell]] = defaultdict(list)
    for cell in cells:
        if cell.fault:
            function, _, _ = cell.fault.label.partition(":")
            groups[cell.provider, cell.scenario, cell.fault.label].append(cell)
            groups[cell.provider, function, cell.fault.kind, cell.fault.place].append(cell)
    yield from groups.values()


# --- playing many ------------------------------------------------------------------------------


def play_all(cells: Sequence[Cell], cache: Path, processes: int = 1) -> Iterator[Result]:
    """Play the cells, in any order where several processes share them."""
    if processes == 1:
        with world(cache) as played_in:
            for cell in cells:
                yield play(played_in, cell)
        return
    # Not forked: a world has threads, which a fork would leave behind.
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, _enter, (cache,)) as pool:
        yield from pool.imap_unordered(_play_here, cells, chunksize=16)


_here: list[World] = []
_open = ExitStack()


def _enter(cache: Path) -> None:
    """One world for the life of a worker process; it ends with the process."""
    _here.append(_open.enter_context(world(cache)))


def _play_here(cell: Cell) -> Result:
    return play(_here[0], cell)
