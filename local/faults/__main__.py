"""Command line of the fault matrix; see the package's docstring."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from local.faults.faults import Cell, Result
from local.faults.matrix import Draw, plan, play_all, sample
from local.faults.provider import NAMES
from local.faults.report import PAGE, MatrixRun, lines, page
from local.faults.scenarios import SCENARIOS
from local.faults.world import world

PAIRS, QUICK_PAIRS = 4000, 250


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, print and write; 1 where anything does not hold."""
    wanted = _wanted(arguments)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="clips-") as scratch:
        cache = Path(scratch)
        cells = _cells(wanted, cache)
        draws = [
            Draw(wanted.seed, number, faults)
            for faults, count in ((2, wanted.pairs), (3, wanted.triples))
            for number in range(count)
        ]
        results = _play([*cells, *draws], cache, wanted.processes)
    run = MatrixRun(results, wanted.seed, time.monotonic() - begun)
    wanted.page.parent.mkdir(parents=True, exist_ok=True)
    wanted.page.write_text(page(run), encoding="utf-8")
    print("\n".join([*lines(run), str(wanted.page)]))
    return 1 if run.broken else 0


def _wanted(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a sample of the matrix")
    parser.add_argument("--provider", action="append", choices=NAMES, help="only this one")
    parser.add_argument("--scenario", action="append", choices=tuple(SCENARIOS), help="only this")
    parser.add_argument("--pairs", type=int, help="how many plays with two faults")
    parser.add_argument("--triples", type=int, default=0, help="how many with three")
    parser.add_argument("--seed", type=int, help="repeats the pairs and triples of an earlier run")
    parser.add_argument("--processes", type=int, default=2, help="how many play at once")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the report goes")
    wanted = parser.parse_args(arguments)
    if wanted.seed is None:
        wanted.seed = int.from_bytes(os.urandom(4), "big")
    if wanted.pairs is None:
        wanted.pairs = QUICK_PAIRS if wanted.quick else PAIRS
    return wanted


def _cells(wanted: argparse.Namespace, cache: Path) -> list[Cell]:
    with world(cache) as played_in:
        cells = plan(played_in, wanted.provider or NAMES)
    if wanted.quick:
        cells = sample(cells)
    return [cell for cell in cells if cell.scenario in (wanted.scenario or SCENARIOS)]


def _play(tasks: Sequence[Cell | Draw], cache: Path, processes: int) -> list[Result]:
    results: dict[int, Result] = {}
    broken = 0
    for number, result in play_all(tasks, cache, processes):
        results[number] = result
        if result.violations:
            broken += 1
            print(f"\r{result.cell}: {'; '.join(result.violations)}", file=sys.stderr)
        if len(results) % 100 == 0 or len(results) == len(tasks):
            print(f"\r{len(results)} of {len(tasks)}, {broken} bad", end="", file=sys.stderr)
    print(file=sys.stderr)
    return [results[number] for number in range(len(tasks))]


if __name__ == "__main__":
    sys.exit(main())
