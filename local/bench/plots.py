"""The report's pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # no window, whatever the machine has

from matplotlib import pyplot as plt

Row = dict[str, Any]


def makespans(rows: Sequence[Row], path: Path) -> None:
    """How long a folder takes, beside the least that is possible."""
    figure, axes = plt.subplots(figsize=(7, 4))
    images = [row["images"] for row in rows]
    axes.plot(images, [row["ideal_s"] for row in rows], "o--", color="#999", label="ideal")
    axes.plot(images, [row["makespan_s"] for row in rows], "o-", label="measured")
    axes.set(xscale="log", yscale="log", xlabel="images dropped at once", ylabel="seconds")
    axes.legend()
    _save(figure, path)


def delays(rows: Sequence[Row], path: Path) -> None:
    """The share of clips that are stored within so many seconds after they were ready."""
    figure, axes = plt.subplots(figsize=(7, 4))
    for row in rows:
        count = len(row["delays_s"])
        shares = [(number + 1) / count for number in range(count)]
        name = row.get("provider") or f"{row['images']} at once"
        axes.step(row["delays_s"], shares, where="post", label=name)
    axes.set(xlabel="seconds from ready to stored", ylabel="share of clips", ylim=(0, 1.02))
    axes.legend()
    _save(figure, path)


def schedule_delays(rows: Sequence[Row], path: Path) -> None:
    """Delay against money: the plan, the best possible, and fixed intervals."""
    figure, axes = plt.subplots(figsize=(7, 4.5))
    marks = {"plan": "*", "best": "D"}
    for schedule in dict.fromkeys(row["schedule"] for row in rows):
        if schedule == "first 20":
            continue
        points = [row for row in rows if row["schedule"] == schedule]
        axes.scatter(
            [1000 * row["plumbing_usd"] for row in points],
            [row["delay_s"] for row in points],
            marker=marks.get(schedule, "o"),
            s=70 if schedule == "plan" else 30,
            label=schedule,
        )
    axes.set(yscale="log", xlabel="plumbing per 1,000 clips, dollars", ylabel="mean delay, seconds")
    axes.legend()
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
