"""The mails as they were read and found good: whoever changes a word reads them again."""

from __future__ import annotations

import re
from functools import cache

import pytest

from dropreel.mail.operators import RUNBOOK
from tests.conftest import ROOT
from tests.golden import cases

FILES = cases.files()


def there() -> set[str]:
    return {path.name for path in cases.FOLDER.iterdir() if path.suffix in (".txt", ".json")}


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_mail_equals_its_golden_file(name: str) -> None:
    assert FILES[name] == (cases.FOLDER / name).read_text(encoding="utf-8"), "see `make golden`"


def test_every_golden_file_is_of_a_mail_that_there_is() -> None:
    assert there() == set(FILES)
    assert len(FILES) > 70


@cache
def sections() -> set[str]:
    lines = (ROOT / RUNBOOK).read_text(encoding="utf-8").splitlines()
    return {line.removeprefix("## ") for line in lines if line.startswith("## ")}


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith(("operator", "warn"))])
def test_the_operator_is_sent_to_a_section_that_there_is(name: str) -> None:
    if name.endswith(".txt"):
        section = FILES[name].rpartition(f'{RUNBOOK}, section "')[2].partition('"')[0]
        assert section in sections()


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith(("failed", "stalled"))])
def test_a_failure_has_one_next_step_and_says_whether_it_was_paid(name: str) -> None:
    if name.endswith(".txt"):
        assert FILES[name].count("\nWhat to do: ") == 1
        assert (
            len(re.findall(r"\b(?:paid|charged?s?)\b", FILES[name].partition("What to do")[0])) >= 1
        )
        assert "{" not in FILES[name]
