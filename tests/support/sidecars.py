"""A sidecar that lies beside its image alone."""

from __future__ import annotations

from dropreel.drops.fields import Merged, json_fields
from dropreel.drops.sidecar import Sidecar, checked


def parse_sidecar(data: bytes, origin: str = "sidecar") -> Sidecar:
    """What the JSON file says. Raises RejectedError with all problems."""
    return checked(Merged.of([json_fields(origin, data)]))
