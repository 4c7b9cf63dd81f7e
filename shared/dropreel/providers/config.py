"""Adapters by name, and what an operator may set for each.

The stack passes the options as one JSON parameter, `{"eachlabs": {"auth": "x-api-key"}, ...}`.
Only the adapters that are named there, or asked for, are imported: a cold start pays for no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, Protocol
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Json

from dropreel.providers.base import KeySource, Provider
from dropreel.providers.catalog import ProviderName, row_of
from dropreel.settings import Settings

if TYPE_CHECKING:
    import httpx


def _secure(address: str) -> str:
    """The key is sent there, so nobody may listen on the way."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    here = parts.scheme == "http" and _is_this_machine(host)
    if not host or not (here or parts.scheme == "https"):
        raise ValueError("must begin with https://")
    return address


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


# Where an API is: https, but for a simulator on this machine.
ApiAddress = Annotated[str, AfterValidator(_secure)]


class Options(BaseModel):
    """Base of an adapter's options, with the defaults of its published contract.

    What a provider's documents leave open or contradict is an option, never a guess in code.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Adapter(Protocol):
    """A class that the catalog names: the model of its options, and how to make one."""

    options_model: type[Options]

    def __call__(self, options: Any, keys: KeySource, http: httpx.Client) -> Provider: ...


def build(
    name: str, options: Mapping[str, Options], keys: KeySource, http: httpx.Client
) -> Provider:
    """The adapter of that name. Raises SettingsError for a name that is not in the catalog."""
    adapter = _adapter(name)
    return adapter(options.get(name) or adapter.options_model(), keys, http)


def read_options(given: Mapping[str, Any]) -> dict[str, Options]:
    """The options of the providers that are named. Raises ValidationError for wrong ones."""
    return {name: _adapter(name).options_model.model_validate(own) for name, own in given.items()}


class ProviderSettings(Settings):
    provider_keys_secret: str
    provider_options: Json[Annotated[Mapping[ProviderName, Any], AfterValidator(read_options)]] = (
        Field(default_factory=dict)
    )


def _adapter(name: str) -> Adapter:
    module, _, class_name = row_of(name).adapter.partition(":")
    found: Adapter = getattr(import_module(module), class_name)
    return found
