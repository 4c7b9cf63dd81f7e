"""`dropreel.__version__` is the version; what repeats it agrees."""

from __future__ import annotations

import re
import tomllib

from dropreel import __version__
from dropreel.providers.client import new_client
from tests.conftest import ROOT
from tests.support.stack import Document

CHANGES = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_stack_shows_the_version_of_the_package(template: Document) -> None:
    assert template["Outputs"]["Version"]["Value"] == __version__


def test_the_newest_release_of_the_changelog_is_the_version_of_the_package() -> None:
    assert re.findall(r"^## \[?(\d+\.\d+\.\d+)", CHANGES, re.MULTILINE)[0] == __version__


def test_the_project_takes_its_version_from_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "dropreel.__version__"}


def test_providers_see_the_version_in_the_user_agent() -> None:
    with new_client() as client:
        assert client.headers["User-Agent"] == f"dropreel/{__version__}"
