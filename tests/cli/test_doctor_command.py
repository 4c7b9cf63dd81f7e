"""The command `dropreel doctor`: what it prints, and its exit code."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from cli.app import main
from cli.checks.every import CHECKS
from cli.checks.visit import Visit, examine
from cli.desk import Desk
from tests.support.healthy import Site, messages, output


@dataclass
class QuickDesk(Desk):
    """At this site, and in its time."""

    site: Site = field(default_factory=Site)

    @property
    def now(self) -> datetime:
        return self.site.clock()


def run(site: Site, *arguments: str) -> int:
    desk = QuickDesk(site=site)
    desk.stack = site  # type: ignore[assignment]
    return main(["doctor", *arguments], obj=desk)


def test_the_command_prints_a_line_for_each_check_and_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    site = Site()
    messages("ingest-dead", 3)(site)
    assert run(site) == 1
    lines = capsys.readouterr().out.splitlines()
    (dead,) = (number for number, line in enumerate(lines) if "dead letters" in line)
    assert lines[dead].startswith("✗ dead letters")
    todo = lines[dead + 1].strip()
    assert todo.startswith("→ Look at them, and send them again: `dropreel replay`. See docs/")
    assert lines[-1] == f"{len(CHECKS)} checks: {len(CHECKS) - 1} green, 0 yellow, 1 red"


def test_the_command_is_content_with_yellow(capsys: pytest.CaptureFixture[str]) -> None:
    site = Site()
    output("Version", "0.1.0")(site)
    assert run(site, "--json", "--no-self-test") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["level"] == "yellow"
    (version,) = (one for one in told["checks"] if one["check"] == "version")
    assert version["level"] == "yellow"
    assert version["todo"].startswith("Deploy this version")
    assert "self-test" not in {one["check"] for one in told["checks"]}


def test_without_a_stack_the_command_says_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.stack.FACTS", "/nowhere")
    assert main(["doctor", "--local"]) == 3
    assert capsys.readouterr().err == "dropreel: nothing is up here: `make up` starts a stack\n"


def test_a_visit_reads_the_stack_once() -> None:
    site = Site()
    visit = site.visit()
    assert isinstance(visit, Visit)
    list(examine(visit, CHECKS))
    listed = [name for name, _ in site.called if name == "list_stack_resources"]
    assert len(listed) == 1
