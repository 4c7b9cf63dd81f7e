"""What commands refuse before they do anything, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.desk import Terminal


@pytest.mark.parametrize("command", ["estimate", "drop"])
def test_a_folder_without_images_is_told(terminal: Terminal, tmp_path: Path, command: str) -> None:
    said = terminal.run(command, str(tmp_path))
    assert (said.code, said.err) == (2, "dropreel: no image here\n")


def test_an_answer_is_csv_or_json(terminal: Terminal) -> None:
    said = terminal.run("spend", "--csv", "--json")
    assert (said.code, said.err) == (2, "dropreel: choose one of --csv and --json\n")


@pytest.mark.parametrize(
    ("option", "words", "known"),
    [
        ("--provider", "foo is no provider", "luma"),
        ("--state", "foo is no state", "payment unknown"),
    ],
)
def test_a_name_that_nothing_has_is_told_with_the_known_ones(
    terminal: Terminal, option: str, words: str, known: str
) -> None:
    said = terminal.run("jobs", option, "foo")
    assert (said.code, said.err.startswith(f"dropreel: {words}: ")) == (2, True)
    assert known in said.err
