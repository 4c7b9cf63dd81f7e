"""Looking for a job whose submit got no answer, in the provider's own list.

Claiming a stranger's job delivers a wrong clip, overlooking one's own pays twice. So a listed
job is ours, or not ours, or (when the list does not say enough) unclear; one unclear job is
enough to make "none found" an unfounded answer.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx

from dropreel.providers import parse as reading
from dropreel.providers.base import ClipRequest
from dropreel.providers.client import Answer, Reply

MAX_PAGES = 10

_CLOCKS_DIFFER = timedelta(seconds=60)
_ROWS = ("executions", "generations", "items", "predictions", "results", "data")


class Search:
    """Collects the jobs of one request that were made within a window of time."""

    def __init__(self, request: ClipRequest, since: datetime, until: datetime) -> None:
        self.since = since.astimezone(UTC) - _CLOCKS_DIFFER
        self.until = until.astimezone(UTC) + _CLOCKS_DIFFER
        self._prompt = request.prompt.split()
        self._image = request.image_url
        self._found: dict[str, None] = {}
        self._sure = True

    def holds(self, made: datetime | None) -> bool:
        """Whether a job of this time may be ours; one without a time may."""
        return made is None or self.since <= made <= self.until

    def weigh(self, listed_id: object, made: object, prompt: object, image: object) -> None:
        verdict = self._verdict(reading.moment(made), prompt, image)
        found = reading.job_id(listed_id)
        if verdict and found:
            self._found[found] = None
        elif verdict is not False:
            self._sure = False

    def doubt(self) -> None:
        """Something in the list could not be read: none found no longer means that none is."""
        self._sure = False

    def ids(self) -> list[str] | None:
        return list(self._found) if self._found or self._sure else None

    def _verdict(self, made: datetime | None, prompt: object, image: object) -> bool | None:
        if not self.holds(made):
            return False
        if isinstance(prompt, str) and prompt.split() != self._prompt:
            return False
        same = same_image(image, self._image)
        if same is False or (made and isinstance(prompt, str)):
            return same
        return None


def same_image(listed: object, ours: str) -> bool | None:
    """Whether two addresses lead to the same image, whatever their signatures.

    None when the listed one is missing or lies on another host: the provider may have copied
    the image to its own storage.
    """
    first = reading.at(listed, 0) if isinstance(listed, list) else listed
    address = reading.url(first)
    if address is None:
        return None
    try:
        theirs, own = httpx.URL(address), httpx.URL(ours)
    except httpx.InvalidURL:
        return None
    return theirs.path == own.path if theirs.raw_host == own.raw_host else None


def rows_of(reply: Reply) -> list[object] | None:
    """The rows of a list answer, under whichever name they come; None if it holds no list."""
    data = reply.data if isinstance(reply, Answer) and reply.ok else None
    if isinstance(data, list):
        return data
    found = (reading.at(data, name) for name in _ROWS)
    return next((rows for rows in found if isinstance(rows, list)), None)


def beside(reply: Reply, name: str) -> object:
    """What a good answer says beside its rows: a cursor, a count."""
    return reading.at(reply.data, name) if isinstance(reply, Answer) and reply.ok else None


def stamp(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
