"""Every section of the runbook that the command names is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.conftest import ROOT

NAMED = re.compile(r'docs/operations\.md, section "([^"]+)"')


def sections() -> set[str]:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    return {line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")}


def named() -> Iterator[str]:
    for file in (ROOT / "cli").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from NAMED.findall(node.value)


def test_sections_that_are_named_are_in_the_runbook() -> None:
    found = {*named()}
    assert "Drops in a dead-letter queue" in found
    assert found <= sections()
