"""Writes the sidecar's JSON Schema for editors: `docs/sidecar.schema.json`."""

from __future__ import annotations

import json

from dropreel.drops.sidecar import Sidecar
from local.embedded_aws import ROOT

PATH = ROOT / "docs" / "sidecar.schema.json"


def schema() -> str:
    body = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Sidecar.model_json_schema(),
    }
    return json.dumps(body, indent=2) + "\n"


if __name__ == "__main__":
    PATH.write_text(schema(), encoding="utf-8")
