"""Command line of the fault matrix; see the package's docstring."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from local.faults.faults import Cell, Result
from local.faults.matrix import plan, play_all, sample
from local.faults.provider import NAMES
from local.faults.report import PAGE, page, summary, told
from local.faults.scenarios import SCENARIOS
from local.faults.world import world


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, print and write; 1 where anything does not hold."""
    wanted = _wanted(arguments)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="clips-") as scratch:
        cache = Path(scratch)
        cells = _cells(wanted, cache)
        results = _play(cells, cache, wanted.processes)
    seconds = time.monotonic() - begun
    wanted.page.parent.mkdir(parents=True, exist_ok=True)
    wanted.page.write_text(page(results, seconds), encoding="utf-8")
    print(f"{told(results)} in {seconds:.0f} s: {wanted.page}")
    for line in summary(results):
        print(line)
    return 1 if any(result.violations for result in results) else 0


def _wanted(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a sample of the matrix")
    parser.add_argument("--provider", action="append", choices=NAMES, help="only this one")
    parser.add_argument("--scenario", action="append", choices=tuple(SCENARIOS), help="only this")
    parser.add_argument("--processes", type=int, default=2, help="how many play at once")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the report goes")
    return parser.parse_args(arguments)


def _cells(wanted: argparse.Namespace, cache: Path) -> list[Cell]:
    with world(cache) as played_in:
        cells = plan(played_in, wanted.provider or NAMES)
    if wanted.quick:
        cells = sample(cells)
    return [cell for cell in cells if cell.scenario in (wanted.scenario or SCENARIOS)]


def _play(cells: Sequence[Cell], cache: Path, processes: int) -> list[Result]:
    results = []
    for result in play_all(cells, cache, processes):
        results.append(result)
        if len(results) % 100 == 0 or len(results) == len(cells):
            broken = sum(bool(one.violations) for one in results)
            print(f"\r{len(results)} of {len(cells)}, {broken} bad", end="", file=sys.stderr)
    print(file=sys.stderr)
    order = {cell: number for number, cell in enumerate(cells)}
    return sorted(results, key=lambda result: order[result.cell])


if __name__ == "__main__":
    sys.exit(main())
