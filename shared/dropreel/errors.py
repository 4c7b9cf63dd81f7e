"""Everything that dropreel raises.

DropreelError
├── RejectedError         what was dropped cannot become a clip; people can mend it
├── ClipInvalidError      the downloaded file is not the clip that was asked for
├── DownloadError         the clip could not be fetched this time; asking again may help
├── UnsafeUrlError        an address that must not be fetched: not https, or not public
├── SettingsError         the stack is configured wrongly; the operator can mend it
├── ResumeError           an operator's word on a job that cannot be followed
└── LedgerConflictError   the job is not in a state that allows this step
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class DropreelError(Exception):
    """Base of all errors of this project."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a drop, in words for the person who dropped it.

    `field` is a sidecar field or a file's role (`image`, `sidecar`), `found` what was there,
    `allowed` what may be there; `hint` names the nearest mend where one is known.
    """

    field: str
    found: str
    allowed: str
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.field}: found {self.found}; allowed: {self.allowed}"
        return f"{text}. {self.hint}" if self.hint else text


class RejectedError(DropreelError):
    """The drop cannot become a clip. Carries every problem found, not just the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class ClipInvalidError(DropreelError):
    """The file is not the clip that was asked for: no MP4, cut short, wrong length or shape."""


class DownloadError(DropreelError):
    """The clip could not be fetched this time."""


class UnsafeUrlError(DropreelError):
    """The address is not https, or leads to a host that is not public."""


class SettingsError(DropreelError):
    """The stack is configured wrongly."""


class ResumeError(DropreelError):
    """An operator's word on a job cannot be followed."""


class LedgerConflictError(DropreelError):
    """The job is not in a state that allows this step."""
