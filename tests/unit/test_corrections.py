"""A broken sidecar is mailed with the text that was probably meant, where that is right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropreel.drops.corrections import corrected
from dropreel.drops.fields import json_fields
from tests.support.sidecars import parse_sidecar

MEANT: dict[str, dict[str, Any]] = {
    "comma-too-many": {"prompt": "slow push-in", "duration": "10s"},
    "curly-quotes": {"prompt": "slow push-in", "duration": "10s"},
    "single-quotes": {"prompt": "the dog's tail wags", "loop": True},
    "comments": {"prompt": "slow push-in", "duration": "10s"},
    "line-break": {"prompt": "slow push-in,\nsoft light"},
    "plain-text": {"prompt": "slow push-in, soft light"},
    "bare-words": {"prompt": "slow push-in", "duration": "10s"},
    "without-braces": {"prompt": "slow push-in", "duration": "10s"},
}


@pytest.mark.parametrize("slip", MEANT)
def test_each_slip_is_mailed_with_the_corrected_text(events: Path, slip: str) -> None:
    said = json_fields("a.json", (events / f"sidecars/slips/{slip}.json").read_bytes())
    (problem,) = said.problems
    assert json.loads(problem.corrected) == MEANT[slip]
    assert parse_sidecar(problem.corrected.encode()).prompt == MEANT[slip]["prompt"]


@pytest.mark.parametrize(
    "text",
    [
        '{"prompt": "a" "b"}',
        '{"prompt": "a", "prompt": "b",}',
        '{"prompt": "He says \u201cgo\u201d}',
        "[1, 2,]",
        "{",
        '{"prompt": "' + "x" * 5000 + '",}',
        "{}{}",
    ],
)
def test_what_is_not_clear_is_not_guessed(text: str) -> None:
    assert corrected(text) is None


def test_what_stands_inside_of_a_text_is_not_touched() -> None:
    prompt = "it's // no comment, # 1, /* nor this */ and , } stays; 'so' does \u201cthis\u201d"
    found = corrected(json.dumps({"prompt": prompt}, ensure_ascii=False)[:-1] + ",}")
    assert found
    assert json.loads(found) == {"prompt": prompt}


@given(st.text(alphabet="{}[]\":,'/*#\\\n \u201c\u201dabct1", max_size=60))
def test_any_text_is_corrected_to_an_object_or_not_at_all(text: str) -> None:
    found = corrected(text)
    assert found is None or isinstance(json.loads(found), dict)
