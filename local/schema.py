"""Writes the sidecar's JSON Schema for editors: `docs/sidecar.schema.json`.

It accepts what the parser accepts, but for what JSON Schema cannot say: that no field may be there
twice in two spellings (`Prompt` and `prompt`), and that entries of `takes` must make clips together
with the fields beside them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from dropreel.drops.kinds import any_case, whole
from dropreel.drops.sidecar import MAX_TAKES, Sidecar
from local.embedded_aws import ROOT

PATH = ROOT / "docs" / "sidecar.schema.json"
_EXAMPLES: list[dict[str, Any]] = [
    {"prompt": "slow push-in, soft light"},
    {
        "prompt": "Orbiting camera around the product, shimmering reflections",
        "aspect_ratio": "16:9",
        "resolution": "720p",
        "loop": True,
        "labels": {"campaign": "spring"},
    },
    {"prompt": "slow push-in", "takes": [{"provider": "fal"}, {"duration": "10s"}]},
    {"resolution": "1080p", "max_cost_usd": 2},
]
_TRUE = {"anyOf": [{"const": True}, {"type": "string", "pattern": whole(any_case("true"))}]}
_TEN = {"anyOf": [{"const": 10}, {"type": "string", "pattern": whole("10[Ss]?")}]}


def schema() -> str:
    model = Sidecar.model_json_schema()
    settings = model["properties"]
    fields = {**settings, "takes": _takes(settings)}
    body = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:dropreel:sidecar",
        "title": "Sidecar of dropreel",
        "description": "The prompt and settings for a clip. `prompt` may also come from another "
        "file: defaults.json, a text file beside the image, or the image's metadata.",
        "examples": _EXAMPLES,
        "type": "object",
        "properties": {"$schema": {"type": "string"}, **fields},
        "patternProperties": {_spelt(name): {"$ref": f"#/properties/{name}"} for name in fields},
        "additionalProperties": False,
        "allOf": [
            # A clip of ten seconds cannot be a loop, and takes have their numbers.
            {"anyOf": [_never("loop", _TRUE), _never("duration", _TEN)]},
            {"anyOf": [_never("take", {}), _never("takes", {})]},
        ],
    }
    return json.dumps(body, indent=2) + "\n"


def _takes(settings: Iterable[str]) -> dict[str, Any]:
    """A number of clips, or a list with what differs in each. The parser knows more of a list."""
    one = {
        "type": "object",
        "patternProperties": {_spelt(name): {"$ref": f"#/properties/{name}"} for name in settings},
        "additionalProperties": False,
    }
    return {
        "description": "Several clips of this image: how many, or what differs in each.",
        "title": "Takes",
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": MAX_TAKES},
            {"type": "string", "pattern": whole("[1-9]|1[0-6]")},
            {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_TAKES},
        ],
    }


def _spelt(name: str) -> str:
    """`max_cost_usd` in any case, with dashes or blanks."""
    return whole("[-_ ]".join(any_case(word) for word in name.split("_")))


def _never(name: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"patternProperties": {_spelt(name): {"not": value}}}


if __name__ == "__main__":
    PATH.write_text(schema(), encoding="utf-8")
