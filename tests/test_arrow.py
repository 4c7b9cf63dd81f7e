"""A room imports only from rooms above it: the table in docs/architecture.md, held to."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from dropreel.providers.catalog import CATALOG

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
CLIENTS = frozenset({"boto3", "botocore", "httpx", "aws_lambda_powertools", "pydantic", "PIL"})
OUTER = frozenset({"local", "cli", "tests", "functions", "pytest", "moto", "av", "hypothesis"})
# What several folders of tests may import from.
SHARED = frozenset({"support", "golden", "conftest"})
# The table's rows: | level | `room` | what is in it | the clients that it may use |
_ROW = re.compile(r"^\| (\d+) \| `(\w+)/?` \|[^|]*\| ([^|]*) \|$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Room:
    level: int
    clients: frozenset[str]


def rooms(page: str) -> dict[str, Room]:
    return {
        name: Room(int(level), frozenset(re.findall(r"`(\w+)`", clients)))
        for level, name, clients in _ROW.findall(page)
    }


def sources(folder: Path) -> dict[str, str]:
    """The text of every module below `folder`, by its dotted name from there."""
    return {
        ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__"): (
            path.read_text(encoding="utf-8")
        )
        for path in sorted(folder.rglob("*.py"))
        if "__pycache__" not in path.parts
    }


ROOMS = rooms(PAGE.read_text(encoding="utf-8"))
PRODUCT = {n: t for n, t in sources(ROOT / "shared").items() if n.startswith("dropreel.")}
FUNCTIONS = sources(ROOT / "functions")


@cache
def imported(text: str) -> frozenset[str]:
    """All that a source imports, at run time or for its annotations: `a.b` of `from a import b`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their module in full"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def room_of(name: str) -> str:
    return name.split(".")[1]


def against_the_levels(modules: Mapping[str, str], levels: Mapping[str, Room]) -> list[str]:
    """Imports that lead to the same level in another room, or downwards."""
    return [
        f"{name} imports {other}"
        for name, text in modules.items()
        for other in sorted(imported(text))
        if other.startswith("dropreel.") and other != "dropreel.__version__"
        if room_of(name) != room_of(other)
        if levels[room_of(name)].level <= levels[room_of(other)].level
    ]


def test_a_room_imports_only_from_rooms_above_it() -> None:
    assert against_the_levels(PRODUCT, ROOMS) == []


def test_the_table_shows_every_room_and_no_other() -> None:
    assert set(ROOMS) == {room_of(name) for name in PRODUCT}


@pytest.mark.parametrize("name", PRODUCT)
def test_a_module_uses_only_the_clients_of_its_room(name: str) -> None:
    used = {top for found in imported(PRODUCT[name]) if (top := found.split(".")[0]) in CLIENTS}
    assert used <= ROOMS[room_of(name)].clients


def of_the_workshop(text: str) -> set[str]:
    return {found.split(".")[0] for found in imported(text)} & OUTER


@pytest.mark.parametrize("name", [*PRODUCT, *FUNCTIONS])
def test_what_is_deployed_imports_nothing_of_the_workshop(name: str) -> None:
    assert of_the_workshop({**PRODUCT, **FUNCTIONS}[name]) == set()


def _adapters() -> Iterator[tuple[str, set[str]]]:
    for name in CATALOG:
        others = {f"dropreel.providers.{other}" for other in CATALOG if other != name}
        yield name, {*others, "dropreel.providers.catalog", "dropreel.providers.config.build"}


@pytest.mark.parametrize(("name", "forbidden"), list(_adapters()))
def test_no_provider_knows_another(name: str, forbidden: set[str]) -> None:
    found = imported(PRODUCT[f"dropreel.providers.{name}"])
    assert [one for one in found for other in forbidden if f"{one}.".startswith(f"{other}.")] == []


def cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """A way from a module back to itself, or an empty list."""
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for following in sorted(graph.get(name, ())):
            if found := walk(following, [*way, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := walk(name, []))), [])


def test_no_module_needs_itself() -> None:
    graph = {
        name: {
            module for module in PRODUCT for one in imported(text) if one.startswith(f"{module}.")
        }
        for name, text in PRODUCT.items()
    }
    assert cycle(graph) == []


def readers_of_the_environment(modules: Mapping[str, str]) -> set[str]:
    """Modules that name `os.environ` or `os.getenv`, however they import it."""
    return {
        name
        for name, text in modules.items()
        for node in ast.walk(ast.parse(text))
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"))
        or (isinstance(node, ast.ImportFrom) and node.module == "os")
    }


def test_the_environment_is_read_in_one_place() -> None:
    readers = readers_of_the_environment({**PRODUCT, **FUNCTIONS})
    assert readers == {"dropreel.container"}


@pytest.mark.parametrize("folder", ["shared", "functions", "local", "cli", "tests"])
def test_no_module_is_named_like_one_of_the_standard_library(folder: str) -> None:
    taken = {path.stem for path in (ROOT / folder).rglob("*.py")} & sys.stdlib_module_names
    assert taken == {"__main__"} & taken


def borrowed(name: str, text: str) -> list[str]:
    """What a module below tests/ imports from another folder's tests, or from any test module."""
    free = {*SHARED, name.split(".")[0]}
    found = [one.split(".") for one in sorted(imported(text)) if one.startswith("tests.")]
    return [
        ".".join(parts)
        for parts in found
        if parts[1] not in free or any(part.startswith("test_") for part in parts)
    ]


def test_what_several_folders_of_tests_need_lies_in_support() -> None:
    found = {name: borrowed(name, text) for name, text in sources(ROOT / "tests").items()}
    assert {name: imports for name, imports in found.items() if imports} == {}


# --- the rules themselves --------------------------------------------------------------------


def test_a_wrong_import_is_found() -> None:
    levels = {"low": Room(1, frozenset()), "high": Room(2, frozenset())}
    modules = {
        "dropreel.low.a": "from dropreel.high.b import c",
        "dropreel.high.b": "def f():\n    from dropreel.low import a",
    }
    assert against_the_levels(modules, levels) == ["dropreel.low.a imports dropreel.high.b.c"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import boto3", {"boto3"}),
        ("from dropreel import errors", {"dropreel.errors"}),
        ("def f():\n    from httpx import Client", {"httpx.Client"}),
        ("if TYPE_CHECKING:\n    from boto3 import x", {"boto3.x"}),
    ],
)
def test_an_import_is_seen_wherever_it_stands(text: str, found: set[str]) -> None:
    assert imported(text) == found


@pytest.mark.parametrize("text", [f"def f():\n    from {top}.a import b" for top in sorted(OUTER)])
def test_an_import_of_the_workshop_is_found(text: str) -> None:
    assert of_the_workshop(text) != set()


@pytest.mark.parametrize(
    "text",
    [
        "from tests.unit.test_mail import SAMPLE",
        "from tests.unit import test_mail",
        "from tests import test_arrow",
        "import tests.unit.test_mail",
        "def f():\n    from tests.unit.test_mail import SAMPLE",
        "from tests.template.permissions import grants",
        "from tests import template",
    ],
)
def test_an_import_from_other_tests_is_found(text: str) -> None:
    assert borrowed("unit.test_links", text) != []


def test_a_test_may_import_from_its_folder_and_what_is_shared() -> None:
    text = "from tests.unit.pages import A\nfrom tests.support import aws\nimport tests.conftest"
    assert borrowed("unit.test_links", text) == []


def test_a_cycle_is_found() -> None:
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}})
    assert cycle({"a": {"a"}})
    assert cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize("text", ["import os\nos.environ['A']", "from os import environ"])
def test_a_reader_of_the_environment_is_found(text: str) -> None:
    assert readers_of_the_environment({"a": text, "b": "import os"}) == {"a"}
