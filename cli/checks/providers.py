"""The providers: keys, models, and whether orders to them go."""

from __future__ import annotations

from functools import partial

from cli.checks.visit import Check, Visit, green, red, yellow
from dropreel.errors import SettingsError
from dropreel.ledger.breaker import Breaker
from dropreel.ledger.slots import SlotSettings
from dropreel.money.policy import SpendingSettings
from dropreel.providers.catalog import CATALOG
from dropreel.providers.checkup import Finding, key_finding, model_finding
from dropreel.providers.config import ProviderSettings


def settings(visit: Visit) -> Finding:
    try:
        for kind in (ProviderSettings, SlotSettings, SpendingSettings):
            visit.container.settings(kind)
    except SettingsError as error:
        return red(str(error), "Correct the parameter: make set PARAM=<name> VALUE='<value>'")
    return green("the parameters can be read")


def of_providers() -> list[Check]:
    return [
        check
        for name in CATALOG
        for check in (
            Check(f"key of {name}", partial(_key, name)),
            Check(f"model at {name}", partial(_model, name)),
        )
    ]


def _key(name: str, visit: Visit) -> Finding:
    access = visit.provider(name).access()
    if access.missing and name not in visit.used:
        return green("there is no key, and no job needs one: it is not in Providers")
    return key_finding(access)


def _model(name: str, visit: Visit) -> Finding:
    provider = visit.provider(name)
    if provider.check_key():
        return green("not checked: there is no key")
    return model_finding(provider.inputs(), CATALOG[name].capability)


def orders(visit: Visit) -> Finding:
    """Circuit breakers and rate limits."""
    now = visit.now().timestamp()
    breaker = Breaker(visit.container.table)
    states = {name: breaker.state(name, now) for name in CATALOG}
    down = [
        f"{name} ({found.reason or 'no reason'})"
        for name, found in states.items()
        if found and not found.limited
    ]
    if down:
        todo = "Check the key, the credit and the status page of the provider. Its jobs wait."
        return red(f"nothing is ordered from {', '.join(down)}", todo)
    limited = [name for name, found in states.items() if found]
    if limited:
        words = f"{' and '.join(limited)} limits the rate of orders just now"
        return yellow(words, "Nothing: it passes by itself.")
    return green("no provider is stopped")
