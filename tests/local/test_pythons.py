"""`make pythons` finds the Pythons of this machine, and tries them in a copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import pythons
from tests.conftest import ROOT


def test_a_python_of_pyenv_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "versions" / "9.9.1" / "bin" / "python9.9"
    python.parent.mkdir(parents=True)
    python.touch()
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert pythons.found("9.9") == str(python)
    assert pythons.found("9.8") is None


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout of git")
def test_the_copy_holds_what_git_knows_and_nothing_that_was_made(tmp_path: Path) -> None:
    pythons.copy(tmp_path / "copy")
    names = {path.name for path in (tmp_path / "copy").iterdir()}
    assert {"Makefile", "template.yaml", "local", "shared"} <= names
    assert not names & {".git", ".venv", ".venv-aws", ".aws-sam", "out"}
    assert (tmp_path / "copy" / "Makefile").read_bytes() == (ROOT / "Makefile").read_bytes()
