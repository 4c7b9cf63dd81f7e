"""What people are told instead of a traceback."""

from __future__ import annotations


class NotDoneError(Exception):
    """Nothing was changed, or not all of it. The message says what is wrong and what to do."""


class NobodyAnswersError(NotDoneError):
    """There was a question, and standard input has ended."""
