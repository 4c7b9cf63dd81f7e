"""Many results in one mail: what was made, what was not and why, and what it cost together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal

from dropreel.jobs.job import State, utc_iso
from dropreel.jobs.naming import output_folder
from dropreel.mail.message import DigestEntry, Links, Mail, compose, file_name, one_line, shortened
from dropreel.mail.windows import Window

# In bytes: with all of them in text and document, twice in UTF-8, a mail stays far below 256 KiB.
_MOST_FAILED = 30_000
_MOST_MADE = 10_000

_GROUP = "group"
_WORDS = {
    "delivered": "delivered",
    _GROUP: "with several takes, see below",
    "waiting": "waiting for the next day's budget, nothing paid",
    "refused": "refused, nothing paid",
    "failed": "failed",
    "cancelled": "cancelled",
    "stalled": "not finished yet",
    "unknown": "unknown, your operator has to check whether it was ordered",
    "rejected": "rejected, please correct the files, nothing paid",
}


def digest(window: Window, lines: Sequence[DigestEntry], links: Links) -> Mail:
    """One mail instead of one for each of `lines`, the results of `window` after its first ones."""
    counts = Counter(entry.outcome for entry in lines)
    names = _names(lines)
    made = [entry for entry in lines if entry.outcome == State.DELIVERED]
    groups = [entry for entry in lines if entry.outcome == _GROUP]
    others = [entry for entry in lines if entry.outcome not in (State.DELIVERED, _GROUP)]
    when = f"{window.start:%Y-%m-%d}, {window.start:%H:%M} to {window.end:%H:%M} UTC"
    parts = [
        f"{_many(lines, 'result')} in one mail, because many came at once ({when}).",
        "\n".join(f"{counts[word]:,} {_WORDS[word]}" for word in _WORDS if counts[word]),
        f"Cost: {_cost([*made, *groups])}{_perhaps(others)}",
        *_listed(
            "Without a clip:",
            [f"- {names[entry.file]}: {entry.outcome}. {entry.text}" for entry in others],
            _MOST_FAILED,
        ),
        *_listed(
            "Several takes:",
            [f"- {names[entry.file]}: {entry.text}" for entry in groups],
            _MOST_MADE,
        ),
        *_listed("Clips ready:", [f"- {names[entry.file]}" for entry in made], _MOST_MADE),
        f"What to do: {_next_step([*others, *groups])}",
        f"All clips and records:\n{links.uri(_folder(lines))}\n{links.folder_link(_folder(lines))}",
    ]
    document = {
        "outcome": "digest",
        "from": utc_iso(window.start),
        "to": utc_iso(window.end),
        "counts": dict(counts),
        "cost_usd": str(_sum([*made, *groups])),
        "cost_is_real": all(entry.real for entry in (*made, *groups)),
    }
    return compose(_subject(made, groups, others), parts, document, {"outcome": "digest"})


def _subject(
    made: Sequence[DigestEntry], groups: Sequence[DigestEntry], others: Sequence[DigestEntry]
) -> str:
    takes = f", {len(groups):,} with several takes" if groups else ""
    bad = f", {len(others):,} without a clip" if others else ""
    files = _many([*made, *groups, *others], "more file")
    return f"{files}: {_many(made, 'clip')} ready{takes}{bad}"


def _many(things: Sequence[object], name: str) -> str:
    return f"{len(things):,} {name}{'' if len(things) == 1 else 's'}"


def _cost(made: Sequence[DigestEntry]) -> str:
    if not made:
        return "no clip was made"
    known = [entry for entry in made if entry.cost_usd is not None]
    about = "" if all(entry.real for entry in known) else "about "
    unknown = len(made) - len(known)
    more = f", and {unknown:,} at an unknown price" if unknown else ""
    return f"{about}${_sum(known):.2f} for {_many(known, 'clip')}{more}"


def _perhaps(others: Sequence[DigestEntry]) -> str:
    perhaps = _sum(others)
    return f"; up to ${perhaps:.2f} more for the files without a clip" if perhaps else ""


def _sum(lines: Sequence[DigestEntry]) -> Decimal:
    return sum((entry.cost_usd for entry in lines if entry.cost_usd is not None), Decimal(0))


def _names(lines: Sequence[DigestEntry]) -> dict[str, str]:
    """Files by their own names where these are enough to tell them apart."""
    files = {entry.file for entry in lines}
    alone = len({file_name(file) for file in files}) == len(files)
    return {file: file_name(file) if alone else one_line(file) for file in files}


def _next_step(others: Sequence[DigestEntry]) -> str:
    if not others:
        return "Nothing; the clips are stored."
    return "See the line of each file above. Its record, in the folder below, has all details."


def _listed(title: str, texts: Iterable[str], most_bytes: int) -> list[str]:
    """As many of the texts as fit, one to a line, and how many did not."""
    shown, size, left = [title], 0, 0
    for text in texts:
        entry = shortened(text, 500)
        size += len(entry.encode()) + 1
        if left or size > most_bytes:
            left += 1
        else:
            shown.append(entry)
    if len(shown) == 1 and not left:
        return []
    return ["\n".join([*shown, *([f"... and {left:,} more"] if left else [])])]


def _folder(lines: Sequence[DigestEntry]) -> str:
    """What all of them lie below."""
    folders = {output_folder(entry.file).rpartition("/")[0] for entry in lines}
    return f"{folders.pop()}/" if len(folders) == 1 else "clips/"
