"""The sidecar's field `takes`: several clips of one image, each with settings of its own.

Every entry is a whole sidecar: the fields of the file, with those of the entry over them. Clips of
the same settings get different numbers of `take`, so each is a job of its own, and the same one
whenever it is dropped again, alone or in other company.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from dropreel.drops.fields import Fields, Merged, named, shown
from dropreel.drops.kinds import whole_number
from dropreel.drops.selection import Choice, choose
from dropreel.drops.sidecar import MAX_TAKES, TAKES_ALLOWED, Sidecar, checked
from dropreel.errors import Problem, RejectedError, UnreadableError

_EXAMPLE = '{"prompt": "...", "takes": [{"duration": "10s"}, {"provider": "fal"}]}'
_WITHOUT_PICTURE = {"take", "max_cost_usd", "priority", "labels"}  # they change nothing in the clip


def takes_of(said: Merged) -> tuple[Sidecar, ...]:
    """The sidecar of each clip that all files together ask for, in its order.

    Raises RejectedError with all problems of all of them.
    """
    fields = dict(said.values)
    if "takes" not in fields or said.problems:
        fields.pop("takes", None)
        return (checked(replace(said, values=fields)),)
    entries = _entries(fields.pop("takes"))
    if "take" in fields:
        raise RejectedError([Problem("take", "beside takes", "only one of the two")])
    return _numbered(_checked(fields, entries), ["take" in entry for entry in entries])


def problems_in(said: Fields) -> tuple[Problem, ...]:
    """What is wrong with a file that need not be enough for a clip."""
    prompt = {} if "prompt" in said.values else {"prompt": "none yet"}
    try:
        takes_of(Merged.of([Fields(said.origin, prompt), said]))
    except RejectedError as error:
        return error.problems
    return ()


def choose_all(
    sidecars: Sequence[Sidecar], width: int, height: int, providers: Sequence[str]
) -> list[Choice]:
    """The provider and shape of each (`selection.choose`), or all that is wrong with any."""
    choices: list[Choice] = []
    problems: list[Sequence[Problem]] = []
    for sidecar in sidecars:
        try:
            choices.append(choose(sidecar, width, height, providers))
            problems.append(())
        except RejectedError as error:
            problems.append(error.problems)
    if any(problems):
        raise RejectedError(_placed(problems))
    return choices


def of_take(number: int, problem: Problem) -> Problem:
    """The problem as one of the `number`th take (from 1)."""
    return problem.within(f"take {number} of the list:")


def _entries(given: Any) -> Sequence[Mapping[str, Any]]:
    given = whole_number(given)
    if type(given) is int and 1 <= given <= MAX_TAKES:
        return [{}] * given
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_TAKES:
        found = f"{len(given)} takes" if isinstance(given, list) else shown(given)
        raise RejectedError([Problem("takes", found, TAKES_ALLOWED)])
    problems: list[Problem] = []
    entries: list[Mapping[str, Any]] = []
    for number, entry in enumerate(given, 1):
        try:
            entries.append(_entry(entry))
        except UnreadableError as error:
            problems.append(of_take(number, error.problem("takes")))
    if problems:
        raise RejectedError(problems)
    return entries


def _entry(given: Any) -> Mapping[str, Any]:
    entry = named(given.items()) if isinstance(given, dict) else {}
    if "takes" in entry or not isinstance(given, dict):
        raise UnreadableError(shown(given), f"an object, as in {_EXAMPLE}")
    return entry


def _checked(fields: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> list[Sidecar]:
    sidecars: list[Sidecar] = []
    problems: list[list[Problem]] = []
    for entry in entries:
        try:
            sidecars.append(checked(Merged({**fields, **entry})))
            problems.append([])
        except RejectedError as error:
            problems.append(list(error.problems))
    if any(problems):
        raise RejectedError(_placed(problems))
    return sidecars


def _placed(problems: Sequence[Sequence[Problem]]) -> list[Problem]:
    """What is wrong with all takes is named once, anything else with the number of its take."""
    common = [one for one in problems[0] if all(one in others for others in problems[1:])]
    own = [
        of_take(number, one)
        for number, found in enumerate(problems, 1)
        for one in found
        if one not in common
    ]
    return [*common, *own]


def _numbered(sidecars: Sequence[Sidecar], given: Sequence[bool]) -> tuple[Sidecar, ...]:
    """Give those without a `take` of their own the first that is free among the same settings."""
    used: dict[str, set[int]] = defaultdict(set)
    problems: list[Problem] = []
    for number, (sidecar, own) in enumerate(zip(sidecars, given, strict=True), 1):
        if own and sidecar.take in used[_picture(sidecar)]:
            problem = Problem("take", f"{sidecar.take} for the same clip twice", "another number")
            problems.append(of_take(number, problem))
        if own:
            used[_picture(sidecar)].add(sidecar.take)
    if problems:
        raise RejectedError(problems)
    return tuple(
        sidecar if own else _with_free_take(sidecar, used[_picture(sidecar)])
        for sidecar, own in zip(sidecars, given, strict=True)
    )


def _with_free_take(sidecar: Sidecar, used: set[int]) -> Sidecar:
    take = next(number for number in count(1) if number not in used)
    used.add(take)
    return sidecar.model_copy(update={"take": take})


def _picture(sidecar: Sidecar) -> str:
    return sidecar.model_dump_json(exclude=_WITHOUT_PICTURE)
