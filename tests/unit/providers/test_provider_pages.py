"""The pages name every provider, and "Adding a provider" every file that does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import get_args

import pytest

from dropreel.jobs.options import AspectRatio, Duration
from dropreel.providers.catalog import CATALOG, Capability
from tests.conftest import ROOT
from tests.support.providers import contract

SOURCES = ("cli", "functions", "local", "shared", "statemachine", "tests", "template.yaml")
KINDS = {".py", ".json", ".yaml", ".toml"}
RATIOS = set(get_args(AspectRatio))


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def named_in_row(text: str, row: str) -> set[str]:
    """The words in code style in the second column of the table's row `row`."""
    found = re.search(rf"^\| `{row}` \| (.*?) \|", text, re.MULTILINE)
    return set(re.findall(r"`(\w+)`", found[1])) if found else set()


def test_the_mails_page_names_the_providers_to_filter_by() -> None:
    assert named_in_row(page("mails.md"), "provider") == set(CATALOG)


def test_the_sidecar_page_names_the_providers_to_choose_from() -> None:
    assert named_in_row(page("sidecar.md"), "provider") == {*CATALOG, "auto"}


# --- what each can make -------------------------------------------------------------------------


def can(able: Capability, setting: str) -> str:
    missing = {
        *(RATIOS - set(able.ratios)),
        *(set(get_args(Duration)) - set(able.durations)),
        *(() if able.references else ("reference images",)),
    }
    unsure = {
        "reference images" if one == "reference_image_urls" else one for one in able.unconfirmed
    }
    return "no" if setting in missing else "tried" if setting in unsure else "yes"


def capability_table() -> dict[str, dict[str, str]]:
    """By provider and setting, what the sidecar page says."""
    table = page("sidecar.md").split("can make from one image\n\n", 1)[1].split("\n\n", 1)[0]
    head, _, *rows = (line.strip("| ").split(" | ") for line in table.splitlines())
    named = {ratio for row in rows for ratio in re.findall(r"\d+:\d+", row[0])}
    others = sorted(RATIOS - named - {"auto"})
    said: dict[str, dict[str, str]] = {name: {} for name in head}
    for settings, *cells in rows:
        plain = re.findall(r"`([\w:]+)`", settings) or [settings]
        for setting in others if "other" in settings else plain:
            for name, cell in zip(head, cells, strict=True):
                said[name][setting] = cell
    return said


def test_the_sidecar_page_says_what_each_provider_can_make() -> None:
    table = capability_table()
    settings = [*RATIOS, "10s", "loop", "reference images"]
    assert table == {
        name: {setting: can(row.capability, setting) for setting in settings}
        for name, row in CATALOG.items()
    }


# --- where a provider is named ------------------------------------------------------------------

GUIDE = page("adding-a-provider.md")
STEPS = re.findall(r"^\| \d+ \| (.+?) \|", GUIDE, re.MULTILINE)
TO_CHANGE = [path for step in STEPS for path in re.findall(r"`([\w./-]+)`", step)]
NEW = [path for path in TO_CHANGE if "kiln" in path]
LIST = 4  # lines: names farther apart are no list


def naming(name: str) -> re.Pattern[str]:
    either = (name, contract(name)["title"] or name)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, either))})\b")


NAMING = {name: naming(name) for name in CATALOG}


def missing_in(text: str) -> list[str]:
    """The providers that a text names neither by name nor by title."""
    return [name for name, pattern in NAMING.items() if not pattern.search(text)]


def lists_providers(text: str) -> bool:
    lines = text.splitlines()
    return any(not missing_in("\n".join(lines[at : at + LIST])) for at in range(len(lines)))


def sources() -> Iterator[tuple[str, str]]:
    """The path and text of every file that could list providers."""
    for top in SOURCES:
        for file in [ROOT / top, *(ROOT / top).rglob("*")]:
            if file.is_file() and file.suffix in KINDS:
                text = file.read_text(encoding="utf-8", errors="replace")
                yield str(file.relative_to(ROOT)), text


def test_the_guide_counts_its_files() -> None:
    assert f"{len(NEW)} new files and a few lines in {len(TO_CHANGE) - len(NEW)} others" in GUIDE


@pytest.mark.parametrize("path", NEW)
def test_every_provider_has_the_files_of_the_guide(path: str) -> None:
    assert [n for n in CATALOG if not (ROOT / path.replace("kiln", n)).is_file()] == []


@pytest.mark.parametrize("path", [path for path in TO_CHANGE if path not in NEW])
def test_the_files_of_the_guide_name_every_provider(path: str) -> None:
    assert missing_in((ROOT / path).read_text(encoding="utf-8")) == []


def test_the_guide_names_every_file_that_lists_the_providers() -> None:
    listing = {path for path, text in sources() if not missing_in(text) and lists_providers(text)}
    assert sorted(path for path in listing if f"`{path}`" not in GUIDE) == []
