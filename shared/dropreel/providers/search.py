"""Reading a provider's own list of orders: mostly for one whose answer was lost.

Taking somebody else's order delivers a wrong clip; missing our own pays twice. So a listed order
is ours, or not ours, or (when the list does not say enough) unclear; with one unclear order the
search cannot answer "none".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import httpx

from dropreel.providers import parse
from dropreel.providers.base import ClipRequest
from dropreel.providers.client import Answer, Reply

MAX_PAGES = 200
SEARCH_S = 60.0  # no page is asked for later than this

_CLOCKS_DIFFER = timedelta(seconds=60)
_ROWS = ("executions", "generations", "items", "predictions", "results", "data")


class Search:
    """Collects the orders that were made within a window of time.

    Only those of `request`; without one those of anybody, which nothing may be done with but
    showing them to people.
    """

    def __init__(
        self,
        request: ClipRequest | None,
        since: datetime,
        until: datetime,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.since = since.astimezone(UTC) - _CLOCKS_DIFFER
        self.until = until.astimezone(UTC) + _CLOCKS_DIFFER
        self._request = request
        self._found: dict[str, None] = {}
        self._complete = True
        self._clock = clock

    @property
    def of_anybody(self) -> bool:
        return self._request is None

    def pages(self) -> Iterator[int]:
        """Numbers of the pages to read; ends where a list seems to have no end."""
        deadline = self._clock() + SEARCH_S
        for page in range(MAX_PAGES):
            if self._clock() > deadline:
                return
            yield page

    def is_past(self, page: Sequence[object]) -> bool:
        """Whether a page of a list that is sorted by these times lies wholly beyond the window,
        so that no later page can hold an order of it."""
        times = [when for when in map(parse.timestamp, page) if when]
        if not times or len(times) < len(page) or times[0] == times[-1]:
            return False
        newest_first = times[0] > times[-1]
        if times != sorted(times, reverse=newest_first):
            return False
        return times[0] < self.since if newest_first else times[0] > self.until

    def in_window(self, created: object) -> bool:
        """Whether an order of this time may be ours; one without a readable time may."""
        when = parse.timestamp(created)
        return when is None or self.since <= when <= self.until

    def check(self, listed_id: object, created: object, prompt: object, image: object) -> None:
        """Take a listed order if it is ours; if that is unclear, note that it is."""
        ours = self._is_ours(created, prompt, image)
        order_id = parse.usable_id(listed_id)
        if ours and order_id:
            self._found[order_id] = None
        elif ours is not False:
            self._complete = False

    def mark_incomplete(self) -> None:
        """Part of the list could not be read, so "none found" would prove nothing."""
        self._complete = False

    def ids(self) -> list[str] | None:
        return list(self._found) if self._found or self._complete else None

    def _is_ours(self, created: object, prompt: object, image: object) -> bool | None:
        """None where the list does not say enough."""
        if not self.in_window(created):
            return False
        if self._request is None:
            return True
        if isinstance(prompt, str) and prompt.split() != self._request.prompt.split():
            return False
        same = same_image(image, self._request.image_url)
        if same is False or (parse.timestamp(created) and isinstance(prompt, str)):
            return same
        return None


def same_image(listed: object, ours: str) -> bool | None:
    """Whether two addresses lead to the same image, whatever their signatures.

    None when the listed one is missing or lies on another host: the provider may have copied
    the image to its own storage.
    """
    first = parse.at(listed, 0) if isinstance(listed, list) else listed
    address = parse.url(first)
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
    found = (parse.at(data, name) for name in _ROWS)
    return next((rows for rows in found if isinstance(rows, list)), None)


def field_of(reply: Reply, name: str) -> object:
    """A field of a good answer next to its rows: a cursor, a count."""
    return parse.at(reply.data, name) if isinstance(reply, Answer) and reply.ok else None


def iso_time(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
