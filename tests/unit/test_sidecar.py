from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dropreel.drops.fields import MAX_SIDECAR_BYTES
from dropreel.drops.sidecar import Sidecar
from dropreel.errors import Problem, RejectedError
from dropreel.mail.message import Links
from dropreel.mail.rejected import drop_rejected
from tests.conftest import EVENTS
from tests.support.fuzz import fuzzed
from tests.support.sidecars import parse_sidecar

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def problems_of(data: bytes) -> dict[str, Problem]:
    with pytest.raises(RejectedError) as caught:
        parse_sidecar(data)
    return {problem.field: problem for problem in caught.value.problems}


def sidecar(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_a_prompt_is_enough_and_the_rest_has_the_models_defaults(events: Path) -> None:
    parsed = parse_sidecar((events / "sidecars/minimal.json").read_bytes())
    assert parsed.prompt == "slow push-in, soft light"
    assert (parsed.resolution, parsed.duration, parsed.aspect_ratio) == ("540p", "5s", "auto")
    assert (parsed.loop, parsed.provider, parsed.take) == (False, "auto", 1)


def test_all_fields_are_taken(events: Path) -> None:
    parsed = parse_sidecar((events / "sidecars/full.json").read_bytes())
    assert parsed == Sidecar(
        prompt="Orbiting camera around the product, shimmering reflections",
        aspect_ratio="16:9",
        resolution="720p",
        duration="5s",
        loop=True,
        provider="luma",
        take=2,
    )


@pytest.mark.parametrize("name", ["utf8-bom.json", "utf16.json"])
def test_what_a_windows_editor_saves_is_read(events: Path, name: str) -> None:
    parsed = parse_sidecar((events / "sidecars" / name).read_bytes())
    assert parsed.prompt == "langsame Kamerafahrt, weiches Licht – ruhig"


@pytest.mark.parametrize("value", [10, "10", "10s", " 10S "])
def test_a_duration_whose_meaning_is_clear_is_taken(value: Any) -> None:
    assert parse_sidecar(sidecar(prompt="x", duration=value)).duration == "10s"


@pytest.mark.parametrize("value", [720, "720", "720p", "720P"])
def test_a_resolution_whose_meaning_is_clear_is_taken(value: Any) -> None:
    assert parse_sidecar(sidecar(prompt="x", resolution=value)).resolution == "720p"


def test_all_problems_are_told_at_once_with_the_nearest_name(events: Path) -> None:
    problems = problems_of((events / "sidecars/misspelt.json").read_bytes())
    assert set(problems) == {'"promt"', "prompt", "resolution"}
    assert problems['"promt"'].hint == "Did you mean prompt?"
    assert problems["resolution"].found == '"4k"'
    assert problems["resolution"].allowed == "540p, 720p, 1080p"


def test_a_loop_of_ten_seconds_is_refused(events: Path) -> None:
    problems = problems_of((events / "sidecars/loop-with-10s.json").read_bytes())
    assert problems["loop"].allowed == "loop only with duration 5s"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "an empty file"),
        (b" \n", "an empty file"),
        (b'{"prompt": "x",}', "broken JSON at line 1, column 1"),
        (b"[1]", "[1]"),
        (b'"prompt"', '"prompt"'),
        (b"\xff\xfe\xff", "text in an unknown encoding"),
        (b'{"prompt": "a", "prompt": "b"}', 'the field "prompt" twice'),
        (b'{"prompt": NaN}', "NaN, which is not JSON"),
        (b"[" * 60_000, "JSON nested too deeply"),
        (b'{"prompt": "%s"}' % (b"x" * MAX_SIDECAR_BYTES), "bytes or more"),
    ],
)
def test_a_file_that_is_no_sidecar_is_named_as_what_it_is(data: bytes, found: str) -> None:
    problem = problems_of(data)["sidecar"]
    assert found in problem.found


def test_a_sidecar_of_exactly_the_largest_size_is_read() -> None:
    data = b'{"prompt": "x"}'.ljust(MAX_SIDECAR_BYTES)
    assert parse_sidecar(data).prompt == "x"


@pytest.mark.parametrize("prompt", ["", "   ", "x" * 6001])
def test_a_prompt_outside_its_limits_is_refused(prompt: str) -> None:
    assert "1 to 6000 characters" in problems_of(sidecar(prompt=prompt))["prompt"].allowed


def test_a_prompt_of_the_longest_length_is_taken() -> None:
    assert len(parse_sidecar(sidecar(prompt="x" * 6000)).prompt) == 6000


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("loop", "yes"),
        ("loop", 1),
        ("take", 0),
        ("take", True),
        ("take", 1.5),
        ("duration", True),
        ("duration", 7),
        ("aspect_ratio", "16x9"),
        ("provider", "sora"),
        ("reference_image_urls", ["http://plain.example/a.png"]),
    ],
)
def test_a_wrong_value_is_told_with_what_is_allowed(field: str, value: Any) -> None:
    problem = problems_of(sidecar(prompt="x", **{field: value}))[field]
    assert problem.allowed
    assert problem.found


@fuzzed(100)
@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_a_rejection(data: bytes) -> None:
    try:
        assert parse_sidecar(data).prompt
    except RejectedError as error:
        assert error.problems


@fuzzed(100)
@given(st.dictionaries(st.sampled_from([*Sidecar.model_fields, "other"]), json_values))
def test_no_json_raises_anything_but_a_rejection_of_named_fields(fields: dict[str, Any]) -> None:
    try:
        assert parse_sidecar(json.dumps(fields).encode()).prompt
    except RejectedError as error:
        assert all(problem.allowed and problem.found for problem in error.problems)
        assert all("\n" not in str(problem) for problem in error.problems)


SAMPLES = [path.read_bytes() for path in sorted(EVENTS.rglob("*.json")) if path.is_file()]
PIECES = st.sampled_from(
    [
        *(b"[" * 200, b'{"a":' * 200, b"1" * 5000, b"1e999999", b"-0", b"NaN", b"\\ud800"),
        *(b'"', b"{", b"}", b",", b":", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\n", b"null"),
        *(b'"prompt"', b'"take"', b'"max_cost_usd"', b'"reference_image_urls"'),
    ]
)


@fuzzed(200)
@given(data=st.data(), sample=st.sampled_from(SAMPLES))
@example(data=None, sample=b"[" * 60_000)
@example(data=None, sample=b'{"a":' * 12_000)
@example(data=None, sample=b'{"prompt": "x", "take": ' + b"1" * 60_000 + b"}")
@example(data=None, sample=b'{"prompt": "x", "max_cost_usd": 1e-999999999}')
@example(data=None, sample=b'{"prompt": "\\ud800",}')  # was corrected to what no mail can hold
@example(data=None, sample=b'{"' + b'": 1, "'.join(b"%d" % n for n in range(6000)) + b'": 1}')
def test_a_spoilt_sidecar_is_read_or_rejected_with_a_mail(
    data: st.DataObject | None, sample: bytes
) -> None:
    spoilt = sample
    for piece in data.draw(st.lists(PIECES, max_size=4)) if data else ():
        place = data.draw(st.integers(0, len(spoilt))) if data else 0
        spoilt = spoilt[:place] + piece + spoilt[place + len(piece) // 2 :]
    try:
        assert parse_sidecar(spoilt[:MAX_SIDECAR_BYTES]).prompt
    except RejectedError as error:
        mail = drop_rejected("a/photo.jpg", error.problems, "clips/a/x.json", Links("r", "clips"))
        assert len(mail.text.encode()) + len(json.dumps(mail.document).encode()) < 200_000
