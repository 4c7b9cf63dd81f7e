"""A model's inputs as its provider publishes them, compared with what dropreel sends.

All four offer the same model and change it when they like. A field that is renamed is ignored or
refused, a value that is gone fails after it was ordered: better seen here first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dropreel.jobs.failure import FailureKind
from dropreel.providers import parse
from dropreel.providers.base import Failure, Inputs
from dropreel.providers.catalog import Capability

ALWAYS_SENT = ("prompt", "image_url", "aspect_ratio", "resolution", "duration")
_ON_DEMAND = ("loop", "reference_image_urls")
_MOST = 100  # fields, and values of one field, that are read
_DEPTH = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """`breaks`: orders that dropreel makes will be refused, or will not be what was asked for."""

    words: str
    breaks: bool


def same_names(*more: str) -> dict[str, str]:
    """What is sent under our own names."""
    return {name: name for name in (*ALWAYS_SENT, *more)}


def read_inputs(
    schema: object,
    sent: Mapping[str, str],
    known: frozenset[str],
    *,
    document: object = None,
    retired: bool = False,
) -> Inputs | Failure:
    """Read a JSON schema. `document` is what its references point into."""
    whole = _resolved(schema, document)
    properties = parse.at(whole, "properties")
    if not isinstance(properties, dict) or not properties:
        return Failure(FailureKind.UNEXPECTED, "no list of the model's fields in the answer")
    fields = {
        parse.short_word(str(name)): tuple(dict.fromkeys(_values(field, document)))
        for name, field in list(properties.items())[:_MOST]
    }
    named = parse.at(whole, "required")
    listed = named[:_MOST] if isinstance(named, list) else []
    required = frozenset(parse.short_word(str(name)) for name in listed)
    return Inputs(fields, required, sent, known, retired)


def _resolved(schema: object, document: object) -> object:
    reference = parse.text(parse.at(schema, "$ref"))
    return parse.at(document, *reference.removeprefix("#/").split("/")) if reference else schema


def _values(field: object, document: object, depth: int = _DEPTH) -> Iterator[str]:
    """The values of an enumeration, also of one among alternatives."""
    found = _resolved(field, document)
    listed = parse.at(found, "enum")
    for value in listed[:_MOST] if isinstance(listed, list) else ():
        if isinstance(value, str | int | float):
            yield parse.short_word(str(value))
    for name in ("anyOf", "oneOf", "allOf"):
        inner = parse.at(found, name)
        for one in inner if isinstance(inner, list) and depth else ():
            yield from _values(one, document, depth - 1)


def differences(inputs: Inputs, capability: Capability) -> list[Difference]:
    """How the published inputs differ from what dropreel sends and offers; empty if in nothing."""
    return [
        *_of_the_model(inputs),
        *_of_fields(inputs, capability),
        *_of_values(inputs, capability),
    ]


def _of_the_model(inputs: Inputs) -> Iterator[Difference]:
    if inputs.retired:
        yield Difference("the provider is going to retire the model", breaks=False)


def _of_fields(inputs: Inputs, capability: Capability) -> Iterator[Difference]:
    sent = {ours: theirs for ours, theirs in inputs.sent.items() if theirs}
    if not capability.references:
        sent.pop("reference_image_urls", None)
    for ours, theirs in sent.items():
        if theirs not in inputs.fields:
            breaks = ours not in capability.unconfirmed and ours not in _ON_DEMAND
            yield Difference(f"{theirs} is not among its fields, but dropreel sends it", breaks)
    for name in sorted(inputs.required - {*sent.values(), *inputs.known}):
        yield Difference(f"it requires {name}, which dropreel does not send", breaks=True)
    for name in sorted(inputs.fields.keys() - inputs.required - {*sent.values(), *inputs.known}):
        yield Difference(f"it has a new field, {name}", breaks=False)


def _of_values(inputs: Inputs, capability: Capability) -> Iterator[Difference]:
    offered = {
        "aspect_ratio": capability.ratios,
        "resolution": capability.resolutions,
        "duration": capability.durations,
    }
    for ours, values in offered.items():
        name = inputs.sent.get(ours, "")
        live = {_unit(value): value for value in inputs.fields.get(name, ())}
        used = {_unit(value): value for value in values}
        for gone in (value for key, value in used.items() if live and key not in live):
            breaks = gone not in capability.unconfirmed
            yield Difference(f"{name} no longer takes {gone}", breaks)
        new = [value for key, value in live.items() if key not in used]
        if new:
            yield Difference(f"{name} also takes {', '.join(new)}", breaks=False)


def _unit(value: str) -> str:
    """5 and `5s` are the same duration."""
    return value.removesuffix("s")
