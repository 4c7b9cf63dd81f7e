"""Mails about drops of which no job was made: what is wrong, or that they were ordered before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import PurePosixPath

from dropreel.drops.pairing import BATCHES, DEFAULTS, is_image
from dropreel.errors import UNKNOWN_FIELD, Problem
from dropreel.jobs.job import Job, State
from dropreel.mail.group_text import compare
from dropreel.mail.message import (
    DigestEntry,
    Links,
    Mail,
    compose,
    file_name,
    folder_attribute,
    one_line,
    shortened,
    sidecar_name,
)
from dropreel.mail.results import for_operators, watch

_MAX_PROBLEMS = 12  # a sidecar may hold thousands of unknown fields
_MAX_ROWS = 100  # problems of a batch

_NO_CLIP = "No clip of {name} yet, and nothing was paid."
_REJECTED = {
    DEFAULTS: "{name} cannot be used. Images that need it wait for the corrected file.",
    **dict.fromkeys(
        BATCHES,
        "Some rows of {name} cannot be used. Nothing was paid for them; the other rows are not "
        "affected.",
    ),
}


def drop_rejected(key: str, problems: Sequence[Problem], record_key: str, links: Links) -> Mail:
    """What was dropped cannot become a clip: all problems at once."""
    name = file_name(key)
    for_many = name in _REJECTED
    then = "Then dropreel continues with it." if for_many else "Then your clip is made."
    todo = f"{_correction(name, problems)} {then}"
    listed = list(problems[: _MAX_ROWS if name in BATCHES else _MAX_PROBLEMS])
    more = len(problems) - len(listed)
    parts = [
        _REJECTED.get(name, _NO_CLIP).format(name=name),
        *(_problem_text(problem) for problem in listed),
        *([f"And {more:,} more problems."] if more else []),
        f"What to do: {todo}",
        for_operators({"File": key, "Record": links.uri(record_key)}),
    ]
    words = " ".join(map(_in_a_digest, listed))
    text = f"{shortened(words, 400)} {_correction(name, problems)}"
    said = (_wanted(name, problems), parts, text)
    return _rejection(key, problems, listed, record_key, links, said)


def _wanted(name: str, problems: Sequence[Problem]) -> str:
    """Which file is to be corrected: the one of this name, or what is said of it."""
    if _all_missing(problems):
        return "one file is missing"
    if _of_defaults(name, problems):
        return f"please correct {DEFAULTS}"
    of_sidecar = is_image(name) and all(problem.field != "image" for problem in problems)
    return "please correct its sidecar" if of_sidecar else "please correct this file"


def all_ordered(
    held: Sequence[Job], key: str, problems: Sequence[Problem], record_key: str, links: Links
) -> Mail:
    """All takes of a sidecar were ordered before, and none is to run again."""
    made = all(job.state is State.DELIVERED for job in held)
    clips = f"these {len(held)} clips"
    subject = f"you already have {clips}" if made else f"{clips} were ordered before"
    step = "For more, ask for more takes in the sidecar, or change the prompt."
    if any(job.state in (State.STALLED, State.UNKNOWN) for job in held):
        step = "Please wait. Some of them may still come: you will get a mail as soon as we know."
    first = "Nothing was paid for this drop."
    facts = for_operators({"File": key, "Record": links.uri(record_key)})
    some = any(job.state is State.DELIVERED for job in held)
    parts = [
        f"{file_name(key)}: {subject}.",
        *([compare(held[0].source.key, links)] if some else []),
        first,
        f"What to do: {step}",
        facts,
    ]
    said = (subject, parts, f"{first} {step}")
    return _rejection(key, problems, problems, record_key, links, said)


def already_ordered(
    held: Job, key: str, problems: Sequence[Problem], record_key: str, links: Links
) -> Mail:
    """The same files as those of a job that is not to run again."""
    name, take = file_name(key), held.settings.take + 1
    another = f'For another one, put "take": {take}, or another prompt, into {sidecar_name(held)} '
    another += "beside the image, and drop that file."
    if held.state is State.DELIVERED:
        subject, first = "you already have this clip", watch(held, links)
    elif held.state in (State.STALLED, State.UNKNOWN):
        subject, another = "please wait, do not upload it again", ""
        first = "This clip may have been ordered already. You will get a mail as soon as we know."
    else:
        subject = "this clip was ordered before"
        ended = "It was cancelled" if held.state is State.CANCELLED else "It failed"
        first = f"{ended}, and may have been paid."
    parts = [
        f"{name}: {subject}.",
        first,
        "Nothing was paid for this drop.",
        *([f"What to do: {another}"] if another else ["What to do: Nothing. Please wait."]),
        for_operators({"File": key, "Record": links.uri(record_key)}),
    ]
    text = f"{first.partition(chr(10))[0]} {another}".strip()
    return _rejection(key, problems, problems, record_key, links, (subject, parts, text))


def _rejection(
    key: str,
    problems: Sequence[Problem],
    listed: Sequence[Problem],
    record_key: str,
    links: Links,
    said: tuple[str, Sequence[str], str],
) -> Mail:
    """`said`: the outcome in the subject, the paragraphs, and what a digest says."""
    subject, parts, text = said
    document = {
        "outcome": "rejected",
        "file": key,
        "problems": [asdict(problem) for problem in listed],
        "problems_in_all": len(problems),
        "record": links.uri(record_key),
    }
    attributes = {"outcome": "rejected", "folder": folder_attribute(key)}
    entry = DigestEntry(PurePosixPath(record_key).stem, key, "rejected", text)
    return compose(f"{file_name(key)}: {subject}", parts, document, attributes, entry)


def _all_missing(problems: Sequence[Problem]) -> bool:
    return all(problem.found.startswith("none beside") for problem in problems)


def _of_defaults(name: str, problems: Sequence[Problem]) -> bool:
    """Whether an image has what is wrong from the defaults of its folder."""
    return is_image(name) and any(problem.field.startswith(DEFAULTS) for problem in problems)


def _correction(name: str, problems: Sequence[Problem]) -> str:
    if _all_missing(problems):
        return "Drop the missing file into the same folder."
    if _of_defaults(name, problems):  # defaults order nothing by themselves
        return f"Correct {DEFAULTS} and drop it again, then drop {name} again."
    if all(problem.hint.startswith("Rename ") for problem in problems):
        return "Rename the file and drop it again."
    return "Correct the file and drop it again."


def _problem_text(problem: Problem) -> str:
    said = f"{_brief(problem)}."
    if not problem.text and not (problem.hint and problem.found == UNKNOWN_FIELD):
        said += f" Allowed: {one_line(problem.allowed)}."
    hint = f" {problem.hint}" if problem.hint else ""
    corrected = "\n".join(map(one_line, problem.corrected.split("\n")))
    right = f" This would be correct:\n\n{corrected}" if corrected else ""
    return f"{said}{hint}{right}"


def _in_a_digest(problem: Problem) -> str:
    right = " ".join(problem.corrected.split())
    more = f"This would be correct: {right}" if right else problem.hint
    return f"{_brief(problem)}. {one_line(more)}".strip()


def _brief(problem: Problem) -> str:
    if problem.text:
        return one_line(problem.text).rstrip(".")
    found = {"nothing": "missing", UNKNOWN_FIELD: "not a field that dropreel knows"}
    name = "The image" if problem.field == "image" else problem.field
    return one_line(f"{name} is {found.get(problem.found, problem.found)}")
