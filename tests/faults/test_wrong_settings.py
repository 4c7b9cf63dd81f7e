"""A setting that is wrong reaches the operator, costs nothing, and leaves no job behind."""

from __future__ import annotations

import json

import pytest

from local.faults.ends import ends_of
from local.faults.faults import Cell
from local.faults.scenarios import Scenario
from local.faults.services import OPERATORS
from local.faults.world import World

CELL = Cell("luma", "success")


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ('{"luma": {"modell": "ray-3.2"}}', "accident"),
        ('{"luma": ', "accident"),
        ({"luma": {"model": "ray-9"}}, "no_model"),
    ],
)
def test_a_wrong_provider_option_is_mailed_to_the_operator(
    played_in: World, monkeypatch: pytest.MonkeyPatch, options: object, kind: str
) -> None:
    usual = Scenario.parameters.fget  # type: ignore[attr-defined]
    if isinstance(options, dict):
        address = played_in.providers.base_url("luma")
        options = json.dumps({"luma": {"base_url": address, **options["luma"]}})
    wrong = {"PROVIDER_OPTIONS": options}
    monkeypatch.setattr(Scenario, "parameters", property(lambda it: {**usual(it), **wrong}))
    played_in.play(CELL)
    (end,) = ends_of(played_in, CELL)
    mails = [mail for mail in end.mails if mail.topic == OPERATORS]
    assert sum(f"({kind})" in mail.text for mail in mails) == 1
    assert not end.ordered
    assert end.committed_usd == 0
    assert "unsettled" not in end.job
