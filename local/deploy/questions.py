"""What `make deploy` asks, with the template's own words."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping

from local.deploy.errors import NobodyAnswersError, NotDoneError
from local.deploy.parameters import Parameter

ASKED = ("ResultsEmail", "OperatorEmail", "Providers", "DailyCapUsd")
NOTHING = "-"
IN_A_FILE = "`make deploy PARAMS=<file>` asks nothing; the file has lines such as DailyCapUsd=25."

Read = Callable[[str], str]


def ask(
    parameters: Mapping[str, Parameter], present: Mapping[str, str], read: Read = input
) -> dict[str, str]:
    """The answers, each checked at once; `present` has what counts if one just presses Enter."""
    answers = {}
    for number, name in enumerate(ASKED, 1):
        parameter, kept = parameters[name], present.get(name, parameters[name].default)
        print(f"\n{number} of {len(ASKED)}: {parameter.label}")
        print(textwrap.fill(parameter.description, 100))
        try:
            answers[name] = _answer(parameter, kept, read)
        except NobodyAnswersError as error:
            raise NotDoneError(f"{error} {IN_A_FILE}") from None
    return answers


def _answer(parameter: Parameter, kept: str, read: Read) -> str:
    clears = kept and not parameter.problem("")
    hint = f"[{kept}; {NOTHING} for none] " if clears else f"[{kept or 'none'}] "
    while True:
        typed = answered(hint, read)
        value = kept if not typed else "" if typed == NOTHING else typed
        problem = parameter.problem(value)
        if not problem:
            return value
        print(f"{parameter.label} {problem}.")


def answered(prompt: str, read: Read = input) -> str:
    """What was typed. Raises NobodyAnswersError."""
    try:
        return read(prompt).strip()
    except EOFError:
        raise NobodyAnswersError("Nobody answers, so nothing was done.") from None


def kept_as_they_are(
    parameters: Mapping[str, Parameter], answers: Mapping[str, str], present: Mapping[str, str]
) -> str:
    """All parameters that nobody answered, with their values, as lines."""
    left = [parameter for name, parameter in parameters.items() if name not in answers]
    if not left:
        return "All parameters have an answer."
    width = max(len(parameter.name) for parameter in left)
    rows = [
        f"  {p.name:{width}}  {present.get(p.name, p.default) or '-':8}  {p.label}" for p in left
    ]
    return "\n".join(["These keep their values:", *rows])
