"""All cells of the matrix, a sample of them that leaves nothing out, and how they are played."""

from __future__ import annotations

import multiprocessing
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from zlib import crc32

from local.faults.ends import ends_of
from local.faults.faults import END, Cell, Fault, Kind, Point, Result, call_of, late_faults
from local.faults.invariants import violations
from local.faults.liveness import baseline, survivable, too_late, worse_ends
from local.faults.provider import NAMES
from local.faults.scenarios import SCENARIOS
from local.faults.world import World, world

# Of a call that is made over and over, the first and the last ones stand for those between.
_FIRST, _LAST = 2, 1

FIRST = "success"

_ALIKE = (
    (Kind.CRASH, Kind.KILL, Kind.TIMEOUT),
    (Kind.DUPLICATE, Kind.CONCURRENT),
    (Kind.CANCEL, Kind.PAUSE),
)

# In the sample these are played with every fault: the call that pays at every provider, and at one
# where money, claims and mails hang on one call, and in a line the turn of whoever waits.
_WRITES = ("dynamodb.put_item", "dynamodb.transact_write_items")
_DECISIVE = {
    FIRST: tuple(
        f"{function}:{call}"
        for function in ("submit", "generate", "poll", "finalize")
        for call in (*_WRITES, "sns.publish")
    ),
    "in line": tuple(
        f"{function}:{call}"
        for function in ("slot", "poll")
        for call in ("dynamodb.transact_write_items", "stepfunctions.send_task_success")
    ),
}
_DECISIVE_AT = "luma"


def play(played_in: World, cell: Cell) -> Result:
    """Play one cell and look at what is left."""
    clean = baseline(played_in, cell.provider, cell.scenario)
    story = played_in.play(cell)
    ends = ends_of(played_in, cell)
    found, lives = violations(ends, cell, story.undelivered), survivable(cell)
    if lives and len(ends) == len(clean.ends):
        found += (*worse_ends(ends, clean), *too_late(story.settled_at, cell, clean))
    return Result(
        cell=cell,
        state="+".join(dict.fromkeys(end.state for end in ends)),
        accepted=sum(len(end.ordered) for end in ends),
        mails=tuple(outcome for end in ends for outcome in end.results),
        committed_usd=str(ends[0].committed_usd) if ends else "",
        violations=found,
        struck=len(played_in.wire.struck) == sum(fault.label != END for fault in cell.faults),
        survivable=lives,
    )


def plan(played_in: World, providers: Iterable[str] = NAMES) -> list[Cell]:
    """Every fault at every call of every scenario: the calls are those of plays without one."""
    found: list[Cell] = []
    for provider, scenario in courses(providers):
        points = thinned(baseline(played_in, provider, scenario).points)
        faults = [None, *(fault for point in points for fault in point.faults()), *late_faults()]
        found += [Cell(provider, scenario, fault) for fault in faults]
    return shared(shortened(found))


def courses(providers: Iterable[str] = NAMES) -> list[tuple[str, str]]:
    """All providers, each with the scenarios that it is played in."""
    return [
        (provider, name)
        for provider in providers
        for name, scenario in SCENARIOS.items()
        if provider in scenario.providers
    ]


def shortened(cells: Iterable[Cell]) -> list[Cell]:
    """The cells without those that end like another one: the first scenario keeps them all."""
    return [cell for cell in cells if stands_for_others(cell)]


def stands_for_others(cell: Cell) -> bool:
    """Of kinds that are much alike, one is played at each point, which its name decides."""
    fault = cell.fault
    if not fault or cell.scenario == FIRST or call_of(fault.label).startswith("POST "):
        return True
    group = next((kinds for kinds in _ALIKE if fault.kind in kinds), (fault.kind,))
    turn = crc32(f"{cell.scenario} {fault.label} {fault.moment}".encode()) % len(group)
    return group[turn] is fault.kind


def shared(cells: Sequence[Cell]) -> list[Cell]:
    """The cells without those that differ in nothing but the provider, which has no part in them.

    A call of AWS is the same whoever makes the clip. In the first scenario it is played with all
    providers, in each other one with one of them, which its name decides.
    """
    alike: dict[tuple[str, Fault | None], list[Cell]] = defaultdict(list)
    for cell in cells:
        alike[cell.scenario, cell.fault].append(cell)
    return [cell for cell in cells if _is_own(cell) or _is_chosen(cell, alike)]


def _is_own(cell: Cell) -> bool:
    """Whether the provider has a part in the cell."""
    fault = cell.fault
    return not fault or fault.label == END or cell.scenario == FIRST or "/" in call_of(fault.label)


def _is_chosen(cell: Cell, alike: Mapping[tuple[str, Fault | None], list[Cell]]) -> bool:
    group = alike[cell.scenario, cell.fault]
    return group[crc32(str(cell.fault).encode()) % len(group)] is cell


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
    chosen = {cell for cell in cells if is_decisive(cell)}
    for group in _groups(cells):
        chosen.add(min(group, key=lambda cell: crc32(str(cell).encode())))
    return [cell for cell in cells if cell in chosen]


def is_decisive(cell: Cell) -> bool:
    """Whether it is in every sample."""
    fault = cell.fault
    if fault is None or (cell.scenario == FIRST and fault.label == END):
        return True
    if cell.scenario == FIRST and fault.label.startswith("generate:POST "):
        return True
    decisive = _DECISIVE.get(cell.scenario, ())
    return cell.provider == _DECISIVE_AT and fault.label.startswith(decisive)


def _groups(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """Cells of which one is enough: by call, and by function with kind and moment."""
    groups: dict[tuple[str, ...], list[Cell]] = defaultdict(list)
    for cell in cells:
        if cell.fault:
            call, _, _ = cell.fault.label.partition("#")
            function, _, _ = call.partition(":")
            groups[cell.scenario, call].append(cell)
            groups[function, cell.fault.kind, cell.fault.moment].append(cell)
    yield from groups.values()


# --- playing many ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Draw:
    """One play with several faults at random: the same seed and number give the same faults."""

    seed: int
    number: int
    faults: int

    def cell(self, played_in: World) -> Cell:
        """Each fault after the first is at a call of the play without faults, or at one that the
        faults before it have led to."""
        chance = Random(f"{self.seed}-{self.number}")  # noqa: S311 - not for secrets
        provider, scenario = chance.choice(courses())
        usual = thinned(baseline(played_in, provider, scenario).points)
        faults: list[Fault] = []
        while len(faults) < self.faults:
            reached = usual
            if faults and chance.random() < 0.5:
                played_in.play(Cell(provider, scenario, faults[0], tuple(faults[1:])))
                reached = played_in.points
            fault = chance.choice(chance.choice(reached).faults())
            if fault.label not in {other.label for other in faults}:
                faults.append(fault)
        return Cell(provider, scenario, faults[0], tuple(faults[1:]))


def play_all(
    tasks: Sequence[Cell | Draw], cache: Path, processes: int = 1
) -> Iterator[tuple[int, Result]]:
    """Play all, each with its place in `tasks`; in any order where several processes share them."""
    numbered = list(enumerate(tasks))
    if processes == 1:
        with world(cache) as played_in:
            for number, task in numbered:
                yield number, _played(played_in, task)
        return
    # Not forked: a world has threads, which a fork would leave behind.
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, _enter, (cache,)) as pool:
        yield from pool.imap_unordered(_play_here, numbered, chunksize=16)


def _played(played_in: World, task: Cell | Draw) -> Result:
    """The result. A play that breaks off holds nothing, and does not end the others."""
    cell = task.cell(played_in) if isinstance(task, Draw) else task
    try:
        return play(played_in, cell)
    except Exception as error:
        return Result(cell, "", 0, (), "", (f"the play broke off: {error!r}",), survivable=False)


_here: list[World] = []
_open = ExitStack()


def _enter(cache: Path) -> None:
    """One world for the life of a worker process; it ends with the process."""
    _here.append(_open.enter_context(world(cache)))


def _play_here(numbered: tuple[int, Cell | Draw]) -> tuple[int, Result]:
    number, task = numbered
    return number, _played(_here[0], task)
