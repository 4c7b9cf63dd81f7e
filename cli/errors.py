"""What a command can say instead of its result, in one line with the next step.

CommandError
├── NoStackError        there is no such stack, or it cannot be reached
└── NotFoundError       no such job, or more than one
"""

from __future__ import annotations

from enum import IntEnum

from botocore.exceptions import ClientError

from dropreel.errors import DropreelError

# HEAD of S3 has no code but the status.
_DENIED = frozenset(
    {"403", "Forbidden", "AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
)


class Exit(IntEnum):
    """Exit codes; docs/cli.md explains them."""

    DONE = 0
    NOT_MADE = 1  # a clip was not made, or something was found that needs a person
    WRONG = 2  # the command, its options or the files are wrong; nothing was changed
    NO_STACK = 3  # no stack, no credentials, or AWS could not be asked
    INTERRUPTED = 130


class CommandError(DropreelError):
    """Something that a command cannot do."""

    exit = Exit.WRONG


class NoStackError(CommandError):
    """There is no such stack, or it cannot be reached."""

    exit = Exit.NO_STACK


class NotFoundError(CommandError):
    """No such job, or more than one that this name fits."""


def is_denied(error: ClientError) -> bool:
    """Whether AWS answers so because these credentials lack a right."""
    return error.response["Error"].get("Code") in _DENIED
