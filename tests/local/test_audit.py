"""The template without SAM, and the table of exceptions from checkov's rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local import counts
from local.audit import SUPPRESSED, complaints
from local.plain_template import read, write

EVERYTHING = {f"{rule}: what it asks for": ["AWS::S3::Bucket.InboxBucket"] for rule in SUPPRESSED}
CONSOLE_TAKES = 1_000_000  # bytes


def test_the_plain_template_is_one_that_cloudformation_takes_without_sam(tmp_path: Path) -> None:
    write(tmp_path / "template.json")
    text = (tmp_path / "template.json").read_text(encoding="utf-8")
    made = json.loads(text)
    assert "Transform" not in made
    assert not [r for r in made["Resources"].values() if "Serverless" in r["Type"]]
    assert made["Parameters"].keys() == read()["Parameters"].keys()
    assert made["Outputs"].keys() == read()["Outputs"].keys()
    assert len(text) < CONSOLE_TAKES


def test_code_that_was_uploaded_stays_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = read()
    for resource in packaged["Resources"].values():
        if "CodeUri" in resource["Properties"]:
            resource["Properties"]["CodeUri"] = "s3://mine/abc"
    (tmp_path / "packaged.json").write_text(json.dumps(packaged), encoding="utf-8")
    monkeypatch.setattr("local.plain_template._packaged", lambda *_: tmp_path / "packaged.json")
    write(tmp_path / "template.json", bucket="mine")
    made = json.loads((tmp_path / "template.json").read_text(encoding="utf-8"))
    code = made["Resources"]["SubmitFunction"]["Properties"]["Code"]
    assert code == {"S3Bucket": "mine", "S3Key": "abc"}


def test_every_exception_has_its_reason_and_none_is_left_over() -> None:
    assert complaints(EVERYTHING) == []
    assert min(map(len, SUPPRESSED.values())) > 30
    (new,) = complaints({**EVERYTHING, "CKV_AWS_1: no stars": ["AWS::IAM::Role.SubmitRole"]})
    assert "SubmitRole" in new
    rule = next(iter(SUPPRESSED))
    left = {name: found for name, found in EVERYTHING.items() if not name.startswith(f"{rule}:")}
    assert complaints(left) == [f"{rule} is followed now"]


def test_the_counts_are_those_of_the_policies(tmp_path: Path) -> None:
    made = {
        "Resources": {
            "Role": {"Properties": {"Policies": [{"PolicyDocument": {"Statement": [
                {"Effect": "Allow", "Action": ["a:B", "a:C"], "Resource": ["x", "y"]},
            ]}}]}},
            "Policy": {"Properties": {"PolicyDocument": {"Statement": [
                {"Fn::If": ["RequiresHttps", {"Effect": "Deny", "Action": "*"}, {}]},
            ]}}},
        }
    }  # fmt: skip
    found = list(counts.statements(made))
    assert [counts.granted(statement) for statement in found] == [4, 0]
    assert counts.seen("grants", tmp_path) == "not counted: make test"
