"""The HTML of the dashboard's custom widget: newest clips and rejected drops, with links.

Names of files are other people's words: all of them are escaped, and links are only our own.
Pictures are in the page itself, so that nothing has to be public.
"""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from html import escape

from dropreel.jobs.job import ENDS, JobSummary, State, from_iso
from dropreel.ledger.rejected import Rejected
from dropreel.mail.message import shortened

DESCRIPTION = """\
## Newest clips

Thumbnail, state, provider, cost and age of the newest jobs, with links to execution and clip, and
what was wrong with drops that were rejected.

### Parameters

```yaml
show: all  # or: under way, delivered, not delivered, to look at
```
"""

_GREEN, _RED, _AMBER, _BLUE = "#1d8102", "#d13212", "#b7791f", "#0073bb"
_OLDER_NAMES = {"made": "delivered", "not made": "not delivered"}  # in people's own dashboards
_LONGEST_NAME = 80
_LONGEST_REASON = 200


class Shown(StrEnum):
    """Which jobs are shown."""

    ALL = "all"
    UNDER_WAY = "under way"
    DELIVERED = "delivered"
    NOT_DELIVERED = "not delivered"
    TO_LOOK_AT = "to look at"

    @classmethod
    def of(cls, asked: object) -> Shown:
        name = _OLDER_NAMES.get(asked, asked) if isinstance(asked, str) else asked
        return next((kind for kind in cls if kind == name), cls.ALL)

    def includes(self, state: State) -> bool:
        return self is Shown.ALL or self is _kind(state)

    @property
    def rejections(self) -> bool:
        """Whether drops that were rejected are shown as well."""
        return self in (Shown.ALL, Shown.NOT_DELIVERED)


@dataclass(frozen=True, slots=True)
class Entry:
    """One job, with what belongs to it."""

    job: JobSummary
    thumbnail: bytes | None
    execution_link: str
    clip_link: str


@dataclass(frozen=True, slots=True)
class RejectedEntry:
    """One drop of which no job was made."""

    drop: Rejected
    record_link: str


def page(
    entries: Sequence[Entry | RejectedEntry],
    shown: Shown,
    *,
    function_arn: str,
    now: datetime,
    notice: str = "",
) -> str:
    """The whole widget. `notice` is what concerns all jobs."""
    rows = "".join(
        _row(entry, now) if isinstance(entry, Entry) else _rejected_row(entry, now)
        for entry in entries
    )
    body = f"<table>{_HEAD}{rows}</table>" if rows else "<p>Nothing here yet.</p>"
    above = _notice(notice) + _filters(shown, function_arn)
    return f'{_STYLE}<div class="dropreel">{above}{body}</div>'


def _notice(text: str) -> str:
    return f'<p class="notice">{escape(text)}</p>' if text else ""


def _kind(state: State) -> Shown:
    if state is State.DELIVERED:
        return Shown.DELIVERED
    if state in (State.UNKNOWN, State.STALLED):
        return Shown.TO_LOOK_AT
    return Shown.NOT_DELIVERED if state in ENDS else Shown.UNDER_WAY


def _filters(shown: Shown, function_arn: str) -> str:
    """CloudWatch turns each link and the action behind it into a call of this widget."""
    endpoint = escape(function_arn)
    return "".join(
        f'<a class="btn{" btn-primary" if kind is shown else ""}">{kind.value.capitalize()}</a>'
        f'<cwdb-action action="call" endpoint="{endpoint}">{{"show": "{kind.value}"}}</cwdb-action>'
        for kind in Shown
    )


def _row(entry: Entry, now: datetime) -> str:
    job = entry.job
    links = [_link("execution", entry.execution_link)]
    if job.state is State.DELIVERED:
        links.append(_link("clip", entry.clip_link))
    cells = (
        _picture(entry.thumbnail),
        f"<bdi>{_name(job.image_key)}</bdi>",
        _state(job),
        _text(job.provider),
        _cost(job),
        _age(now, job.created_at),
        "<br>".join(links),
    )
    return _cells(cells)


def _rejected_row(entry: RejectedEntry, now: datetime) -> str:
    drop = entry.drop
    cells = (
        _picture(None),
        f"<bdi>{_name(drop.key)}</bdi>",
        _word("rejected", _RED, drop.reason),
        "",
        "nothing",
        _age(now, drop.created_at),
        _link("record", entry.record_link),
    )
    return _cells(cells)


def _cells(cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _picture(thumbnail: bytes | None) -> str:
    if not thumbnail:
        return '<div class="none">no picture</div>'
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(thumbnail).decode()}">'


def _state(job: JobSummary) -> str:
    kind = _kind(job.state)
    color = {
        Shown.DELIVERED: _GREEN,
        Shown.UNDER_WAY: _BLUE,
        Shown.TO_LOOK_AT: _AMBER,
        Shown.NOT_DELIVERED: _RED,
    }[kind]
    reason = job.failure.row.label if job.failure else ""
    tells = kind not in (Shown.DELIVERED, Shown.UNDER_WAY)
    return _word(job.state.label, color, reason if tells else "")


def _word(word: str, color: str, reason: str) -> str:
    said = f"<br><small>{_text(shortened(reason, _LONGEST_REASON))}</small>" if reason else ""
    return f'<b style="color:{color}">{word}</b>{said}'


def _cost(job: JobSummary) -> str:
    if job.state is State.REFUSED or (job.failure and job.failure.billed is False):
        return "nothing"
    if job.cost_usd is not None:
        return f"${job.cost_usd:.2f}"
    return "unknown" if job.estimate_usd is None else f"about ${job.estimate_usd:.2f}"


def _age(now: datetime, created_at: str) -> str:
    seconds = max(0, int((now - from_iso(created_at)).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _link(text: str, address: str) -> str:
    return f'<a href="{escape(address)}" target="_blank" rel="noopener">{text}</a>'


def _name(key: str) -> str:
    """Of a long name, the end tells it from the others."""
    return _text(key if len(key) <= _LONGEST_NAME else f"…{key[-_LONGEST_NAME:]}")


def _text(words: str) -> str:
    """Other people's words: no markup, nothing that turns the reading direction."""
    visible = (" " if unicodedata.category(letter)[0] == "C" else letter for letter in words)
    return escape("".join(visible))


_HEAD = (
    "<tr><th></th><th>image</th><th>state</th><th>provider</th><th>cost</th><th>age</th><th></th>"
    "</tr>"
)
_STYLE = """<style>
.dropreel table { width: 100%; margin-top: 8px; border-collapse: collapse; }
.dropreel td, .dropreel th { padding: 4px 8px; text-align: left; vertical-align: middle; }
.dropreel td { border-top: 1px solid #8884; overflow-wrap: anywhere; }
.dropreel img { display: block; max-width: 80px; max-height: 60px; border-radius: 3px; }
.dropreel .none { width: 80px; color: #888; font-size: 11px; }
.dropreel .notice { color: #b7791f; font-weight: bold; }
.dropreel .btn { margin-right: 4px; }
.dropreel a { white-space: nowrap; }
</style>"""
