"""What an idle stack costs, counted from the template and from what its functions publish."""

from __future__ import annotations

import re

import pytest

from local.idle_cost import Cost, costs, published_when_idle, template
from tests.conftest import ROOT

MOST_USD = 5


@pytest.fixture(scope="module")
def counted() -> list[Cost]:
    return costs(template(), published_when_idle())


def total(counted: list[Cost]) -> float:
    return sum(cost.total_usd for cost in counted)


def test_an_idle_stack_costs_less_than_five_dollars_a_month(counted: list[Cost]) -> None:
    assert 1 < total(counted) < MOST_USD


def test_no_metric_is_published_when_nothing_happens() -> None:
    assert published_when_idle() == frozenset()


@pytest.mark.parametrize("page", ["README.md", "docs/aws.md"])
def test_the_documents_say_what_is_counted(counted: list[Cost], page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    (said,) = re.findall(r"[Aa]n idle stack costs \$(\d\.\d\d) a month", text)
    assert said == f"{total(counted):.2f}"


def test_another_alarm_is_counted() -> None:
    document = template()
    alarms = [name for name in document["Resources"] if name.endswith("Alarm")]
    document["Resources"]["AnotherAlarm"] = document["Resources"][alarms[0]]
    more = total(costs(document, [])) - total(costs(template(), []))
    assert more == pytest.approx(0.10)
