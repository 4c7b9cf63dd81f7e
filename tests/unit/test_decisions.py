"""docs/decisions.md is in the order that it promises."""

from __future__ import annotations

import re
from itertools import pairwise

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
ENTRIES = re.findall(r"^\*\*(\d{4}-\d\d-\d\d) (.+?)\*\*", PAGE, re.MULTILINE | re.DOTALL)


def test_every_decision_has_its_date() -> None:
    assert len(ENTRIES) > 50
    assert len(ENTRIES) == len(re.findall(r"^\*\*", PAGE, re.MULTILINE))


def test_the_newest_decision_comes_first() -> None:
    assert [later for (now, _), later in pairwise(ENTRIES) if later[0] > now] == []
