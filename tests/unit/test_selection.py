from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from dropreel.drops.selection import choose
from dropreel.drops.sidecar import Sidecar
from dropreel.errors import Problem, RejectedError
from dropreel.jobs.options import AspectRatio, Duration, Resolution
from dropreel.money.pricing import PriceList
from dropreel.providers.catalog import CATALOG

ALL = ("luma", "fal", "eachlabs", "oxen")


def wanted(**fields: Any) -> Sidecar:
    return Sidecar(prompt="x", **fields)


def problems_of(sidecar: Sidecar, providers: tuple[str, ...] = ALL) -> list[Problem]:
    with pytest.raises(RejectedError) as caught:
        choose(sidecar, 1600, 900, providers)
    return list(caught.value.problems)


@pytest.mark.parametrize("name", CATALOG)
def test_every_clip_that_a_provider_can_make_has_a_price(name: str) -> None:
    able = CATALOG[name].capability
    for resolution in able.resolutions:
        for duration in able.durations:
            assert PriceList().estimate(name, resolution, duration)


def test_every_size_and_length_can_be_made_by_somebody() -> None:
    rows = [row.capability for row in CATALOG.values()]
    assert {size for able in rows for size in able.resolutions} == set(get_args(Resolution))
    assert {length for able in rows for length in able.durations} == set(get_args(Duration))


@pytest.mark.parametrize("name", CATALOG)
def test_a_sidecar_may_name_every_provider_of_the_catalog_and_no_other(name: str) -> None:
    assert wanted(provider=name).provider == name
    assert wanted(provider=name.upper()).provider == name
    with pytest.raises(ValidationError, match="provider"):
        wanted(provider=f"{name}s")


@pytest.mark.parametrize(
    ("width", "height", "ratio"),
    [(1600, 900, "16:9"), (900, 1600, "9:16"), (1000, 1000, "1:1"), (4032, 3024, "4:3")],
)
def test_auto_takes_the_ratio_nearest_to_the_image(width: int, height: int, ratio: str) -> None:
    assert choose(wanted(), width, height, ALL).aspect_ratio == ratio


def test_auto_never_takes_a_ratio_that_is_not_certain_to_work() -> None:
    assert choose(wanted(provider="oxen"), 3000, 1000, ALL).aspect_ratio == "21:9"


def test_the_first_provider_that_can_gets_the_job() -> None:
    assert choose(wanted(), 16, 9, ALL).provider == "luma"
    assert choose(wanted(aspect_ratio="3:1"), 16, 9, ALL).provider == "oxen"


def test_what_is_not_certain_is_noted() -> None:
    choice = choose(wanted(provider="oxen", aspect_ratio="3:1", duration="10s"), 16, 9, ALL)
    assert choice.unconfirmed == ("10s", "3:1")
    assert choose(wanted(duration="10s"), 16, 9, ALL).unconfirmed == ()


def test_a_provider_that_cannot_is_refused_naming_those_that_can() -> None:
    (problem,) = problems_of(wanted(provider="luma", aspect_ratio="3:1"))
    assert problem.field == "aspect_ratio"
    assert problem.hint == "Providers that can: oxen"


def test_references_go_only_where_they_are_known() -> None:
    asked = wanted(provider="fal", reference_image_urls=("https://example.com/a.png",))
    (problem,) = problems_of(asked)
    assert problem.hint == "Providers that can: eachlabs, oxen"


def test_a_shape_that_no_provider_of_the_stack_makes_is_refused() -> None:
    (problem,) = problems_of(wanted(aspect_ratio="3:1"), ("luma", "fal"))
    assert problem.hint == "No provider of this stack can."


def test_a_provider_that_the_stack_does_not_use_is_refused() -> None:
    (problem,) = problems_of(wanted(provider="fal"), ("luma",))
    assert problem.allowed == "luma, auto (in this stack)"


@pytest.mark.parametrize("ratio", get_args(AspectRatio))
def test_every_ratio_can_be_made_by_somebody(ratio: Any) -> None:
    assert choose(wanted(aspect_ratio=ratio), 16, 9, ALL).aspect_ratio == ratio
