"""`make pythons` finds the Pythons of this machine, and tries them in a copy."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from local import pythons


def test_a_python_of_pyenv_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "versions" / "9.9.1" / "bin" / "python9.9"
    python.parent.mkdir(parents=True)
    python.touch()
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert pythons.found("9.9") == str(python)
    assert pythons.found("9.8") is None


def test_the_copy_holds_what_git_knows_and_nothing_that_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout, copied = tmp_path / "checkout", tmp_path / "copy"
    for name in ("Makefile", "local/new.py", "out/made", ".gitignore"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("out/\n", encoding="utf-8")
    subprocess.run(["git", "init", "-q", str(checkout)], check=True)  # noqa: S603, S607
    subprocess.run(["git", "-C", str(checkout), "add", "Makefile"], check=True)  # noqa: S603, S607
    monkeypatch.setattr(pythons, "ROOT", checkout)
    pythons.copy(copied)
    names = {str(path.relative_to(copied)) for path in copied.rglob("*") if path.is_file()}
    assert names == {"Makefile", "local/new.py", ".gitignore"}
