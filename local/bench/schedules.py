"""How late and how dear waiting is: the plan against fixed polling and the best possible.

python -m local.bench.schedules

Each row is one schedule on one shape of runtimes: some 1,500 jobs, the same ones for every
schedule. `plan` is what is deployed, learning from each job as the ledger does. `best` knows before
the first job how all of them are distributed (and how they drift), and is found by dynamic
programming; for a bound its price of lateness is moved until it spends as much as the plan. The
others poll every so many seconds. Simulated answers take no time; each provider's pace is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dropreel.waiting.schedule import USUAL_PRICES
from local.bench.best import Oracle
from local.bench.polling import Fixed, Seen, lateness, learning, mean_point, play
from local.bench.shapes import SHAPES, Shape

FIXED_S = (10, 30, 60, 180)

# What plumbing costs beside waiting, generously: six transitions, submit, generate and finalize,
# requests to S3 and DynamoDB, logs, traces. us-east-1, 2026-11.
OTHER_PLUMBING_USD = 500e-6
_JOBS = 1500
_SEED = 1


def _row(shape: Shape, schedule: str, seen: Sequence[Seen]) -> dict[str, Any]:
    delay, spend = mean_point(seen)
    late = lateness(seen)
    return {
        "shape": shape.name,
        "provider": shape.provider,
        "pace_s": shape.kind.profile.pace_s,
        "schedule": schedule,
        "delay_s": delay,
        "delay_p95_s": late[int(0.95 * len(late))],
        "waiting_usd": spend,
        "plumbing_usd": spend + OTHER_PLUMBING_USD,
        "polls": sum(one.polls for one in seen) / len(seen),
        "cost_usd": delay * USUAL_PRICES.second_late + spend,
    }


def rows_of(shape: Shape, *, jobs: int) -> list[dict[str, Any]]:
    """One row per schedule for one shape.

    `delay_s` and `delay_p95_s`: from ready to seen. `waiting_usd`: what the schedule costs per
    clip, `plumbing_usd` with all the rest of the workflow, `cost_usd` with the price of lateness
    instead. The row `plan` has `bound_s` too, the least delay for its money, and `bound_usd`, the
    least `cost_usd`; the row `first 20` is the plan before it has learnt much.
    """
    runtimes = shape.runtimes(jobs, _SEED)
    pace = shape.kind.profile.pace_s
    planned = learning(shape, runtimes)
    plan = _row(shape, "plan", planned)
    oracle = Oracle(shape, runtimes)
    best = _row(shape, "best", oracle.play(USUAL_PRICES.second_late))
    plan |= {"bound_s": oracle.delay_for(plan["waiting_usd"]), "bound_usd": best["cost_usd"]}
    fixed = [
        _row(shape, f"{every} s", [play(runtime, Fixed(every), pace) for runtime in runtimes])
        for every in FIXED_S
    ]
    return [plan, _row(shape, "first 20", planned[:20]), best, *fixed]


def rows(*, jobs: int = _JOBS) -> list[dict[str, Any]]:
    """All rows, the same ones at every call."""
    return [row for shape in SHAPES for row in rows_of(shape, jobs=jobs)]


def main() -> None:
    print(f"{'runtimes':24}{'schedule':10}{'delay':>9}{'p95':>9}{'polls':>8}{'plumbing':>11}")
    for row in rows():
        times = f"{row['delay_s']:7.2f} s{row['delay_p95_s']:7.1f} s{row['polls']:8.1f}"
        bound = f"  {row['bound_s']:.2f} s for the same money" if "bound_s" in row else ""
        print(f"{row['shape']:24}{row['schedule']:10}{times}  ${row['plumbing_usd']:.6f}{bound}")


if __name__ == "__main__":
    main()
