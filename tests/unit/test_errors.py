"""The errors are one tree, and the picture at the top of errors.py shows all of it."""

from __future__ import annotations

import importlib
import pkgutil
import re

import dropreel
from dropreel import errors
from dropreel.errors import DropreelError


def everything() -> None:
    for module in pkgutil.walk_packages(dropreel.__path__, "dropreel."):
        importlib.import_module(module.name)


def family(kind: type[BaseException]) -> list[type[BaseException]]:
    return [kind, *(one for child in kind.__subclasses__() for one in family(child))]


def ours(kind: type[BaseException]) -> bool:
    return kind.__module__.split(".")[0] == "dropreel"


def drawn() -> dict[str, str]:
    """Each error of the picture with the one that it hangs below."""
    parents: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"([│├└─ ]*)(\w+Error)\b", line):
            depth = len(found[1]) // 4
            above[depth:] = [found[2]]
            parents[found[2]] = above[depth - 1] if depth else ""
    return parents


def test_every_error_of_the_package_hangs_in_the_tree() -> None:
    everything()
    assert {kind for kind in family(Exception) if ours(kind)} == {
        kind for kind in family(DropreelError) if ours(kind)
    }


def test_the_picture_shows_the_tree_as_it_is() -> None:
    everything()
    found = {
        kind.__name__: kind.__bases__[0].__name__ for kind in family(DropreelError) if ours(kind)
    }
    assert drawn() == {**found, "DropreelError": ""}
