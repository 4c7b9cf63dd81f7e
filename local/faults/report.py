"""The matrix as a page: violations, how often which fault was played where, what it led to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.faults.faults import Kind, Moment, Result

PAGE = Path(__file__).resolve().parents[2] / "out" / "faults.md"
_MOST_SHOWN = 200

_OVERVIEW = """\
How many plays have which fault, over all providers and scenarios. `POST provider` is the one call
that costs money. What is left out, and why, is in docs/faults.md.
"""

_LEGEND = """\
Each row is a call that leaves a function, each column a kind of fault at that call (before it and
after it, wherever it is made), each field what the plays came to: `final state orders/mails` -
orders that the provider accepted, and mails that the dropper got. A second mail is right where the
first one said that the clip may still come (stalled, unknown), and where the sender died between
SNS and the ledger. A second order is right after a first one that failed and costs nothing.
"""


@dataclass(frozen=True, slots=True)
class MatrixRun:
    """All results of one run. `seed` is that of its pairs and triples."""

    results: Sequence[Result]
    seed: int = 0
    seconds: float = 0.0

    @property
    def broken(self) -> list[Result]:
        return [result for result in self.results if result.violations]

    def with_faults(self, *counts: int) -> list[Result]:
        return [result for result in self.results if len(result.cell.faults) in counts]


def lines(run: MatrixRun) -> list[str]:
    """What was played and what does not hold, a line each."""
    survivable = [result for result in run.results if result.survivable]
    pairs, triples = run.with_faults(2), run.with_faults(3)
    drawn = [f"{len(pairs)} pairs of faults"] if pairs else []
    drawn += [f"{len(triples)} triples"] if triples else []
    return [
        f"{len(run.with_faults(0, 1))} cells in {run.seconds:.0f} s, pairs included",
        *([f"{' and '.join(drawn)} (--seed {run.seed} repeats them)"] if drawn else []),
        f"liveness: {len(survivable)} plays had to end as without a fault",
        *summary(run.results),
        f"{len(run.broken)} violations",
    ]


def page(run: MatrixRun) -> str:
    """Markdown of all results."""
    text = [
        "# Fault matrix",
        "",
        *(f"- {line.strip()}" for line in lines(run)),
        "",
        *_violations(run.broken),
        "## What was played",
        "",
        _OVERVIEW,
        *_overview(run.results),
        "",
        "## What each fault led to",
        "",
        _LEGEND,
        *_tables(run.with_faults(0, 1)),
    ]
    return "\n".join(text) + "\n"


def summary(results: Iterable[Result]) -> list[str]:
    """Each sort of violation with its count, the most frequent first."""
    counted = Counter(text for result in results for text in result.violations)
    return [f"{count:6} x {text}" for text, count in counted.most_common()]


def _violations(broken: Sequence[Result]) -> Iterator[str]:
    if not broken:
        return
    yield "## Violations"
    yield ""
    yield "| cell | what does not hold |"
    yield "|---|---|"
    for result in sorted(broken, key=lambda result: str(result.cell))[:_MOST_SHOWN]:
        yield f"| {result.cell} | {'; '.join(result.violations)} |"
    if len(broken) > _MOST_SHOWN:
        yield f"| and {len(broken) - _MOST_SHOWN} more | |"
    yield ""


def _overview(results: Sequence[Result]) -> Iterator[str]:
    counts: dict[tuple[str, Moment], Counter[Kind]] = defaultdict(Counter)
    broken: dict[tuple[str, Moment], Counter[Kind]] = defaultdict(Counter)
    for result in results:
        for fault in result.cell.faults:
            step = _alike(fault.label), fault.moment
            counts[step][fault.kind] += 1
            broken[step][fault.kind] += bool(result.violations)
    calls = list(dict.fromkeys(call for call, _ in counts))
    functions = list(dict.fromkeys(call.partition(" ")[0] for call in calls))
    steps = sorted(
        counts,
        key=lambda step: (
            functions.index(step[0].partition(" ")[0]),
            calls.index(step[0]),
            list(Moment).index(step[1]),
        ),
    )
    kinds = [kind for kind in Kind if any(row[kind] for row in counts.values())]
    yield f"| | {' | '.join(kinds)} |"
    yield "|---" * (len(kinds) + 1) + "|"
    for step in steps:
        fields = [_field(counts[step][kind], broken[step][kind]) for kind in kinds]
        yield f"| {step[1]} `{step[0]}` | {' | '.join(fields)} |"


def _alike(label: str) -> str:
    """A call by the same words for all providers, without its number."""
    function, _, call = label.partition("#")[0].partition(":")
    if "/" not in call:
        return f"{function} {call}".strip()
    method = call.partition(" ")[0]
    return f"{function} {method} {'clip' if call.endswith('.mp4') else 'provider'}"


def _field(played: int, broken: int) -> str:
    count = str(played) if played else ""
    return f"{count} **{broken}!**" if broken else count


def _tables(results: Sequence[Result]) -> Iterator[str]:
    grouped: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        grouped[result.cell.provider, result.cell.scenario].append(result)
    for (provider, scenario), group in sorted(grouped.items()):
        yield f"### {provider}, {scenario}"
        yield ""
        clean = [outcome(result) for result in group if result.cell.fault is None]
        yield f"Without a fault: {', '.join(clean) or 'not played'}"
        yield ""
        yield from _table(group)
        yield ""


def _table(group: Sequence[Result]) -> Iterator[str]:
    rows: dict[str, dict[Kind, Counter[str]]] = {}
    for result in group:
        if result.cell.fault:
            step, _, _ = result.cell.fault.label.partition("#")
            row = rows.setdefault(step, defaultdict(Counter))
            row[result.cell.fault.kind][outcome(result)] += 1
    kinds = [kind for kind in Kind if any(kind in row for row in rows.values())]
    yield f"| call | {' | '.join(kinds)} |"
    yield "|---" * (len(kinds) + 1) + "|"
    for step, row in rows.items():
        fields = ("<br>".join(text for text, _ in row[kind].most_common()) for kind in kinds)
        yield f"| `{step}` | {' | '.join(fields)} |"


def outcome(result: Result) -> str:
    mark = " **!**" if result.violations else ""
    return f"{result.state or 'nothing'} {result.accepted}/{len(result.mails)}{mark}"
