"""The template's parameters, and what CloudFormation would accept for each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from local.deploy.errors import NotDoneError
from local.embedded_aws import ROOT

TEMPLATE = ROOT / "template.yaml"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; `values`, `pattern` and the bounds are empty where the template has none."""

    name: str
    label: str
    description: str
    default: str
    is_number: bool
    values: tuple[str, ...]
    pattern: str
    constraint: str
    least: float | None
    most: float | None

    def problem(self, text: str) -> str:
        """Why CloudFormation would refuse `text`, or nothing."""
        if self.values:
            return "" if text in self.values else f"must be one of {', '.join(self.values)}"
        if self.is_number:
            return self._out_of_bounds(text)
        return "" if re.fullmatch(self.pattern or ".*", text) else self.constraint

    def _out_of_bounds(self, text: str) -> str:
        least = -float("inf") if self.least is None else self.least
        most = float("inf") if self.most is None else self.most
        fits = re.fullmatch(r"\d+(\.\d+)?", text) and least <= float(text) <= most
        return "" if fits else f"must be a number from {self.least:g} to {self.most:g}"


@lru_cache
def read(template: Path = TEMPLATE) -> dict[str, Parameter]:
    """In the order in which the console shows them."""
    document = yaml_parse(template.read_text(encoding="utf-8"))
    form = document["Metadata"]["AWS::CloudFormation::Interface"]
    names = [name for group in form["ParameterGroups"] for name in group["Parameters"]]
    labels = {name: label["default"] for name, label in form["ParameterLabels"].items()}
    return {name: _parameter(name, labels[name], document["Parameters"][name]) for name in names}


def _parameter(name: str, label: str, part: Mapping[str, Any]) -> Parameter:
    return Parameter(
        name,
        label,
        str(part["Description"]).strip(),
        str(part["Default"]),
        part["Type"] == "Number",
        tuple(str(value) for value in part.get("AllowedValues", ())),
        str(part.get("AllowedPattern", "")),
        str(part.get("ConstraintDescription", "")),
        part.get("MinValue"),
        part.get("MaxValue"),
    )


def read_answers(file: Path, known: Mapping[str, Parameter]) -> dict[str, str]:
    """Lines of `Name=value`, empty lines and lines that begin with #. Raises NotDoneError."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotDoneError(f"PARAMS={file} cannot be read: {error}") from None
    lines = [line.strip() for line in text.splitlines()]
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    answers = {name.strip(): value.strip() for name, _, value in pairs}
    check(answers, known, f"{file}: ")
    return answers


def check(answers: Mapping[str, str], known: Mapping[str, Parameter], where: str = "") -> None:
    """Raises NotDoneError with every problem."""
    problems = [
        f"{where}{name} {known[name].problem(value)}, not {value!r}"
        if name in known
        else f"{where}there is no parameter {name}; template.yaml explains all of them"
        for name, value in answers.items()
        if name not in known or known[name].problem(value)
    ]
    if problems:
        raise NotDoneError("\n".join(problems))
