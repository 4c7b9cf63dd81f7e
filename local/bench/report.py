"""What the report says: the figures that were promised, what they are, and all tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from local.bench import drops

Row = dict[str, Any]

_ABOUT_A_MINUTE = ("each::labs", "Luma", "fal")
_CONSTANT = {
    "transitions_per_clip": "transitions",
    "invocations_per_clip": "invocations",
    "ledger_writes_per_clip": "ledger writes",
}
# Why a figure may miss its aim.
_MANY_CLIENTS = "It makes three clients (ledger, clips, mail), of which the yardstick makes one."
_FEW_CLIPS = "Three clips say little: one of them that is seen at the watch's end decides."
_DIGESTS = (
    "One image takes about 20 writes, for its two events come together or apart; in a folder each "
    "result above ten in ten minutes is written down for its digest."
)
_LONG_JOBS = (
    "Its jobs take about nine minutes, give or take three: a poll a second earlier would cost more "
    "than that second is worth (docs/waiting.md)."
)
_SHORT_JOBS = (
    "The quick run's clips take six seconds, and its functions start cold: what lies between two "
    "clips in a slot counts four times as much as in the full run."
)


@dataclass(frozen=True)
class Aim:
    """What a figure has to be at most (or at least), what it was, and why if it misses that."""

    what: str
    figure: float
    bound: float
    at_least: bool = False
    why: str = ""

    @property
    def met(self) -> bool:
        return self.figure >= self.bound if self.at_least else self.figure <= self.bound

    def line(self) -> str:
        sign = "at least" if self.at_least else "at most"
        verdict = "met" if self.met else f"**missed.** {self.why}".strip()
        return f"| {self.what} | {self.figure:g} | {sign} {self.bound:g} | {verdict} |"


def aims(found: dict[str, Any], *, quick: bool = False) -> list[Aim]:
    """The figures that were promised."""
    stored, started = found["finalize"], found["start"]
    return [
        *_delays(found["providers"], found["schedules"], quick),
        *_folders(found["folders"], quick),
        Aim("finalize: throughput to the baseline", min(r["ratio"] for r in stored), 0.9, True),
        Aim("finalize: MiB of memory growth", max(r["rss_growth_mib"] for r in stored), 40),
        Aim("start to the naive one", max(r["ratio_to_naive"] for r in started), 0.5),
        Aim(
            "start to boto3 and an S3 client",
            max(r["ratio_to_s3"] for r in started),
            1.6,
            why=_MANY_CLIENTS,
        ),
        Aim("layer, MB", found["layer_mb"], 10),
        Aim("packages loaded without need", sum(len(r["needless"]) for r in started), 0),
    ]


def _delays(live: Sequence[Row], simulated: Sequence[Row], quick: bool) -> list[Aim]:
    """At most 1.5 s and half of the provider's pace."""
    return [
        *(
            Aim(
                f"{row['provider']}: mean seconds from ready to stored",
                row["ready_to_stored_s"],
                1.5 + row["pace_s"] / 2,
                why=_LONG_JOBS if row["provider"] == "Oxen" else _FEW_CLIPS if quick else "",
            )
            for row in live
        ),
        *(
            Aim(
                f"{row['shape']}, simulated: mean seconds from ready to seen",
                round(row["delay_s"], 2),
                1.5 + row["pace_s"] / 2,
            )
            for row in simulated
            if row["schedule"] == "plan" and row["shape"] in _ABOUT_A_MINUTE
        ),
    ]


def _folders(rows: Sequence[Row], quick: bool) -> list[Aim]:
    one, most = rows[0], rows[-1]
    images = f"{most['images']} images"
    constant = {name: most[name] / one[name] for name in _CONSTANT}
    why = _SHORT_JOBS if quick else ""
    return [
        Aim("dollars of plumbing per clip", max(row["plumbing_usd"] for row in rows), 0.002),
        Aim(f"{images}: lost", most["lost"], 0),
        Aim(f"{images}: ordered twice", most["duplicated"], 0),
        Aim(f"{images}: over the limit", most["over_limit"], 0),
        Aim(f"{images}: makespan to the ideal", most["makespan_ratio"], 1.15, why=why),
        *(
            Aim(
                f"{what} per clip, {images} to one",
                round(constant[name], 3),
                1.05,
                why=_DIGESTS if what == "ledger writes" else "",
            )
            for name, what in _CONSTANT.items()
        ),
    ]


def report(found: dict[str, Any], reached: Sequence[Aim]) -> str:
    """The report as Markdown."""
    parts = [
        "# Benchmarks",
        "Measured in one run on one machine; ratios are to the baseline of the same run.",
        "| figure | measured | aim | |\n|---|---|---|---|\n"
        + "\n".join(aim.line() for aim in reached),
        "## From ready to stored",
        "The deployed template and every provider's own shape of runtimes, all at once.",
        _table(found["providers"], leave_out=("delays_s",)),
        "![delays by provider](delays.png)",
        "## Many images at once",
        f"{drops.PROVIDER}, {drops.SLOTS} slots. Ideal: all runtimes, shared out among the slots.",
        _table(found["folders"], leave_out=("delays_s",)),
        "![makespan](makespan.png) ![delays by folder](folders.png)",
        "## Waiting",
        "Delay from ready to seen, and money, over simulated runtimes (docs/waiting.md).",
        _table(found["schedules"]),
        "![schedules](schedules.png)",
        "## Finalize",
        _table(found["finalize"]),
        "## Start",
        f"Processor time to import and build each function; the layer has {found['layer_mb']} MB.",
        _table(found["start"]),
    ]
    return "\n\n".join(parts) + "\n"


def _table(rows: Sequence[Row], leave_out: Sequence[str] = ()) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row if name not in leave_out))
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    lines += [f"| {' | '.join(_cell(row.get(name, '')) for name in names)} |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
