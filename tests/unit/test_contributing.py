"""The table "Where is ..." of CONTRIBUTING.md leads to what it names."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (Wh[^|]+|How[^|]+) \| `([^`]+)` \| ([^|]*) \|$", PAGE, re.MULTILINE)


def test_there_are_ten_questions_at_least() -> None:
    assert len(ROWS) >= 10


@pytest.mark.parametrize(("question", "path", "then"), ROWS)
def test_a_question_leads_to_its_answer_in_two_steps(question: str, path: str, then: str) -> None:
    assert question.endswith("?")
    files = list(ROOT.glob(path.replace("<provider>", "luma")))
    assert files, path
    text = files[0].read_text(encoding="utf-8")
    for name in re.findall(r"`([^`]+)`", then):
        if "/" in name:
            assert (ROOT / name).exists()
        else:
            assert name.rpartition(".")[2] in text
