"""Parameters reach CloudFormation as they are."""

from __future__ import annotations

from pathlib import Path

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
