"""The template and the workflow as data, and a way to spoil them.

A rule is a function that returns what it complains about. Every rule is tried twice: on what is
in the repository, where it must be silent, and on a spoilt copy, where it must not be.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from local.plain_template import plain, read

ROOT = Path(__file__).resolve().parents[2]

Document = dict[str, Any]
Rule = Callable[[Document], list[str]]

GONE = object()


@cache
def _texts() -> tuple[str, str]:
    workflow = (ROOT / "statemachine" / "render.asl.json").read_text(encoding="utf-8")
    return json.dumps(read()), workflow


def template() -> Document:
    """`template.yaml` with its short forms written out: `{"Ref": ...}`, `{"Fn::GetAtt": [...]}`."""
    return dict(json.loads(_texts()[0]))


def workflow() -> Document:
    """The state machine as it lies in the repository, before anything is substituted."""
    return dict(json.loads(_texts()[1]))


def spoilt(document: Document, *path: str | int, to: Any = GONE) -> Document:
    """A copy of the document in which the value at `path` is another, or gone."""
    copy: Any = json.loads(json.dumps(document))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    if to is GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return dict(copy)


def deployed() -> Document:
    """What SAM makes of the template, with the parameters' defaults."""
    return dict(json.loads(_made()))


@cache
def _made() -> str:
    return json.dumps(plain(template()))


def resources(document: Document, kind: str) -> dict[str, Document]:
    """The resources of one type, by name."""
    return {
        name: resource
        for name, resource in document["Resources"].items()
        if resource["Type"] == kind
    }


def properties(document: Document, kind: str) -> dict[str, Document]:
    """The properties of the resources of one type, by name."""
    return {name: resource["Properties"] for name, resource in resources(document, kind).items()}


def roles(made: Document) -> dict[str, Document]:
    """The roles by whom they are for, such as `SubmitFunction`."""
    found = properties(made, "AWS::IAM::Role")
    return {name.removesuffix("Role"): role for name, role in found.items()}


def policies(made: Document) -> Iterator[tuple[str, Any]]:
    """The documents of all roles and managed policies, with their owners."""
    for owner, role in roles(made).items():
        for policy in role.get("Policies", []):
            yield owner, policy["PolicyDocument"]
    for policy in properties(made, "AWS::IAM::Policy").values():
        for role in policy["Roles"]:
            yield role["Ref"].removesuffix("Role"), policy["PolicyDocument"]
    for owner, policy in properties(made, "AWS::IAM::ManagedPolicy").items():
        yield owner, policy["PolicyDocument"]


def functions(document: Document) -> dict[str, Document]:
    """The functions' properties over the template's globals, by name."""
    shared = document["Globals"]["Function"]
    found = properties(document, "AWS::Serverless::Function")
    return {name: {**shared, **own} for name, own in found.items()}


def variables(document: Document, function: str) -> dict[str, Any]:
    """The environment of a function, globals included."""
    shared = document["Globals"]["Function"]["Environment"]["Variables"]
    own = document["Resources"][function]["Properties"]["Environment"]["Variables"]
    return {**shared, **own}


def listed(value: Any) -> list[Any]:
    """What may be one or several, as a list."""
    return list(value) if isinstance(value, list) else [value]


def names_in(value: Any) -> Iterator[str]:
    """All resources and parameters that a value refers to."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "Ref":
                yield inner
            elif key == "Fn::GetAtt":
                yield listed(inner)[0].split(".")[0]
            elif key == "Fn::Sub":
                text = listed(inner)[0]
                yield from (part.split("}")[0].split(".")[0] for part in text.split("${")[1:])
            else:
                yield from names_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from names_in(inner)
