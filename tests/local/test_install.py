"""What is installed, for what, and when it is done again."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from local import install
from tests.conftest import ROOT

REQUIREMENTS = ROOT / "requirements"


def pinned(name: str) -> dict[str, str]:
    """Package and version of each line; one with several markers counts with its last."""
    text = (REQUIREMENTS / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([\w.]+)", text, re.MULTILINE))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Everything is installed, a while after it was locked."""
    (tmp_path / install.LOCKED).mkdir()
    (tmp_path / install.ENVIRONMENT).mkdir()
    for name in (file for files in install.FILES.values() for file in files):
        (tmp_path / install.LOCKED / name).touch()
        os.utime(tmp_path / install.LOCKED / name, (1000, 1000))
    for name in install.SETS:
        (tmp_path / install.ENVIRONMENT / name).touch()
    return tmp_path


@pytest.mark.parametrize("name", install.SETS)
def test_what_is_installed_is_not_installed_again(checkout: Path, name: str) -> None:
    assert install.is_installed(checkout, name)
    (checkout / install.ENVIRONMENT / name).unlink()
    assert not install.is_installed(checkout, name)


@pytest.mark.parametrize("name", install.SETS)
def test_new_pins_are_installed(checkout: Path, name: str) -> None:
    file = checkout / install.LOCKED / install.FILES[name][-1]
    os.utime(file)
    os.utime(checkout / install.ENVIRONMENT / name, (2000, 2000))
    assert not install.is_installed(checkout, name)


def test_every_set_has_pins_and_says_what_it_loads() -> None:
    assert set(install.SETS) == set(install.FILES)
    assert all((REQUIREMENTS / file).exists() for files in install.FILES.values() for file in files)


def test_what_runs_the_stack_is_the_same_in_tests() -> None:
    run, dev = pinned("run.txt"), pinned("dev.txt")
    assert {name: dev.get(name) for name in run} == run


def test_the_demo_needs_nothing_that_only_checks_and_tests_need() -> None:
    assert {"cfn-lint", "sympy", "moto", "mypy", "pytest", "ruff"} & set(pinned("run.txt")) == set()


@pytest.mark.parametrize("file", ["run.txt", "dev.txt", "embedded-aws.txt", "bench.txt"])
def test_nothing_is_pinned_that_fails_on_a_newer_python(file: str) -> None:
    floors = re.findall(
        r"^([\w-]+)>=([\d.]+)", (REQUIREMENTS / "floors.in").read_text(), re.MULTILINE
    )
    found = pinned(file)
    assert "six" in dict(floors)
    assert [
        name for name, least in floors if name in found and numbers(found[name]) < numbers(least)
    ] == []


def numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]
