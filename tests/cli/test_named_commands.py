"""Every command that the manual and the mails name is one, with the options that it has there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from cli.app import app
from tests.conftest import ROOT
from tests.golden import cases

PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"^ *```\w*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`dropreel (\w[^`]*)`")
LINE = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?dropreel (.*)", re.MULTILINE)
IN_A_MAIL = re.compile(r":\ndropreel (.*)")
SHELL = re.compile(r"\$\([^)]*\)")


def commands() -> Iterator[tuple[str, str]]:
    """The name of the page or mail, and what follows `dropreel`."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in BLOCK.findall(text):
            yield from ((page.name, found) for found in LINE.findall(block))
        yield from ((page.name, found) for found in INLINE.findall(BLOCK.sub("", text)))
    for name, mail in cases.files().items():
        found = [*IN_A_MAIL.findall(mail), *INLINE.findall(mail)]
        yield from ((name, one) for one in found if name.endswith(".txt"))


NAMED = sorted(set(commands()))


def test_commands_are_found_in_the_manual_the_readme_and_the_mails() -> None:
    pages = {page for page, _ in NAMED}
    assert {"README.md", "cli.md", "operations.md", "operator-unknown.txt"} <= pages


@pytest.mark.parametrize(("page", "words"), NAMED)
def test_a_command_that_is_named_can_be_run(page: str, words: str) -> None:
    assert page
    given = shlex.split(SHELL.sub("FILE", words).replace("COMMAND --help", "jobs"), comments=True)
    if given[0].startswith("--install"):
        return
    group: Any = get_command(app)
    context = group.make_context("dropreel", given)
    name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
    command.make_context(name, rest, parent=context)
