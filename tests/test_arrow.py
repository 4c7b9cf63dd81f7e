"""Which module may import which: the rules that keep the code's layers apart, read from it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT / "shared"
PACKAGE = SHARED / "dropreel"

# No provider, no AWS, no HTTP in these: they hold what dropreel is about.
PURE = (
    *(
        "choices",
        "sidecar",
        "pairing",
        "jobs",
        "capabilities",
        "pricing",
        "waiting",
        "runtimes",
        "windows",
    ),
    *("mail", "result_mail", "operator_mail", "digest_mail"),
    *("clip", "image", "errors", "budget", "rules", "limits", "widget"),
)
ADAPTERS = (
    *("table", "ledger", "accounts", "breaker", "telling", "slots", "timings"),
    *("inbox", "clips", "notices", "keys", "wiring", "download", "upload", "bookmarks", "lazy"),
    "thumbnails",
)
STEPS = (
    *("intake", "generation", "polling", "watching", "delivery", "fetching", "sweeping"),
    *("orders", "warnings", "subscribers", "digests", "gallery"),
)
CLIENTS = ("boto3", "botocore", "httpx", "aws_lambda_powertools")
OUTER = ("local", "tests", "functions")
TOPS = {"dropreel", "providers"}  # the packages themselves


def module_name(path: Path, root: Path) -> str:
    name = ".".join(path.relative_to(root).with_suffix("").parts)
    return name.removesuffix(".__init__")


def sources(folder: Path, root: Path) -> dict[str, str]:
    """The text of every module below `folder`, by its name as others import it."""
    return {
        module_name(path, root): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*.py"))
        if "__pycache__" not in path.parts
    }


DROPREEL = sources(PACKAGE, SHARED)
FUNCTIONS = sources(ROOT / "functions", ROOT)


def imported(text: str, known: frozenset[str] = frozenset()) -> set[str]:
    """The modules that a source imports, at run time or for its annotations, wherever it does.

    `from a import b` counts as `a.b` where that is a `known` module, else as `a`.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their module in full"
            assert node.module is not None
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in known else node.module)
    return found


def imports_of(name: str) -> set[str]:
    return imported(DROPREEL[name], frozenset(DROPREEL))


def inside(modules: set[str], *packages: str) -> set[str]:
    """Those of the modules that are, or lie in, one of the packages."""
    return {name for name in modules for top in packages if f"{name}.".startswith(f"{top}.")}


# --- the package -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", PURE)
def test_the_domain_knows_no_adapter_and_no_client(name: str) -> None:
    found = imports_of(f"dropreel.{name}")
    assert inside(found, *CLIENTS, *(f"dropreel.{adapter}" for adapter in ADAPTERS)) == set()
    assert inside(found, "dropreel.providers") <= {"dropreel.providers.base"}


PROVIDERS = sorted(name for name in DROPREEL if name.startswith("dropreel.providers."))


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_knows_the_port_its_options_and_the_errors_only(name: str) -> None:
    ours = inside(imports_of(name), "dropreel")
    assert ours <= {*PROVIDERS, "dropreel.errors"}
    assert inside(imports_of(name), "boto3", "botocore", "aws_lambda_powertools") == set()


@pytest.mark.parametrize("name", ["eachlabs", "fal", "luma", "oxen"])
def test_no_provider_knows_another(name: str) -> None:
    others = {f"dropreel.providers.{other}" for other in ("eachlabs", "fal", "luma", "oxen")}
    found = imports_of(f"dropreel.providers.{name}")
    assert found & (others - {f"dropreel.providers.{name}"}) == set()
    assert "dropreel.providers.registry" not in found


def test_the_port_knows_nothing_of_ours_and_no_client() -> None:
    assert inside(imports_of("dropreel.providers.base"), "dropreel", *CLIENTS) == set()
    assert inside(imports_of("dropreel.errors"), "dropreel", *CLIENTS) == set()


def test_only_the_registry_knows_the_four_adapters() -> None:
    four = {f"dropreel.providers.{name}" for name in ("eachlabs", "fal", "luma", "oxen")}
    assert {name for name in DROPREEL if imports_of(name) & four} == {"dropreel.providers.registry"}


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_knows_no_step_of_the_work(name: str) -> None:
    steps = [f"dropreel.{step}" for step in STEPS]
    assert inside(imports_of(f"dropreel.{name}"), *steps) == set()


@pytest.mark.parametrize("name", STEPS)
def test_a_step_of_the_work_builds_no_provider(name: str) -> None:
    found = inside(imports_of(f"dropreel.{name}"), "dropreel.providers")
    assert found <= {"dropreel.providers.base"}


def test_only_the_wiring_puts_adapters_together() -> None:
    knowing = {name for name in DROPREEL if "dropreel.wiring" in imports_of(name)}
    assert knowing == set()
    builders = {name for name in DROPREEL if "dropreel.providers.registry" in imports_of(name)}
    assert builders == {"dropreel.wiring"}


def cycle(graph: dict[str, set[str]]) -> list[str]:
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
    assert cycle({name: imports_of(name) & set(DROPREEL) for name in DROPREEL}) == []


# --- around it -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*DROPREEL, *FUNCTIONS])
def test_what_is_deployed_imports_nothing_of_the_workshop(name: str) -> None:
    found = imported({**DROPREEL, **FUNCTIONS}[name])
    assert inside(found, *OUTER) == set()
    pillow = set() if name == "dropreel.thumbnails" else {"PIL"}  # it has a layer of its own
    assert inside(found, "pytest", "moto", "av", "hypothesis", *pillow) == set()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_handler_goes_into_the_domain_and_not_into_a_provider(name: str) -> None:
    found = inside(imported(FUNCTIONS[name], frozenset(DROPREEL)), "dropreel")
    assert inside(found, "dropreel.providers") <= {"dropreel.providers.http"}
    assert "dropreel.observability" in found


def readers_of_the_environment(modules: dict[str, str]) -> set[str]:
    """Modules that name `os.environ` or `os.getenv`, however they import it."""
    return {
        name
        for name, text in modules.items()
        for node in ast.walk(ast.parse(text))
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"))
        or (isinstance(node, ast.ImportFrom) and node.module == "os")
    }


def test_the_environment_is_read_in_one_place() -> None:
    readers = readers_of_the_environment({**DROPREEL, **FUNCTIONS})
    assert readers == {"dropreel.settings", "dropreel.wiring"}
    asked = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(DROPREEL["dropreel.wiring"]))
        if isinstance(node, ast.Compare) and "environ" in ast.unparse(node)
    ]
    assert asked == ["'AWS_ENDPOINT_URL' in os.environ"]
    assert DROPREEL["dropreel.wiring"].count("environ") == 1


# --- the rules themselves --------------------------------------------------------------------


def test_all_modules_were_looked_at() -> None:
    found = {name.removeprefix("dropreel.") for name in DROPREEL if name not in PROVIDERS}
    assert {*PURE, *ADAPTERS, *STEPS} | {"settings", "observability"} == found - TOPS
    assert len(PROVIDERS) >= 8
    names = ("submit", "slot", "generate", "poll", "finalize", "sweep", "thumbnail", "widget")
    assert set(FUNCTIONS) == {f"functions.{name}.handler" for name in names}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import boto3", {"boto3"}),
        ("import boto3.session as b", {"boto3.session"}),
        ("from dropreel import errors", {"dropreel.errors"}),
        ("from dropreel.errors import Problem", {"dropreel.errors"}),
        ("def f():\n    from httpx import Client", {"httpx"}),
        ("if TYPE_CHECKING:\n    from boto3 import x", {"boto3"}),
    ],
)
def test_an_import_is_seen_wherever_it_stands(text: str, found: set[str]) -> None:
    assert imported(text, frozenset({"dropreel.errors"})) == found


@pytest.mark.parametrize(
    ("check", "graph"),
    [
        (cycle, {"a": {"b"}, "b": {"c"}, "c": {"b"}}),
        (cycle, {"a": {"a"}}),
    ],
)
def test_a_cycle_is_found(
    check: Callable[[dict[str, set[str]]], list[str]], graph: dict[str, set[str]]
) -> None:
    assert check(graph)
    assert check({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize("text", ["import os\nos.environ['A']", "from os import environ"])
def test_a_reader_of_the_environment_is_found(text: str) -> None:
    assert readers_of_the_environment({"a": text, "b": "import os"}) == {"a"}


def test_only_whole_names_count() -> None:
    def names() -> Iterator[str]:
        yield from ("localhost", "local.demo", "local", "functionsx")

    assert inside(set(names()), *OUTER) == {"local.demo", "local"}
