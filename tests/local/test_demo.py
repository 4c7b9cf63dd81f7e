"""What `make demo` and `make drop` take from people, and which of their files they leave alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from local import demo
from local.demo import (
    NEUTRAL_PROMPT,
    SAMPLE,
    UnusableError,
    clear,
    own_folder,
    read_asked,
)
from local.follow import ReceivedMail
from local.stack import Stack
from tests.conftest import ROOT

NAMES = ("IMAGE", "TAKES", "PROMPT", "PROVIDER", "RESOLUTION", "DURATION")
MEANINGFUL = (  # to make, to a shell or to both
    'Say "hi" to $HOME `x` 100%',
    "it's $(error boo) $$ $@ ${x} \\ \\\\ # no comment",
    "two lines,\n\ttabs; *.py > /dev/null & ü 🎈",
)

Make = Callable[..., dict[str, str]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Runs a target with a `python` that only tells what it found in its environment."""
    show = f"import json, os; print(json.dumps({{n: os.environ[n] for n in {NAMES}}}))"
    script = tmp_path / "show.py"
    script.write_text(show, encoding="utf-8")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}"\n', encoding="utf-8")
    python.chmod(0o755)

    def run(target: str, *words: str, **variables: str) -> dict[str, str]:
        outer = ("MAKE", "MFLAGS", *NAMES)
        clean = {name: text for name, text in os.environ.items() if not name.startswith(outer)}
        done = subprocess.run(  # noqa: S603 - this project's own Makefile
            ["make", "--old-file=.venv/ready", target, f"BIN={tmp_path}", *words],  # noqa: S607
            cwd=ROOT,
            env={**clean, **variables},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return dict(json.loads(done.stdout))

    return run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "a b.JPG"
    path.write_bytes(SAMPLE.read_bytes())
    return path


@pytest.mark.parametrize("target", ["demo", "drop"])
@pytest.mark.parametrize("text", MEANINGFUL)
def test_words_on_makes_command_line_arrive_as_typed(make: Make, target: str, text: str) -> None:
    assert make(target, *(f"{name}={text}" for name in NAMES)) == dict.fromkeys(NAMES, text)


@pytest.mark.parametrize("text", MEANINGFUL)
def test_words_in_the_environment_arrive_as_typed(make: Make, text: str) -> None:
    assert make("demo", PROMPT=text) == {**dict.fromkeys(NAMES, ""), "PROMPT": text}


def test_without_wishes_the_sample_is_dropped_with_its_own_sidecar() -> None:
    asked = read_asked(dict.fromkeys(NAMES, ""))
    assert asked.image == SAMPLE
    own = json.loads(SAMPLE.with_suffix(".json").read_text(encoding="utf-8"))
    assert asked.sidecar == {"provider": "luma", **own}


def test_wishes_go_into_the_sidecar_as_they_are() -> None:
    sidecar = read_asked(
        {"PROMPT": MEANINGFUL[0], "PROVIDER": "fal", "RESOLUTION": "720p", "DURATION": "10s"}
    ).sidecar
    assert sidecar == {
        "prompt": MEANINGFUL[0],
        "provider": "fal",
        "resolution": "720p",
        "duration": "10s",
    }


def test_takes_to_compare_differ_from_the_first() -> None:
    takes = read_asked({"TAKES": "3"}).sidecar["takes"]
    assert len({json.dumps(take) for take in takes}) == 3
    assert takes[0] == {}
    assert len(read_asked({"TAKES": "16"}).sidecar["takes"]) == 16


@pytest.mark.parametrize("wanted", ["0", "17", "three", "-1"])
def test_another_number_of_takes_is_one_sentence(wanted: str) -> None:
    with pytest.raises(UnusableError, match=f"TAKES={wanted} is no whole number from 1 to 16"):
        read_asked({"TAKES": wanted})


def test_an_own_image_gets_nothing_that_is_about_the_sample(photo: Path) -> None:
    asked = read_asked({"IMAGE": str(photo)})
    assert asked.image == photo
    assert asked.sidecar == {"prompt": NEUTRAL_PROMPT, "provider": "luma"}


def test_a_tilde_that_the_shell_left_alone_is_home(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(photo.parent))
    assert read_asked({"IMAGE": f"~/{photo.name}"}).image == photo


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("notes.txt", "does not end like an image"),
        ("photo", "does not end like an image"),
        ("nothing.jpg", "No such file or directory"),
        ("folder.png", "Is a directory"),
    ],
)
def test_an_unusable_image_is_one_sentence_before_anything_is_built(
    name: str,
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "photo").touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "summary.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(demo, "OUT", tmp_path)
    monkeypatch.setenv("IMAGE", str(tmp_path / name))
    assert demo.main() == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert f"IMAGE={tmp_path / name}" in said.err
    assert complaint in said.err
    assert not (tmp_path / "summary.json").exists()


def test_clearing_takes_what_a_run_saved_and_nothing_of_peoples(tmp_path: Path) -> None:
    job = "7f5388cef04456429993366a"
    for name in ("summary.json", f"{job}.mp4", f"{job}.json", f"rejected-{job}.json"):
        (tmp_path / name).touch()
    for name in ("photo.jpg", "photo.json", "clip.mp4", f"{job}.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "old" / job).mkdir(parents=True)
    clear(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"photo.jpg", "photo.json", "clip.mp4", f"{job}.jpg", "old"}


def test_demos_that_run_at_once_have_a_folder_each(tmp_path: Path) -> None:
    wanted = tmp_path / "demo"
    with own_folder(wanted) as first:
        with own_folder(wanted) as second, own_folder(wanted) as third:
            assert [first.name, second.name, third.name] == ["demo", "demo-2", "demo-3"]
        with own_folder(wanted) as next_one:
            assert next_one == second
    with own_folder(wanted) as alone:
        assert alone == wanted


def test_each_take_is_saved_and_one_without_a_clip_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def download(_: object, address: str, folder: Path) -> tuple[Path, str]:
        return folder / address.rpartition("/")[2], address.partition("//")[2]

    monkeypatch.setattr(demo, "ROOT", tmp_path)
    monkeypatch.setattr(demo, "download", download)
    monkeypatch.setattr(demo, "check_clip", lambda *_: "")
    stack = Stack(cast("Any", None), {}, "", "")
    made = {"job_id": "1", "provider": "luma", "outcome": "delivered", "settings": {}}
    takes = [{**made, "clip": "s3://clips/1.mp4"}, {**made, "outcome": "failed", "clip": None}]
    mail = ReceivedMail("", "", {"takes": takes})
    assert demo._collect(stack, mail, {}, tmp_path) == 1
    assert "no clip: failed" in capsys.readouterr().err
    assert demo._collect(stack, replace(mail, document={"takes": takes[:1]}), {}, tmp_path) == 0
    assert "clip:    1.mp4" in capsys.readouterr().out
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert [take["clip"] for take in summary["takes"]] == ["1.mp4"]
