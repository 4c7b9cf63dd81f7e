"""Once a day: whether each provider still accepts its key, and whether the model has changed.

Free calls only. What is found is compared with what was found before, and the operator is mailed
when it has become worse or other than it was. A mail that cannot be sent is sent with the next
sweep, because what was found counts as known only then.

Item: CHECKUP#<provider>, not to be looked at again before `due_at` (unix seconds), and what was
found last: `key` and `model`, each empty if all was well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dropreel.ledger.table import Item, Table, Update
from dropreel.mail.alerts import Alerts
from dropreel.observability import logger
from dropreel.providers.base import Access, Provider
from dropreel.providers.catalog import CATALOG
from dropreel.providers.checkup import Finding, Level, key_finding, model_finding

EVERY = timedelta(days=1)
LONGEST = timedelta(seconds=60)  # no provider is looked at after that; the next sweep goes on


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """Looks at the providers that have a key."""

    table: Table
    provider: Callable[[str], Provider]
    alerts: Alerts
    now: Callable[[], datetime]

    def check(self) -> None:
        """Look at each provider that is due."""
        begun = self.now()
        for name in CATALOG:
            if self.now() - begun > LONGEST:
                return
            try:
                self._look_at(name)
            except Exception:
                logger.exception("this provider could not be checked", provider=name)

    def _look_at(self, name: str) -> None:
        before = self.table.get(_key(name)) or {}
        now = self.now()
        if now.timestamp() < before.get("due_at", 0):
            return
        found = self._found(name, self.provider(name).access(), before)
        known = {
            subject: _state(finding)
            for subject, finding in found.items()
            if finding.told and self._is_known(name, subject, finding, before)
        }
        # What could not be checked or told is due with the next sweep.
        due_at = (now + EVERY).timestamp() if known.keys() == found.keys() else now.timestamp()
        self.table.update(Update(_key(name), sets={**known, "due_at": due_at}))

    def _found(self, name: str, access: Access, before: Item) -> dict[str, Finding]:
        """What there is to tell. A key that was never entered is no news."""
        if access.missing and "key" not in before:
            return {}
        key = key_finding(access)
        if not access.accepted:
            return {"key": key}
        return {
            "key": key,
            "model": model_finding(self.provider(name).inputs(), CATALOG[name].capability),
        }

    def _is_known(self, name: str, subject: str, finding: Finding, before: Item) -> bool:
        """Whether this was found before, needs no mail, or is mailed now."""
        state = _state(finding)
        news = state != before.get(subject, "") and state
        if not news or (finding.level is not Level.RED and subject not in before):
            return True
        logger.warning("a provider has changed", provider=name, subject=subject, found=state)
        return self.alerts.provider_changed(name, subject, finding, f"{self.now():%Y-%m-%d}")


def _state(finding: Finding) -> str:
    return "" if finding.level is Level.GREEN else finding.words


def _key(provider: str) -> str:
    return f"CHECKUP#{provider}"
