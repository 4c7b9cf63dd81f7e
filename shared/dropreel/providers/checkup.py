"""What a free look at a provider has found: of the key, and of the model's inputs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dropreel.jobs.failure import FailureKind
from dropreel.providers.base import Access, Failure, Inputs
from dropreel.providers.catalog import Capability
from dropreel.providers.schema import differences


class Level(StrEnum):
    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, in one line, and what to do about it; nothing where it is green.

    `told`: it could be checked at all.
    """

    level: Level
    words: str
    todo: str = ""
    told: bool = True


_LATER = "Try again in a few minutes."
_ENTER_KEY = "Enter the key: the stack's output ProviderKeysSecretUrl opens the secret."
_OTHER_KEY = "Check the key and the account: the stack's output ProviderKeysSecretUrl opens it."
_OTHER_SCOPE = "Use a key that may, or settle lost orders by hand when a mail asks for it."
_MODEL = (
    "Correct the model or endpoint in the parameter ProviderOptions, or remove it there to use the "
    "default."
)
_BREAKS = (
    "Orders may be refused or come out differently. Correct ProviderOptions (docs/providers.md), "
    "or use another provider until there is a newer version of dropreel."
)
_CHANGED = "Nothing has to be done now: a newer version of dropreel may know it."


def key_finding(access: Access) -> Finding:
    if access.missing:
        return Finding(Level.RED, "there is no key", _ENTER_KEY)
    if access.accepted is None:
        words = f"the key could not be checked: {access.words}"
        return Finding(Level.YELLOW, words, _LATER, told=False)
    if not access.accepted:
        return Finding(Level.RED, f"the key is not accepted: {access.words}", _OTHER_KEY)
    if access.lacks:
        return Finding(Level.YELLOW, f"the key is accepted, but {access.lacks}", _OTHER_SCOPE)
    more = f", {access.words}" if access.words else ""
    return Finding(Level.GREEN, f"the key is accepted{more}")


def model_finding(inputs: Inputs | Failure | None, capability: Capability) -> Finding:
    if inputs is None:
        return Finding(Level.GREEN, "the provider publishes no list of the model's fields")
    if isinstance(inputs, Failure):
        if inputs.kind is FailureKind.NO_MODEL:
            return Finding(Level.RED, f"the model is not known there: {inputs.message}", _MODEL)
        words = f"the model's fields could not be read: {inputs.message}"
        return Finding(Level.YELLOW, words, _LATER, told=False)
    found = differences(inputs, capability)
    if not found:
        return Finding(Level.GREEN, f"the model's {len(inputs.fields)} fields are as expected")
    words = "; ".join(one.words for one in found)
    if any(one.breaks for one in found):
        return Finding(Level.RED, words, _BREAKS)
    return Finding(Level.YELLOW, words, _CHANGED)
