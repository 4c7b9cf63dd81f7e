"""Many results in one mail: what was made, what was not and why, and what it cost together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from dropreel.jobs.job import State, utc_iso
from dropreel.jobs.naming import output_folder
from dropreel.mail.message import DigestEntry, Links, Mail, compose, file_name, one_line, shortened
from dropreel.mail.windows import Window

# In bytes: with all of them in text and document, twice in UTF-8, a mail stays far below 256 KiB.
_MOST_FAILED = 30_000
_MOST_MADE = 15_000

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
    "dry_run": "dry run, nothing ordered",
}


def digest(
    window: Window,
    lines: Sequence[DigestEntry],
    links: Links,
    page: Callable[[str], str | None] = lambda _: None,
) -> Mail:
    """One mail instead of one for each of `lines`, the results of `window` after its first ones.

    `page` is the address of the page with all clips of an image.
    """
    when = f"{window.start:%Y-%m-%d}, {window.start:%H:%M} to {window.end:%H:%M} UTC"
    intro = f"{_many(lines, 'result')} in one mail, because many came at once ({when})."
    facts = {"from": utc_iso(window.start), "to": utc_iso(window.end)}
    subject = _subject(lines, "")
    return _composed(subject, [intro], lines, [], _folder(lines), facts, links, page)


def batch_digest(
    key: str,
    lines: Sequence[DigestEntry],
    *,
    waiting: Sequence[str],
    made_before: int,
    dry_runs: int,
    rejected: int,
    links: Links,
) -> Mail:
    """One mail about the batch `key`, all of whose rows have come to an end.

    `waiting` are the keys of images that have not come, `made_before`, `dry_runs` and `rejected`
    numbers of rows of which nothing new comes.
    """
    name = file_name(key)
    more = [
        *([f"{made_before:,} unchanged: nothing new was ordered for them."] if made_before else []),
        *([_dry_runs(dry_runs)] if dry_runs else []),
        *([_unusable(rejected)] if rejected else []),
        *_listed(
            "Rows that are waiting for their images (drop the images to start them):",
            [f"- {file_name(image)} (not here yet)" for image in waiting],
            _MOST_MADE,
        ),
    ]
    facts = {"batch": key, "waiting": len(waiting), "made_before": made_before}
    folder = f"{output_folder(key).rpartition('/')[0]}/"
    subject = _subject(lines, f"{name}: ")
    step = f"Correct the rows that could not be used, and drop {name} again." if rejected else ""
    here = links if lines or made_before else replace(links, page="")  # nothing is on it yet
    return _composed(subject, [f"{name} is done."], lines, more, folder, facts, here, step=step)


def _composed(
    subject: str,
    intro: Sequence[str],
    lines: Sequence[DigestEntry],
    more: Sequence[str],
    folder: str,
    facts: Mapping[str, Any],
    links: Links,
    page: Callable[[str], str | None] = lambda _: None,
    *,
    step: str = "",
) -> Mail:
    counts = Counter(entry.outcome for entry in lines)
    names = _names(lines)
    made, groups, others = _sorted(lines)
    parts = [
        *intro,
        "\n".join(f"{counts[word]:,} {_WORDS[word]}" for word in _WORDS if counts[word]),
        f"Cost: {_cost(made)}{_of_groups(groups)}{_perhaps(others)}",
        *_listed(
            "Without a clip:",
            [f"- {names[entry.file]}: {_word(entry)}. {entry.text}" for entry in others],
            _MOST_FAILED,
        ),
        *_listed(
            "Several takes:",
            [f"- {names[entry.file]}: {entry.text}{_at(page(entry.file))}" for entry in groups],
            _MOST_MADE,
        ),
        *_listed(
            "Clips ready:",
            [f"- {names[entry.file]}{_at(page(entry.file))}" for entry in made],
            _MOST_MADE,
        ),
        *more,
        f"What to do: {_next_step([*others, *groups], made, step)}",
        *([f"All of them on one page:\n{links.page}"] if links.page else []),
        f"All clips and records:\n{links.uri(folder)}\n{links.folder_link(folder)}",
    ]
    document = {
        "outcome": "digest",
        **facts,
        "counts": dict(counts),
        "cost_usd": str(_sum([*made, *groups])),
        "cost_is_real": all(entry.real for entry in (*made, *groups)),
    }
    return compose(subject, [part for part in parts if part], document, {"outcome": "digest"})


def _at(address: str | None) -> str:
    return f"\n  {address}" if address else ""


def _dry_runs(number: int) -> str:
    if number == 1:
        return "1 dry run: another mail says what it would cost."
    return f"{number:,} dry runs: other mails say what they would cost."


def _unusable(rows: int) -> str:
    what = "1 row" if rows == 1 else f"{rows:,} rows"
    return f"{what} could not be used; another mail says why."


def _word(entry: DigestEntry) -> str:
    return entry.outcome.replace("_", " ")


def _sorted(
    lines: Sequence[DigestEntry],
) -> tuple[list[DigestEntry], list[DigestEntry], list[DigestEntry]]:
    """Clips, groups of takes, and what has no clip."""
    made = [entry for entry in lines if entry.outcome == State.DELIVERED]
    groups = [entry for entry in lines if entry.outcome == _GROUP]
    others = [entry for entry in lines if entry.outcome not in (State.DELIVERED, _GROUP)]
    return made, groups, others


def _subject(lines: Sequence[DigestEntry], name: str) -> str:
    made, groups, others = _sorted(lines)
    takes = f", {len(groups):,} with several takes" if groups else ""
    bad = f", {len(others):,} without a clip" if others else ""
    files = name or f"{_many(lines, 'more file')}: "
    return f"{files}{_many(made, 'clip')} ready{takes}{bad}"


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


def _of_groups(groups: Sequence[DigestEntry]) -> str:
    about = "" if all(entry.real for entry in groups) else "about "
    return f"; {about}${_sum(groups):.2f} for the files with several takes" if groups else ""


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


def _next_step(others: Sequence[DigestEntry], made: Sequence[DigestEntry], step: str) -> str:
    if not others:
        return step or ("Nothing; the clips are stored." if made else "Nothing.")
    return (
        f"{step} " * bool(step)
        + "See the line of each file above. Its record, in the folder below, has all details."
    )


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
