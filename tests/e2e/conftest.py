"""The real template, built and deployed once, and every scripted drop made at the start."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cli import app
from local import builds, stack
from local.embedded_aws import EmbeddedAws
from local.simulators import Simulators
from tests.e2e.scenarios import SCENARIOS, Runner
from tests.e2e.world import Postman, Run, World


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("e2e")
    with (
        Simulators(keys=stack.KEYS, render_seconds=0.5) as simulators,
        EmbeddedAws(wait_scale=0.01, log=folder / "aws.log", calls=folder / "calls") as aws,
    ):
        template = builds.build()
        parameters = {
            "SidecarGraceSeconds": "1",
            "SettleSeconds": "1",
            "DailyCapUsd": "900",
            "MonthlyCapUsd": "900",
            "DigestAbove": "5",
            "DigestMinutes": "1",
        }
        launched = stack.launch(aws, simulators, template, parameters)
        results = Postman(aws, launched.results)
        operators = Postman(aws, launched.operators)
        yield World(launched, simulators, results, operators, folder / "calls")
        results.close()
        operators.close()


@pytest.fixture(scope="package")
def runner(world: World) -> Iterator[Runner]:
    """Drops all scenarios, a few at a time, while the tests wait for theirs."""
    with Runner(world, SCENARIOS) as running:
        yield running


@pytest.fixture
def dropreel(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs the command as an operator types it; returns exit code and what it printed as JSON."""
    monkeypatch.setattr(app, "mute", lambda: None)  # other tests want logs
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")

    def run(*words: str) -> Any:
        place = ("--endpoint-url", world.stack.aws.endpoint, "--stack", stack.NAME)
        code = app.main([*words, *place, "--region", "us-east-1", "--json", "--yes"])
        said = capsys.readouterr()
        printed = [line for line in said.out.splitlines() if not line.startswith('{"')]
        return code, json.loads("\n".join(printed)) if code != 2 else said.err

    return run
