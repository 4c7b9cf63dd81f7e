"""What a free look at a provider finds: the adapters on the simulators, which can drift."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from dropreel.providers.base import Provider
from dropreel.providers.catalog import CATALOG
from dropreel.providers.checkup import Finding, Level, key_finding, model_finding
from dropreel.providers.config import build, read_options
from local.simulators import Simulators
from tests.simulators.caller import KEYS, Caller
from tests.support.providers import UNREADABLE, Keys

PUBLISHING = ("eachlabs", "oxen", "fal")
ELSEWHERE = {"eachlabs": "model", "oxen": "model", "fal": "endpoint"}


def adapter(
    simulators: Simulators, http: httpx.Client, name: str, key: str = "", **options: Any
) -> Provider:
    own = {"base_url": simulators.base_url(name), **options}
    if name == "fal":
        own = {"api_base_url": f"{simulators.origin}/fal-api", **own}
    return build(name, read_options({name: own}), Keys(key or KEYS[name]), http)


def model(provider: Provider) -> Finding:
    return model_finding(provider.inputs(), CATALOG[provider.name].capability)


# --- keys ---------------------------------------------------------------------------------------


def test_a_good_key_is_accepted_and_nothing_is_ordered(caller: Caller, http: httpx.Client) -> None:
    found = key_finding(adapter(caller.simulators, http, caller.provider).access())
    assert (found.level, found.words.partition(",")[0]) == (Level.GREEN, "the key is accepted")
    assert caller.simulators.accepted() == 0
    assert caller.simulators.calls(caller.provider, "submit") == 0


def test_the_balance_is_told_where_it_is_known(eachlabs: Caller, http: httpx.Client) -> None:
    found = key_finding(adapter(eachlabs.simulators, http, "eachlabs").access())
    assert found.words == "the key is accepted, balance $53.48"


def test_a_wrong_key_is_red_in_the_providers_words(caller: Caller, http: httpx.Client) -> None:
    found = key_finding(
        adapter(caller.simulators, http, caller.provider, "wrong-key-0123").access()
    )
    assert found.level is Level.RED
    assert found.words.startswith("the key is not accepted: ")
    assert "wrong-key" not in found.words


def test_a_missing_key_is_red_and_says_where_to_enter_it(
    caller: Caller, http: httpx.Client
) -> None:
    found = key_finding(build(caller.provider, {}, Keys(""), http).access())
    assert (found.level, found.words) == (Level.RED, "there is no key")
    assert "ProviderKeysSecretUrl" in found.todo


def test_a_key_that_cannot_be_read_or_checked_is_yellow(caller: Caller, http: httpx.Client) -> None:
    unreadable = adapter(caller.simulators, http, caller.provider, UNREADABLE)
    nobody = build(
        caller.provider,
        read_options({caller.provider: {"base_url": "http://127.0.0.1:1"}}),
        Keys(),
        http,
    )
    for provider in (unreadable, nobody):
        found = key_finding(provider.access())
        assert (found.level, found.told) == (Level.YELLOW, False)


def test_a_key_of_fal_that_may_not_list_requests_is_yellow() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(403 if "by-endpoint" in request.url.path else 404)

    http = httpx.Client(transport=httpx.MockTransport(answer))
    found = key_finding(build("fal", {}, Keys(), http).access())
    assert (found.level, "may not list requests" in found.words) == (Level.YELLOW, True)


# --- the model's inputs -------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLISHING)
def test_an_unchanged_model_is_green(simulators: Simulators, http: httpx.Client, name: str) -> None:
    assert model(adapter(simulators, http, name)).level is Level.GREEN


def test_luma_publishes_no_list_of_fields(simulators: Simulators, http: httpx.Client) -> None:
    assert model(adapter(simulators, http, "luma")).level is Level.GREEN


@pytest.mark.parametrize("name", PUBLISHING)
@pytest.mark.parametrize(
    ("change", "level", "words"),
    [
        ("-prompt", Level.RED, "prompt is not among its fields, but dropreel sends it"),
        ("!style", Level.RED, "it requires style, which dropreel does not send"),
        ("aspect_ratio-16:9", Level.RED, "aspect_ratio no longer takes 16:9"),
        ("resolution-540p", Level.RED, "resolution no longer takes 540p"),
        ("duration-5s", Level.RED, "duration no longer takes 5s"),
        ("-loop", Level.YELLOW, "loop is not among its fields, but dropreel sends it"),
        ("+camera", Level.YELLOW, "it has a new field, camera"),
        ("aspect_ratio+9:21", Level.YELLOW, "aspect_ratio also takes 9:21"),
        ("resolution+4k", Level.YELLOW, "resolution also takes 4k"),
    ],
)
def test_a_change_of_the_model_is_named(
    simulators: Simulators, http: httpx.Client, name: str, change: str, level: Level, words: str
) -> None:
    simulators.set_drift(name, change)
    found = model(adapter(simulators, http, name))
    assert (found.level, found.words) == (level, words)
    assert found.todo


def test_several_changes_are_named_in_one_line(simulators: Simulators, http: httpx.Client) -> None:
    simulators.set_drift("oxen", "-input_image", "+image_url", "duration-10s")
    found = model(adapter(simulators, http, "oxen"))
    assert found.level is Level.RED
    assert found.words == (
        "input_image is not among its fields, but dropreel sends it; "
        "it has a new field, image_url; duration no longer takes 10s"
    )


def test_a_change_of_unconfirmed_values_is_yellow(
    simulators: Simulators, http: httpx.Client
) -> None:
    simulators.set_drift("oxen", "duration-10s", "aspect_ratio-3:1")
    assert model(adapter(simulators, http, "oxen")).level is Level.YELLOW


@pytest.mark.parametrize("name", PUBLISHING)
def test_a_model_that_the_provider_does_not_know_is_red(
    simulators: Simulators, http: httpx.Client, name: str
) -> None:
    found = model(adapter(simulators, http, name, **{ELSEWHERE[name]: "luma/other"}))
    assert found.level is Level.RED
    assert "ProviderOptions" in found.todo


def test_fields_with_other_names_are_compared_by_the_operators_map(
    start: Any, http: httpx.Client
) -> None:
    theirs = {**start().settings.eachlabs_fields, "image_url": "start_image_url"}
    renamed = start(eachlabs_fields=theirs)
    assert model(adapter(renamed, http, "eachlabs")).level is Level.RED
    mapped = adapter(renamed, http, "eachlabs", fields=theirs)
    assert model(mapped).level is Level.GREEN


@pytest.mark.parametrize("name", PUBLISHING)
@pytest.mark.parametrize(
    "body", [{}, [], "text", {"request_schema": {"properties": []}}, {"models": [{"openapi": 7}]}]
)
def test_an_answer_without_a_schema_is_yellow(name: str, body: object) -> None:
    http = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json=body)))
    found = model(build(name, {}, Keys(), http))
    assert (found.level, found.told) == (Level.YELLOW, False)


def test_an_unknown_change_is_refused(simulators: Simulators) -> None:
    with pytest.raises(ValueError, match="no change of a schema"):
        simulators.set_drift("fal", "loop")
