"""Runs the commands of the manual against an AWS, as the AWS CLI would.

Reads what these commands use of the CLI: one service, one operation, options in kebab case,
variables of the shell, `--query`. What the CLI would refuse is an error here.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

import jmespath
from botocore import xform_name
from botocore.model import Shape

_BLOCK = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ASIDE = ("--query", "--output", "--cli-read-timeout")
_ASSIGNING = re.compile(r"export \$\((.*)\)")


def commands(page: Path) -> Iterator[str]:
    """The lines of a page's code blocks that call AWS."""
    for block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        for line in block.splitlines():
            inner = _ASSIGNING.sub(r"\1", line)
            if inner.startswith("aws "):
                yield inner


def run(command: str, client: Callable[[str], Any], variables: Mapping[str, str]) -> Any:
    """What the command prints, as data."""
    _, service, operation, *rest = shlex.split(Template(command).substitute(variables))
    aws = client(service)
    method = operation.replace("-", "_")
    model = aws.meta.service_model.operation_model(aws.meta.method_to_api_mapping[method])
    options, aside = _options(rest)
    members = {xform_name(name, "-"): name for name in model.input_shape.members}
    given = {
        members[name]: _value(model.input_shape.members[members[name]], values)
        for name, values in options.items()
    }
    answer = getattr(aws, method)(**given)
    return jmespath.search(aside["query"], answer) if "query" in aside else answer


def _options(words: list[str]) -> tuple[dict[str, list[str]], dict[str, str]]:
    options: dict[str, list[str]] = {}
    aside: dict[str, str] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name = word
            options.setdefault(name.removeprefix("--"), [])
        elif name:
            options[name.removeprefix("--")].append(word)
    for known in (word.removeprefix("--") for word in _ASIDE):
        if known in options:
            aside[known] = options.pop(known)[0]
    return options, aside


def _value(shape: Shape, words: list[str]) -> Any:
    if shape.type_name == "list" and not words[0].startswith("["):
        return words
    word = words[0]  # a file for the answer may follow
    if shape.type_name in ("structure", "map", "list"):
        return json.loads(word)
    return int(word) if shape.type_name in ("integer", "long") else word
