"""Which providers there are, and how to get one without loading the other three."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from dropreel.errors import SettingsError
from dropreel.providers.base import KeySource, Provider

if TYPE_CHECKING:
    from dropreel.providers.config import ProviderOptions

NAMES = ("eachlabs", "oxen", "fal", "luma")


def build(name: str, options: ProviderOptions, keys: KeySource, http: httpx.Client) -> Provider:
    """Return the adapter of that name; raises SettingsError for a name that is not in NAMES."""
    if name == "eachlabs":
        from dropreel.providers.eachlabs import Eachlabs

        return Eachlabs(options.eachlabs, keys, http)
    if name == "oxen":
        from dropreel.providers.oxen import Oxen

        return Oxen(options.oxen, keys, http)
    if name == "fal":
        from dropreel.providers.fal import Fal

        return Fal(options.fal, keys, http)
    if name == "luma":
        from dropreel.providers.luma import Luma

        return Luma(options.luma, keys, http)
    raise SettingsError(f"no provider {name!r}; there are {', '.join(NAMES)}")
