"""What the simulators publish and name beside jobs: schemas that drift, balances, addresses."""

from __future__ import annotations

import pytest

from local.simulators.drift import drifted
from tests.simulators.caller import FAL_ENDPOINT, MODEL, Caller, control


def read(caller: Caller, path: str, status: int = 200) -> dict[str, object]:
    answer = caller.http.get(caller.url(path), headers=caller.headers)
    assert answer.status_code == status
    found: dict[str, object] = answer.json()
    return found


def fields_of_fal(caller: Caller) -> set[str]:
    wanted = f"{caller.simulators.origin}/fal-api/v1/models?endpoint_id={FAL_ENDPOINT}"
    document = caller.http.get(wanted).json()["models"][0]["openapi"]
    assert f"/{FAL_ENDPOINT}" in document["paths"]
    return set(document["components"]["schemas"]["Input"]["properties"])


def test_fal_publishes_its_fields_by_endpoint(fal: Caller) -> None:
    assert {"prompt", "image_url", "keyframes"} <= fields_of_fal(fal)
    other = fal.http.get(f"{fal.simulators.origin}/fal-api/v1/models?endpoint_id=other/model")
    assert other.json()["models"] == []


def test_a_schema_drifts_until_the_reset(fal: Caller) -> None:
    before = fields_of_fal(fal)
    assert control(fal, "drift", provider="fal", changes=["-loop", "+seed"]).status_code == 200
    assert fields_of_fal(fal) == before - {"loop"} | {"seed"}
    control(fal, "reset")
    assert fields_of_fal(fal) == before


def test_an_unknown_drift_is_refused(fal: Caller) -> None:
    assert control(fal, "drift", provider="fal", changes=["loop"]).status_code == 400


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("-a", {"required": [], "properties": {"b": {"enum": ["1"]}}}),
        ("b+2", {"required": ["a"], "properties": {"a": {}, "b": {"enum": ["1", "2"]}}}),
        ("b-1", {"required": ["a"], "properties": {"a": {}, "b": {"enum": []}}}),
    ],
)
def test_each_change_is_made_to_a_copy(change: str, expected: dict[str, object]) -> None:
    schema = {"required": ["a"], "properties": {"a": {}, "b": {"enum": ["1"]}}}
    assert drifted(schema, [change]) == expected
    assert drifted(schema, []) == schema


def test_eachlabs_tells_its_balance_and_its_model_at_both_addresses(eachlabs: Caller) -> None:
    assert read(eachlabs, "/v1/billing/balance")["balance_usd"] == 53.475
    assert read(eachlabs, f"/v1/models/{MODEL}") == read(eachlabs, f"/v1/model?slug={MODEL}")
    read(eachlabs, "/v1/models/other", 404)


def test_eachlabs_limits_jobs_or_the_rate(eachlabs: Caller) -> None:
    jobs, rate = (eachlabs.submit(f"[sim: submit=429{code}]") for code in ("", " code=rate"))
    assert "concurrent" in jobs.text
    assert "Rate limit exceeded" in rate.text


def test_an_order_of_fal_with_full_addresses_is_known_at_no_other_one(fal: Caller) -> None:
    order = fal.submit("[sim: addresses=full]").json()
    assert f"/fal/{FAL_ENDPOINT}/requests/" in order["status_url"]
    assert fal.http.get(order["status_url"], headers=fal.headers).status_code in (200, 202)
    read(fal, f"/luma/agent/requests/{order['request_id']}/status", 404)
    plain = fal.submit().json()
    assert FAL_ENDPOINT not in plain["status_url"]
