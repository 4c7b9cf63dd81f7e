"""Every failure of the contracts, switched on per job by a marker in the prompt.

    A crane shot over the bay [sim: submit=429 retry_after=2 times=3] [sim: end=moderated]

A prompt may hold several markers; for each kind of call the first one that still applies wins.
The same text set with `Simulators.set_fault` or POST /_control/faults holds for every job of a
provider, after the job's own markers.

Calls that can go wrong:

    submit=CODE            refuse with this HTTP code and the provider's body for it; no job is made
    submit=drop-before     no job; the connection closes without a byte
    submit=drop-after      the job is made; the connection closes without a byte
    submit=drop-mid        the job is made; the answer stops in the middle of its body
    submit=slow-after:S    the job is made; the answer comes S seconds later
    submit=html            the job is made; 200 with an HTML page
    submit=no-id           the job is made; the answer does not name it
    status=CODE            answer a status call with this HTTP code
    status=drop            close without a byte
    status=html            200 with an HTML page; html:CODE with that HTTP code
    status=slow:S          answer S seconds later
    status=word:W          say W instead of the real status word
    answer=...             fal only, the GET of the result's JSON: values as of status, without word
    output=late            the job has succeeded, but the answer does not name its clip yet
    cancel=CODE            refuse to cancel
    cancel=ignored         say yes and finish the job all the same
    end=KIND               how the job ends, see END_KINDS; `code=` picks the exact reason
    result=CODE            the file's address answers with this HTTP code
    result=drop:BYTES      the connection closes after so many bytes
    result=truncated       a complete answer with the first half of the file
    result=html|empty|not-mp4|wrong-video   200 with something else than the clip
    result=expired         this address and all before it are past their time; asking the job again
                           gives a good one
    result=redirect        302 to another path of the same host
    result=redirect-offhost  302 to another host name
    result=redirect-loop   302 without end
    result=redirect-private  302 to an address that is not public
    result=other-length|other-shape  a whole clip, but half as long or of another ratio
    result=slow:S          the body is spread over S seconds
    result=no-length       chunked, without Content-Length or ETag
    result=huge-header     a header of 256 KB
    result=big:MB          so many megabytes follow the clip

What goes with them:

    times=N        only the first N tries, then all is well (`result=expired`: 1 if not given).
                   Tries of submit and end are counted per prompt and image, those of status,
                   answer, output, cancel and result per job; a marker set for a whole run counts
                   once over all jobs.
    retry_after=S  adds Retry-After to a refusal of submit or status
    code=WORD      the exact error_code, error type or failure_code, or another wording of a
                   refusal; `gateway` at fal: an error without a type, as of something before fal;
                   `concurrent` at Luma, `rate` at each::labs: the other one of their two 429s
    only=NAMES     the marker is for these providers (comma-separated)

How the job is done:

    render=S          seconds from accepted to ended
    listed=S|ended    the lists of orders show the job S seconds after it was accepted, or when it
                      has ended
    host=other        the file's address is on another host name than the API
    faststart=0       the MP4 has its index at the end
    output=string|list|object|flat   each::labs: shape of `output`
    word=error|failed each::labs: the word for a failed job
    downstream=CODE   fal: a failure that shows in the status has this `downstream_status`
    addresses=full fal: the addresses of an order have the whole endpoint, and no others work
    told=status|result  fal: whether a failure shows in the status or only in the result (default)
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import Literal

from local.simulators.settings import PROVIDERS
from local.simulators.tally import Tally

Call = Literal["submit", "status", "answer", "output", "cancel", "end", "result"]

END_KINDS = (
    "moderated",
    "failed",
    "failed-retryable",
    "bad-image",  # its address cannot be fetched
    "image-too-large",
    "image-unsupported",
    "image-corrupt",
    "no-credit",
    "cancelled",
    "timeout",
    "late-validation",
    "output-not-found",
    "no-output",  # a good end without a file
    "rate-limited",
)

_CODE = r"[1-5]\d\d"
_SECONDS = r"\d+(\.\d+)?"
_LATE = rf"{_CODE}|drop|html(:{_CODE})?|slow:{_SECONDS}"
_SWITCHES = {
    "submit": rf"{_CODE}|drop-before|drop-after|drop-mid|slow-after:{_SECONDS}|html|no-id",
    "status": rf"{_LATE}|word:\S+",
    "answer": _LATE,
    "cancel": rf"{_CODE}|ignored",
    "end": "|".join(END_KINDS),
    "result": rf"{_CODE}|drop:\d+|truncated|html|empty|not-mp4|wrong-video|expired|redirect"
    r"|redirect-offhost|redirect-loop|redirect-private|other-length|other-shape"
    rf"|slow:{_SECONDS}|no-length|huge-header|big:\d+",
    "times": r"\d+",
    "retry_after": _SECONDS,
    "code": r"\S+",
    "only": rf"({'|'.join(PROVIDERS)})(,({'|'.join(PROVIDERS)}))*",
    "render": _SECONDS,
    "faststart": "[01]",
    "host": "other",
    "output": "string|list|object|flat|late",
    "listed": rf"{_SECONDS}|ended",
    "downstream": _CODE,
    "word": "error|failed",
    "told": "status|result",
    "addresses": "full",
}
_MARKER = re.compile(r"\[sim:([^\]]*)\]")


class MarkerError(ValueError):
    """A marker that cannot be read; the message names the switch."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong in one call: `kind` before the colon, `argument` after it."""

    kind: str
    argument: str = ""
    code: str | None = None
    retry_after: float | None = None

    @property
    def http_status(self) -> int | None:
        return int(self.kind) if self.kind.isdigit() else None

    @property
    def number(self) -> float:
        return float(self.argument)


@dataclass(frozen=True, slots=True)
class Marker:
    """The switches of one `[sim: ...]`, checked; values are still text."""

    switches: dict[str, str]

    def fault(self, call: Call) -> Fault | None:
        if call not in self.switches:
            return None
        kind, _, argument = self.switches[call].partition(":")
        wait = self.switches.get("retry_after")
        code = self.switches.get("code")
        return Fault(kind, argument, code, float(wait) if wait else None)

    def tries(self, call: Call) -> int | None:
        """How often the fault happens; None is always."""
        if "times" in self.switches:
            return int(self.switches["times"])
        return 1 if self.switches.get(call) == "expired" else None

    def concerns(self, provider: str) -> bool:
        return provider in self.switches.get("only", provider).split(",")


def read_marker(text: str) -> Marker:
    """Read `key=value key=value`, with or without the brackets around it."""
    inner = _MARKER.fullmatch(text.strip())
    return Marker(dict(_switch(word) for word in (inner[1] if inner else text).split()))


def _switch(word: str) -> tuple[str, str]:
    key, _, value = word.partition("=")
    if key not in _SWITCHES:
        raise MarkerError(f"simulator: unknown switch {key!r}; there are {', '.join(_SWITCHES)}")
    if not re.fullmatch(_SWITCHES[key], value):
        raise MarkerError(f"simulator: {key}={value!r} is none of {_SWITCHES[key]}")
    return key, value


def read_markers(prompt: str) -> list[Marker]:
    return [read_marker(found[0]) for found in _MARKER.finditer(prompt)]


class FaultBook:
    """Which fault a call meets: the job's own markers first, then the provider's standing one."""

    def __init__(self) -> None:
        self._standing: dict[str, Marker] = {}
        self._tries: Tally[tuple[object, ...]] = Tally()
        self._lock = threading.Lock()

    def set_standing(self, provider: str, text: str | None) -> None:
        """Set or clear (None) the marker of a whole run; its tries are counted from here."""
        if provider not in PROVIDERS:
            raise MarkerError(f"simulator: no provider is called {provider!r}")
        marker = read_marker(text) if text is not None else None
        with self._lock:
            self._standing.pop(provider, None)
            if marker:
                self._standing[provider] = marker
        old = [key for key, _ in self._tries.items() if key[:2] == (provider, "standing")]
        if old:
            self._tries.forget(*old)

    def take(self, provider: str, call: Call, prompt: str, scope: str) -> Fault | None:
        """The fault this call meets, if any; the try is counted against its marker's `times`."""
        for key, marker in self._applying(provider, prompt, scope):
            fault = marker.fault(call)
            if fault and self._count(marker.tries(call), (*key, call)):
                return fault
        return None

    def option(self, provider: str, name: str, prompt: str) -> str | None:
        """A switch that says how the job is done, from the first marker that has it."""
        values = (m.switches.get(name) for _, m in self._applying(provider, prompt, ""))
        return next((value for value in values if value is not None), None)

    def clear(self) -> None:
        with self._lock:
            self._standing.clear()
        self._tries.forget()

    def _applying(
        self, provider: str, prompt: str, scope: str
    ) -> list[tuple[tuple[object, ...], Marker]]:
        markers = [
            ((provider, scope, prompt, place), marker)
            for place, marker in enumerate(read_markers(prompt))
        ]
        found: list[tuple[tuple[object, ...], Marker]] = [*markers]
        if standing := self._standing.get(provider):
            found.append(((provider, "standing"), standing))
        return [(key, marker) for key, marker in found if marker.concerns(provider)]

    def _count(self, tries: int | None, key: tuple[object, ...]) -> bool:
        return self._tries.add(key) <= tries if tries is not None else True
