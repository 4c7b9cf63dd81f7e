"""A build is kept for as long as nothing changes that goes into it."""

from __future__ import annotations

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local import builds
from local.builds import AWS, Target, this_host
from tests.conftest import ROOT


def fingerprint(checkout: Path) -> str:
    return builds.fingerprint(this_host(), checkout)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small repository with something of everything that goes into a build."""
    for name in builds.INPUTS:
        file = tmp_path / name if Path(name).suffix else tmp_path / name / "deep" / "file.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name, encoding="utf-8")
    return tmp_path


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """What was really built, by a builder that only writes a template."""
    folders: list[Path] = []

    def make(folder: Path, _target: Target) -> Path:
        folder.mkdir(parents=True)
        folders.append(folder)
        (folder / "template.yaml").write_text(f"number {len(folders)}", encoding="utf-8")
        return folder / "template.yaml"

    monkeypatch.setattr(builds, "_build", make)
    monkeypatch.setattr(builds, "BUILDS", tmp_path / "builds")
    monkeypatch.setattr(builds, "fingerprint", lambda _target: "one")
    return folders


def test_everything_that_goes_into_a_build_is_there() -> None:
    assert [name for name in builds.INPUTS if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("name", builds.INPUTS)
def test_a_change_of_anything_that_goes_into_a_build_changes_its_fingerprint(
    checkout: Path, name: str
) -> None:
    before = fingerprint(checkout)
    assert fingerprint(checkout) == before
    file = checkout / name if (checkout / name).is_file() else checkout / name / "deep" / "file.py"
    file.write_text("changed", encoding="utf-8")
    assert fingerprint(checkout) != before


def test_a_new_a_gone_a_renamed_or_an_executable_file_changes_the_fingerprint(
    checkout: Path,
) -> None:
    seen = {fingerprint(checkout)}
    folder = checkout / "shared"
    (folder / "new.py").write_text("new", encoding="utf-8")
    seen.add(fingerprint(checkout))
    (folder / "new.py").rename(folder / "other.py")
    seen.add(fingerprint(checkout))
    (folder / "other.py").chmod(0o755)
    seen.add(fingerprint(checkout))
    shutil.rmtree(folder / "deep")
    seen.add(fingerprint(checkout))
    assert len(seen) == 5


def test_byte_code_and_what_is_not_built_do_not_change_the_fingerprint(checkout: Path) -> None:
    before = fingerprint(checkout)
    for place in ("shared/__pycache__", "docs", "tests"):
        (checkout / place).mkdir(parents=True)
        (checkout / place / "file.py").write_text("text", encoding="utf-8")
    assert fingerprint(checkout) == before


def test_another_python_or_platform_is_another_build(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fingerprint(checkout)
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert fingerprint(checkout) != before


def test_what_is_built_for_aws_is_not_what_is_built_for_this_host(checkout: Path) -> None:
    assert builds.fingerprint(AWS, checkout) != fingerprint(checkout)


def test_a_build_is_made_once_even_when_many_want_it_at_once(built: list[Path]) -> None:
    with ThreadPoolExecutor(4) as pool:
        templates = list(pool.map(lambda _: builds.build(), range(8)))
    assert len(built) == len(set(templates)) == 1
    assert templates[0].read_text(encoding="utf-8") == "number 1"


def test_a_change_is_built_anew_and_older_builds_go(
    built: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = builds.build()
    monkeypatch.setattr(builds, "fingerprint", lambda _target: "two")
    second = builds.build()
    assert second.read_text(encoding="utf-8") == "number 2"
    assert first.exists()  # somebody may be deploying it
    long_ago = time.time() - 7200
    os.utime(first.parent, (long_ago, long_ago))
    monkeypatch.setattr(builds, "fingerprint", lambda _target: "three")
    builds.build()
    assert not first.exists()
    assert second.exists()


def test_a_build_that_failed_halfway_is_not_kept(
    built: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path, _target: Target) -> Path:
        folder.mkdir()
        raise RuntimeError("sam build failed")

    with monkeypatch.context() as patch:
        patch.setattr(builds, "_build", fail)
        with pytest.raises(RuntimeError, match="sam build failed"):
            builds.build()
    assert builds.build().read_text(encoding="utf-8") == "number 1"
    assert len(built) == 1


@pytest.mark.parametrize(
    "said",
    [
        """\
Error: CustomMakeBuilder:MakeBuild - Make Failed: error: Request failed after 3 retries in 5.5s
  cause: Failed to fetch: https://index.example/simple/httpx/
  cause: error sending request for url (https://index.example/simple/httpx/)
""",
        "error: Failed to fetch: `https://index.example/simple/httpx/`\n  Caused by: dns error\n",
        "error: Failed to download `httpx`\n  Caused by: dns error\n",
    ],
)
def test_what_is_missing_without_network_is_one_line(said: str) -> None:
    reason = builds._reason(said)
    assert reason.startswith("httpx is not in uv's cache")
    assert "\n" not in reason


def test_any_other_failure_is_told_in_full() -> None:
    assert builds._reason("make: *** No rule to make target") == "make: *** No rule to make target"


def test_a_layer_without_byte_code_is_told(tmp_path: Path) -> None:
    layer = tmp_path / "SharedLayer"
    layer.mkdir()
    assert "no Python 3.13" in builds.remark(tmp_path / "template.yaml")
    (layer / "a.pyc").touch()
    assert builds.remark(tmp_path / "template.yaml") == ""
