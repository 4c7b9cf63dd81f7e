"""The samples of files that speak for a folder are read as they are meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from dropreel.drops.batch import Batch, read_batch
from dropreel.drops.fields import Fields, json_fields, text_fields
from dropreel.drops.pairing import meant_name
from dropreel.drops.takes import problems_in

TOP = Fields("defaults.json", {"prompt": "far"})


def batch_of(events: Path, sample: str) -> Batch:
    return read_batch(f"a/{sample}", (events / "folder" / sample).read_bytes(), [])


@pytest.mark.parametrize("sample", ["batch.csv", "batch.jsonl"])
def test_a_row_names_its_image_and_its_fields(events: Path, sample: str) -> None:
    first, second = batch_of(events, sample).rows
    assert (first.image, second.image) == ("a/lighthouse.jpg", "a/harbour.jpg")
    assert first.said.values["prompt"] == "slow push-in, soft light"
    assert second.said.values["duration"] == "10s"
    assert first.problems == second.problems == ()


def test_rows_have_the_numbers_that_a_spreadsheet_shows(events: Path) -> None:
    rows = batch_of(events, "batch-from-excel.csv").rows
    assert [row.number for row in rows] == [2, 3]
    assert rows[0].said.values["prompt"] == "slow push-in; soft light"
    (problem,) = rows[1].numbered
    assert (problem.field, problem.found) == ("row 3, duration", '"7s"')


def test_a_row_may_take_its_prompt_from_defaults() -> None:
    data = b"image,duration\na.jpg,10\n"
    assert read_batch("batch.csv", data, [TOP]).rows[0].problems == ()
    (problem,) = read_batch("batch.csv", data, []).rows[0].problems
    assert problem.field == "prompt"


def test_a_row_is_another_one_only_if_its_fields_are() -> None:
    before = read_batch("batch.csv", b"image,prompt\na.jpg,x\nb.jpg,y\n", [])
    after = read_batch("batch.csv", b"prompt,image\nnew,c.jpg\ny,b.jpg\nz,a.jpg\n", [])
    row = before.row_of("b.jpg"), after.row_of("b.jpg")
    assert row[0]
    assert row[1]
    assert row[0].version == row[1].version
    assert before.rows[0].version != after.rows[2].version


def test_a_text_is_a_prompt_and_defaults_are_fields(events: Path) -> None:
    text = text_fields("a.txt", (events / "folder/lighthouse.txt").read_bytes())
    defaults = json_fields("defaults.json", (events / "folder/defaults.json").read_bytes())
    assert (text.values, text.problems) == ({"prompt": "slow push-in, soft light"}, ())
    assert problems_in(defaults) == ()
    assert defaults.values["labels"] == {"campaign": "summer"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("a/Defaults.JSON", "defaults.json"),
        ("BATCH.csv", "batch.csv"),
        ("a/batch.csv", ""),
        ("a/my-batch.csv", ""),
    ],
)
def test_a_name_in_another_case_is_not_the_name(name: str, meant: str) -> None:
    assert meant_name(name) == meant
