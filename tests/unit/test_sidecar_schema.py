"""The JSON Schema for editors accepts what the parser accepts, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dropreel.drops.fields import Fields, Merged, field_name, json_fields
from dropreel.drops.sidecar import Sidecar
from dropreel.drops.takes import problems_in
from local.schema import PATH, schema

VALIDATOR = Draft202012Validator(json.loads(schema()))

NAMES = [*Sidecar.model_fields, "takes", "promt"]
texts = st.text(max_size=12)
blanks = st.sampled_from(["", " ", "\t", "\n"])
words = st.sampled_from(
    [
        *(
            "5s",
            "10S",
            "10",
            "5",
            "7s",
            "540p",
            "1080P",
            "720",
            "4k",
            "16:9",
            "AUTO",
            "luma",
            "FAL",
        ),
        *("sora", "high", "LOW", "true", "FALSE", "yes", "0", "1", "007", "999", "1000", "0.50"),
        *("1e3", "NaN", ".5", "https://e.com/a.png", "http://e.com/a", "a.png", "/x/b.png", "a|b"),
    ]
)
spaced = st.builds("{}{}{}".format, blanks, words, blanks)
singles = (
    spaced
    | texts
    | words
    | st.booleans()
    | st.none()
    | st.integers(-2, 1200)
    | st.floats(allow_nan=False)
    | st.sampled_from([5.0, 10.0, 2.0, 0.3, 540.0, 1000, 1000.5])
)
values = singles | st.lists(singles, max_size=11) | st.dictionaries(texts, singles, max_size=11)


@st.composite
def spellings(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(NAMES))
    joined = name.replace("_", draw(st.sampled_from("_- ")))
    how = draw(st.sampled_from([str.lower, str.upper, str.title]))
    return draw(blanks) + str(how(joined)) + draw(blanks)


documents = st.lists(
    st.tuples(spellings(), values), max_size=5, unique_by=lambda p: field_name(p[0])
)


def parser_accepts(document: dict[str, Any]) -> bool:
    said = json_fields("photo.json", json.dumps(document).encode())
    return not said.problems and not problems_in(said)


def assert_agreement(document: dict[str, Any]) -> None:
    """On lists of takes they need not agree: see `local/schema.py`."""
    takes = (value for name, value in document.items() if field_name(name) == "takes")
    if any(isinstance(value, list) for value in takes):
        return
    assert parser_accepts(document) is VALIDATOR.is_valid(document), document


@settings(max_examples=300, deadline=None)
@given(documents.map(dict))
@example({"loop": True, "Duration": 10})
@example({"Loop": "TRUE", "duration": "10s"})
@example({"prompt": "x" * 6000})
@example({"prompt": " " + "x" * 6000 + " "})
@example({"prompt": "x" * 6001})
@example({"prompt": "\ud800"})
@example({"labels": ["x" * 60, "\u202e"]})
@example({"labels": {"a b": "c"}})
@example({"labels": {"campaign": "spring"}})
@example({"reference_images": "a.png | /b/c d.png | https://e.com/a.png"})
@example({"reference_image_urls": ["https://e.com/a\n"]})
@example({"$schema": "sidecar.schema.json"})
@example({"$schema": 5})
@example({"take": 1, "Takes": 3})
@example({"takes": "16"})
@example({"takes": 17})
def test_parser_and_schema_agree(document: dict[str, Any]) -> None:
    assert_agreement(document)


@pytest.mark.parametrize("name", Sidecar.model_fields)
@settings(max_examples=20, deadline=None)
@given(value=values)
def test_parser_and_schema_agree_on_each_field(name: str, value: Any) -> None:
    assert_agreement({name: value})


def test_the_schema_is_a_right_one_and_its_examples_are_right() -> None:
    Draft202012Validator.check_schema(VALIDATOR.schema)
    assert VALIDATOR.schema["$id"]
    for document in VALIDATOR.schema["examples"]:
        assert VALIDATOR.is_valid(document)
        assert parser_accepts(document)


def test_the_samples_agree(events: Path) -> None:
    for sample in ("full.json", "minimal.json", "misspelt.json", "loop-with-10s.json"):
        assert_agreement(json.loads((events / "sidecars" / sample).read_bytes()))


def test_the_committed_schema_is_that_of_the_model() -> None:
    assert PATH.read_text(encoding="utf-8") == schema()


def test_of_several_files_the_nearest_wins_field_by_field() -> None:
    far = Fields("defaults.json", {"prompt": "far", "duration": "5s"})
    near = Fields("a/photo.json", {"prompt": "near"})
    merged = Merged.of([far, near])
    assert merged.values == {"prompt": "near", "duration": "5s"}
    assert merged.origins == {"prompt": "a/photo.json", "duration": "defaults.json"}
    assert Merged.restored(merged.text) == merged


@pytest.mark.parametrize(
    ("far", "near", "left"),
    [({"takes": 3}, {"take": 2}, {"take": 2}), ({"take": 2}, {"takes": 3}, {"takes": 3})],
)
def test_the_nearest_says_whether_it_is_one_take_or_several(
    far: dict[str, Any], near: dict[str, Any], left: dict[str, Any]
) -> None:
    merged = Merged.of([Fields("defaults.json", far), Fields("a/photo.json", near)])
    assert merged.values == left
    assert merged.origins == dict.fromkeys(left, "a/photo.json")
