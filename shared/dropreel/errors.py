"""Everything that dropreel raises.

DropreelError
├── RejectedError             what was dropped cannot become a clip; its owner can correct it
├── UnreadableError           a file that does not say anything, in words for its owner
├── ClipInvalidError          the downloaded file is no video
├── DownloadError             the clip could not be fetched this time; trying again may help
│   ├── UrlExpiredError       its address is no longer good: ask the provider for a fresh one
│   ├── ClipCutShortError     its end is missing
│   └── ClipTooSlowError      it does not come within one run of the function
├── UnsafeUrlError            an address that must not be fetched: not https, or not public
├── SettingsError             the stack is configured wrongly; the operator can correct it
├── KeyUnreadableError        the secret with the keys cannot be read just now; it may pass
├── AddressTooShortError      the image's address would end too early; nothing was ordered
├── OperatorError             what an operator asks for cannot be done; nothing was changed
├── CapReachedError           the order would pass a cap; nothing was reserved
├── MailBusyError             somebody else is sending this mail
├── PageKeyError              the key that signs links cannot be read, or is too short
├── LinkInvalidError          this link opens nothing
│   └── LinkExpiredError      it did, until its end
└── LedgerError
    ├── LedgerConflictError   the job is not in a state that allows this step
    ├── ConditionFailedError  a condition of a write did not hold; nothing was changed
    └── ContentionError       too many others write the same items; nothing was changed
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

UNKNOWN_FIELD = "an unknown field"  # found, in a Problem


class DropreelError(Exception):
    """Base of all errors of this project."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a drop, in words for the person who dropped it.

    `field` is a sidecar field or a file's role (`image`, `sidecar`), `found` what was there,
    `allowed` what may be there; `hint` names the nearest correction where one is known, and
    `corrected` is a whole file that would be right, ready to paste. `text` says it in a sentence
    for a mail, where `found` and `allowed` alone would not read well.
    """

    field: str
    found: str
    allowed: str
    hint: str = ""
    corrected: str = ""
    text: str = ""

    def within(self, place: str) -> Problem:
        """The same as one of a part of a file, such as `row 3,`."""
        text = f"{place.rstrip(',:')}: {self.text}" if self.text else ""
        return replace(self, field=f"{place} {self.field}", text=text)

    def __str__(self) -> str:
        text = f"{self.field}: found {self.found}; allowed: {self.allowed}"
        return f"{text}. {self.hint}" if self.hint else text


class RejectedError(DropreelError):
    """The drop cannot become a clip. Carries every problem found, not just the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class UnreadableError(DropreelError):
    """A file that does not say anything: what was found, and what may be there."""

    def __init__(self, found: str, allowed: str) -> None:
        super().__init__(found)
        self.allowed = allowed

    def problem(self, role: str) -> Problem:
        return Problem(role, str(self), self.allowed)


class ClipInvalidError(DropreelError):
    """The file is no MP4 video."""


class DownloadError(DropreelError):
    """The clip could not be fetched this time."""


class ClipCutShortError(DownloadError):
    """The file begins like a clip, and its end is missing."""


class UnsafeUrlError(DropreelError):
    """The address is not https, or leads to a host that is not public."""


class SettingsError(DropreelError):
    """The stack is configured wrongly."""


class KeyUnreadableError(DropreelError):
    """The secret of the provider keys cannot be read just now; says nothing about the keys."""


class AddressTooShortError(DropreelError):
    """The image's address would end before its provider may have fetched the image."""


class OperatorError(DropreelError):
    """What an operator asks for cannot be done; nothing was changed. Says what to do instead."""


class MailBusyError(DropreelError):
    """Somebody else is sending this mail; try again to be sure that it was sent."""


class PageKeyError(DropreelError):
    """The key that signs links to pages cannot be read, or is too short to be one."""


class LinkInvalidError(DropreelError):
    """This link opens nothing. The message never holds any part of it."""


class LinkExpiredError(LinkInvalidError):
    """This link opened a page until its end."""


class LedgerError(DropreelError):
    """A write to the ledger that changed nothing."""


class LedgerConflictError(LedgerError):
    """The job is not in a state that allows this step."""


class ConditionFailedError(LedgerError):
    """A condition did not hold; `index` tells which write's, `item` what lay there instead."""

    def __init__(self, index: int, item: dict[str, Any]) -> None:
        super().__init__(f"condition of write {index} failed")
        self.index = index
        self.item = item


class ContentionError(LedgerError):
    """Too many others wrote the same items at the same time."""
