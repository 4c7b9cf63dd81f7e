"""Takes to compare in the demo: each differs from the first in one thing."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle, islice

from dropreel.drops.sidecar import MAX_TAKES

_VARIATIONS: tuple[Mapping[str, str], ...] = (
    {},
    {"prompt": "Slow orbit to the left around the subject, soft light, calm"},
    {"provider": "fal"},
    {"resolution": "720p"},
    {"provider": "oxen"},
    {"prompt": "Static camera, only the sky and the water move"},
    {"provider": "eachlabs"},
    {"aspect_ratio": "1:1"},
)


def variations(wanted: str) -> list[Mapping[str, str]]:
    """As many takes as TAKES says; none where it says nothing. Raises ValueError."""
    if not wanted:
        return []
    if not wanted.isdecimal() or not 1 <= int(wanted) <= MAX_TAKES:
        raise ValueError(f"TAKES={wanted} is no whole number from 1 to {MAX_TAKES}.")
    return list(islice(cycle(_VARIATIONS), int(wanted)))
