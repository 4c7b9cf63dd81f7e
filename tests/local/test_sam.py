"""Parameters reach CloudFormation as they are."""

from __future__ import annotations

import subprocess
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from samcli.cli.types import CfnParameterOverridesType

from local import sam

VALUES = (
    "",
    "luma,fal",
    '{"luma":{"base_url":"http://127.0.0.1:1/luma"}}',
    r'{"a": "back\\slash \" quote \ and space"}',
    "it's",
    '"quoted"',
    "true",
    "0012",
    "file://not-a-file",
)


@pytest.mark.parametrize("value", VALUES)
def test_sam_reads_a_value_as_it_was_given(
    value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read: list[object] = []

    def run(arguments: list[str], *_: object, **__: object) -> None:
        assert arguments[-2] == "--parameter-overrides"
        read.append(CfnParameterOverridesType().convert(arguments[-1], None, None))

    monkeypatch.setattr(sam, "run", run)
    sam.deploy(tmp_path / "template.yaml", "stack", "region", {"Name": value}, {})
    assert read == [{"Name": value}]


def test_a_dry_run_of_make_around_it_does_not_reach_sams_own_make(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[dict[str, str]] = []

    def run(command: list[str], *, env: dict[str, str], **_: object) -> CompletedProcess[str]:
        given.append(env)
        return CompletedProcess(command, 0)

    monkeypatch.setenv("MAKEFLAGS", "n")
    monkeypatch.setattr(subprocess, "run", run)
    sam.run(["build"], {"TARGET": "aws"})
    (env,) = given
    assert ("MAKEFLAGS" in env, env["TARGET"]) == (False, "aws")
