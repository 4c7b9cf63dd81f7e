"""What a provider publishes of its model, and what a free call says of a key."""

from __future__ import annotations

from typing import Any

import pytest

from dropreel.jobs.failure import FailureKind
from dropreel.providers.base import Access, Failure, Inputs
from dropreel.providers.catalog import CATALOG, Capability
from dropreel.providers.checkup import Level, key_finding, model_finding
from dropreel.providers.schema import Difference, differences, read_inputs, same_names
from tests.support.providers import Keys, adapter, fault, says

VALUES = {
    "aspect_ratio": ["16:9", "9:16", "1:1", "4:3", "3:4", "21:9"],
    "resolution": ["540p", "720p", "1080p"],
    "duration": ["5s", "10s"],
}
PLAIN = ("prompt", "image_url", "loop", "reference_image_urls", "keyframes", "keyframe_indexes")


def schema(**changes: Any) -> dict[str, Any]:
    """The model's inputs as fal has them; a change of None leaves a field out."""
    fields: dict[str, Any] = {name: {"type": "string"} for name in PLAIN}
    fields |= {name: {"enum": values} for name, values in VALUES.items()}
    fields |= changes
    kept = {name: field for name, field in fields.items() if field is not None}
    return {"type": "object", "required": ["prompt"], "properties": kept}


def published(name: str, inputs: dict[str, Any]) -> object:
    """The answer in which each provider publishes a schema."""
    if name == "eachlabs":
        return {"slug": "luma-ray", "request_schema": inputs}
    if name == "oxen":
        return {"id": "luma-ray", "json_request_schema": inputs}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/In"}}}}
    document = {
        "paths": {"/luma/agent/ray/v3.2/image-to-video": {"post": {"requestBody": body}}},
        "components": {"schemas": {"In": inputs}},
    }
    return {"models": [{"metadata": {"status": "active"}, "openapi": document}]}


@pytest.mark.parametrize(
    ("name", "url", "changes"),
    [
        ("eachlabs", "https://api.eachlabs.ai/v1/models/luma-ray-v3-2-image-to-video", {}),
        (
            "oxen",
            "https://hub.oxen.ai/api/ai/models/luma-ray-v3-2-image-to-video",
            {"image_url": None, "input_image": {}, "aspect_ratio": {}},
        ),
        (
            "fal",
            (
                "https://api.fal.ai/v1/models?endpoint_id=luma%2Fagent%2Fray%2Fv3.2%2Fimage-to-video"
                "&expand=openapi-3.0"
            ),
            {"reference_image_urls": None},
        ),
    ],
)
def test_the_inputs_are_read_where_the_provider_publishes_them(
    name: str, url: str, changes: dict[str, Any]
) -> None:
    known = dict.fromkeys(("keyframes", "keyframe_indexes")) if name == "oxen" else {}
    provider, script = adapter(name, [says(200, published(name, schema(**changes, **known)))])
    inputs = provider.inputs()
    assert isinstance(inputs, Inputs)
    assert differences(inputs, CATALOG[name].capability) == []
    assert [str(request.url) for request in script.seen] == [url]


def test_the_older_address_of_eachlabs_is_read_where_there_is_no_newer_one() -> None:
    answers = [says(404, {}), says(200, published("eachlabs", schema()))]
    provider, script = adapter("eachlabs", answers)
    assert isinstance(provider.inputs(), Inputs)
    assert script.seen[1].url.path == "/v1/model"


@pytest.mark.parametrize("name", ["eachlabs", "oxen", "fal"])
def test_a_model_that_is_not_known_is_told_from_one_that_cannot_be_read(name: str) -> None:
    unknown = adapter(name, [says(404, {})] * 2)[0].inputs()
    away = adapter(name, [fault("ReadTimeout")])[0].inputs()
    assert isinstance(unknown, Failure)
    assert isinstance(away, Failure)
    assert (unknown.kind, away.kind) == (FailureKind.NO_MODEL, FailureKind.TRANSIENT)


def test_an_endpoint_that_fal_does_not_list_is_not_known() -> None:
    found = adapter("fal", [says(200, {"models": []})])[0].inputs()
    assert isinstance(found, Failure)
    assert found.kind is FailureKind.NO_MODEL


def test_a_model_that_fal_retires_is_yellow() -> None:
    answer: Any = published("fal", schema(reference_image_urls=None))
    answer["models"][0]["metadata"]["status"] = "deprecated"
    inputs = adapter("fal", [says(200, answer)])[0].inputs()
    found = model_finding(inputs, CATALOG["fal"].capability)
    assert (found.level, found.words) == (
        Level.YELLOW,
        "the provider is going to retire the model",
    )


def test_luma_publishes_nothing_and_is_not_asked() -> None:
    provider, script = adapter("luma", [])
    assert provider.inputs() is None
    assert script.seen == []


def test_values_are_found_in_alternatives_references_and_other_units() -> None:
    document = {"defs": {"Ratio": {"enum": VALUES["aspect_ratio"]}}}
    given = schema(
        aspect_ratio={"anyOf": [{"$ref": "#/defs/Ratio"}, {"type": "null"}]},
        duration={"enum": [5, 10]},
    )
    inputs = read_inputs(given, same_names("loop"), frozenset(PLAIN), document=document)
    assert isinstance(inputs, Inputs)
    assert differences(inputs, Capability()) == []


@pytest.mark.parametrize(
    "given", [None, [], {"properties": {}}, {"properties": 7}, {"$ref": "#/x"}]
)
def test_what_is_no_schema_is_a_failure(given: object) -> None:
    found = read_inputs(given, same_names(), frozenset())
    assert isinstance(found, Failure)
    assert found.kind is FailureKind.UNEXPECTED


@pytest.mark.parametrize(
    ("changes", "capability", "expected"),
    [
        (
            {"prompt": None},
            Capability(),
            [Difference("prompt is not among its fields, but dropreel sends it", breaks=True)],
        ),
        (
            {"loop": None},
            Capability(),
            [Difference("loop is not among its fields, but dropreel sends it", breaks=False)],
        ),
        ({"camera": {}}, Capability(), [Difference("it has a new field, camera", breaks=False)]),
        (
            {"duration": {"enum": ["5s"]}},
            Capability(unconfirmed=frozenset({"10s"})),
            [Difference("duration no longer takes 10s", breaks=False)],
        ),
        (
            {"resolution": {"enum": ["720p", "1080p", "4k", "8k"]}},
            Capability(),
            [
                Difference("resolution no longer takes 540p", breaks=True),
                Difference("resolution also takes 4k, 8k", breaks=False),
            ],
        ),
    ],
)
def test_differences_are_named_with_what_they_break(
    changes: dict[str, Any], capability: Capability, expected: list[Difference]
) -> None:
    inputs = read_inputs(schema(**changes), same_names("loop"), frozenset(PLAIN))
    assert isinstance(inputs, Inputs)
    assert differences(inputs, capability) == expected


def test_a_field_that_is_required_and_not_sent_breaks_orders() -> None:
    given = {**schema(style={}), "required": ["prompt", "style"]}
    found = model_finding(read_inputs(given, same_names("loop"), frozenset(PLAIN)), Capability())
    assert (found.level, found.words) == (
        Level.RED,
        "it requires style, which dropreel does not send",
    )


# --- keys ---------------------------------------------------------------------------------------

GOOD = {
    "eachlabs": ("https://api.eachlabs.ai/v1/billing/balance", {"balance_usd": 12.5}),
    "oxen": ("https://hub.oxen.ai/api/ai/queue?model=luma-ray-v3-2-image-to-video", {"count": 0}),
    "luma": ("https://agents.lumalabs.ai/v1/files?limit=1", {"data": []}),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_key_is_tried_with_one_free_call(name: str) -> None:
    url, body = GOOD[name]
    provider, script = adapter(name, [says(200, body)])
    assert provider.access().accepted is True
    assert [(request.method, str(request.url)) for request in script.seen] == [("GET", url)]


def test_the_balance_of_eachlabs_is_told() -> None:
    access = adapter("eachlabs", [says(200, {"balance_usd": 12.5})])[0].access()
    assert key_finding(access).words == "the key is accepted, balance $12.50"


@pytest.mark.parametrize(
    ("listing", "level"), [(200, Level.GREEN), (403, Level.YELLOW), (500, Level.GREEN)]
)
def test_fal_is_asked_of_a_request_that_there_is_not_and_for_its_list(
    listing: int, level: Level
) -> None:
    provider, script = adapter("fal", [says(404, {}), says(listing, {})])
    assert key_finding(provider.access()).level is level
    assert [request.method for request in script.seen] == ["GET", "GET"]


@pytest.mark.parametrize("name", CATALOG)
@pytest.mark.parametrize(
    ("step", "accepted"), [(says(401, {}), False), (says(403, {}), False), (says(500, {}), None)]
)
def test_what_the_provider_answers_decides(name: str, step: Any, accepted: bool | None) -> None:
    assert adapter(name, [step])[0].access().accepted is accepted


@pytest.mark.parametrize("name", CATALOG)
def test_without_a_key_nobody_is_asked(name: str) -> None:
    provider, script = adapter(name, [], Keys(""))
    access = provider.access()
    assert (access.accepted, access.missing) == (False, True)
    assert key_finding(access).level is Level.RED
    assert script.seen == []


def test_a_key_that_cannot_be_checked_is_yellow_and_not_told() -> None:
    found = key_finding(Access(accepted=None, words="timed out"))
    assert (found.level, found.told) == (Level.YELLOW, False)
