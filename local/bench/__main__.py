"""`make bench`: all benches in one run, as out/bench/report.md, report.json and pictures.

QUICK=1 takes small numbers. A figure that misses its aim is marked, with what it was and why.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from typing import Any

from local.bench import drops, finalize, schedules, start
from local.bench.plots import delays, makespans, schedule_delays
from local.bench.report import aims, report
from local.embedded_aws import ROOT

OUT = ROOT / "out" / "bench"


def measure(quick: bool) -> dict[str, Any]:
    """All rows by bench. Each bench holds its baseline and its measured rows of the same run."""
    steps: dict[str, Callable[[], Any]] = {
        "schedules": lambda: schedules.rows(jobs=150) if quick else schedules.rows(),
        "start": lambda: start.rows(2) if quick else start.rows(),
        "layer_mb": lambda: round(start.layer_megabytes(), 2),
        "finalize": lambda: finalize.rows((64,), 1) if quick else finalize.rows(),
        "drops": lambda: drops.rows(quick=quick),
    }
    found: dict[str, Any] = {}
    for name, step in steps.items():
        print(f"measuring {name} ...", flush=True)
        found[name] = step()
    found["providers"], found["folders"] = found.pop("drops")
    return found


def main() -> None:
    quick = bool(os.environ.get("QUICK"))
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    found = measure(quick)
    reached = aims(found, quick=quick)
    makespans(found["folders"], OUT / "makespan.png")
    delays(found["folders"], OUT / "folders.png")
    delays(found["providers"], OUT / "delays.png")
    schedule_delays(found["schedules"], OUT / "schedules.png")
    (OUT / "report.md").write_text(report(found, reached), encoding="utf-8")
    facts = {**found, "aims": [{**vars(aim), "met": aim.met} for aim in reached], "quick": quick}
    (OUT / "report.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    for aim in reached:
        print(aim.line())
    print(f"report: {(OUT / 'report.md').relative_to(ROOT)}")


if __name__ == "__main__":
    main()
