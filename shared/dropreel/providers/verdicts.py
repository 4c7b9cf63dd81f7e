"""What each answer of a provider means for the job and for its money: one table.

Invariant: a job ends by a word of the provider about the job, never by a call that failed; and its
money is released only where the answer proves that it costs nothing. The adapters take what an
order's and a result's HTTP status mean from here; docs/money.md shows the table, and the tests
play every row against every adapter.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, unique
from functools import partial

from dropreel.providers.catalog import CATALOG


class Call(StrEnum):
    ORDER = "order"
    STATUS = "status"
    RESULT = "result"
    LIST = "list of orders"


class Sign(StrEnum):
    """What an adapter recognises in an answer, beside its HTTP status."""

    NOTHING = "nothing"  # or what another row does not ask for
    JOB_ID = "job id"
    TOO_MANY = "too many requests"
    TOO_MANY_JOBS = "too many jobs at once"
    IN_FLIGHT = "in flight"  # the balance is taken up by jobs under way
    NOT_BEGUN = "not begun"  # the provider's own 5xx from before any job
    NOT_FETCHED = "not fetched"  # it could not load the image
    NOT_SENT = "not sent"
    NO_KEY = "no key"
    WAITING = "waiting"
    ENDED = "ended"  # well or badly: the result says
    CLIP = "clip"
    NO_CLIP = "no clip"
    FAILED = "failed"
    FAILED_FREE = "failed, free"
    FOUND = "found"


@unique
class Verdict(Enum):
    """What becomes of the job, and of the money that is set aside for it."""

    def __init__(self, job: str, money: str) -> None:
        self.job = job
        self.money = money

    ACCEPTED = "The clip is ordered.", "stays set aside"
    REFUSED = (
        "Nothing was made. The job is refused, or moves to another provider.",
        "released",
    )
    FRESH_ADDRESS = (
        "Nothing was made. Ordered once more, with a fresh address of the image.",
        "released",
    )
    RATE = (
        "Nothing was made. No job orders from this provider until the time that it names is over.",
        "released until then",
    )
    JOBS = (
        "Nothing was made. Ordered again when fewer jobs are under way at this provider.",
        "released until then",
    )
    BUSY = "Nothing was made. Ordered again later.", "released until then"
    UNKNOWN = (
        "A clip may have been made. Never ordered again; the order is searched for.",
        "stays set aside",
    )
    PENDING = "The job is under way.", "stays set aside"
    NO_ANSWER = (
        "Says nothing about the job. Read again until the deadline; then stalled.",
        "stays set aside",
    )
    READ_RESULT = "The job has ended. Its result is read.", "stays set aside"
    WITHOUT_CLIP = (
        "The clip is made, but has no address yet. Read again until the deadline; then stalled.",
        "stays set aside",
    )
    READY = "The clip is fetched.", "counted, at the real price if the provider names it"
    FAILED_FREE = "The job has failed. Ordered again if that may help.", "released"
    FAILED = "The job has failed. Not ordered again.", "stays counted: nobody says that it is free"
    FOUND = "The order is found. The job goes on with it.", "stays set aside"
    NOT_FOUND = (
        "Proves nothing. Searched again for a few minutes, then an operator decides.",
        "stays set aside",
    )


NO_REPLY = 0  # in place of the HTTP status of an answer that never came

_2XX = frozenset(range(200, 300))
_4XX = frozenset(range(400, 500))
_NONE = frozenset({NO_REPLY})
RESULT_CALL = ("fal",)  # where the result is read by a call of its own
_ONE_CALL = tuple(name for name in CATALOG if name not in RESULT_CALL)
_LISTS = tuple(name for name, row in CATALOG.items() if row.lists_orders)

# A server can send these after it has begun to work.
PROVES_NOTHING = frozenset({408, 409, 425, 499})
# About the call and not about the job: key, account, address or pace of the caller.
ABOUT_THE_CALL = frozenset({401, 402, 403, 404, 405, 429}) | PROVES_NOTHING


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """One kind of answer. `answer` is for people, `providers` those that can give it (none named:
    all). It covers an answer with one of `codes` (None: any) and, if it has one, with that sign.
    """

    call: Call
    answer: str
    verdict: Verdict
    codes: frozenset[int] | None = None
    sign: Sign | None = None
    providers: tuple[str, ...] = ()

    def covers(self, call: Call, code: int, sign: Sign) -> bool:
        return (
            self.call is call
            and (self.codes is None or code in self.codes)
            and self.sign in (None, sign)
        )


_order = partial(VerdictRow, Call.ORDER)
_status = partial(VerdictRow, Call.STATUS)
_result = partial(VerdictRow, Call.RESULT, providers=RESULT_CALL)
_list = partial(VerdictRow, Call.LIST)

# The first row that covers an answer counts.
VERDICTS: tuple[VerdictRow, ...] = (
    _order("2xx with the ID of a job", Verdict.ACCEPTED, _2XX, Sign.JOB_ID),
    _order(
        "408, 409, 425, 499: the server may have begun to work", Verdict.UNKNOWN, PROVES_NOTHING
    ),
    _order("4xx that says: too many jobs at once", Verdict.JOBS, _4XX, Sign.TOO_MANY_JOBS),
    _order("any other 429", Verdict.RATE, frozenset({429})),
    _order("another 4xx that says: too many requests", Verdict.RATE, _4XX, Sign.TOO_MANY),
    _order(
        "402: jobs under way take up the balance",
        *(Verdict.JOBS, frozenset({402}), Sign.IN_FLIGHT, ("eachlabs",)),
    ),
    _order(
        "422: the image could not be fetched",
        *(Verdict.FRESH_ADDRESS, frozenset({422}), Sign.NOT_FETCHED, ("luma",)),
    ),
    _order("any other 4xx", Verdict.REFUSED, _4XX),
    _order(
        "503 with Luma's own reason, 502 that names the loading of the image",
        *(Verdict.BUSY, frozenset({502, 503}), Sign.NOT_BEGUN, ("luma",)),
    ),
    _order("no connection, or the key cannot be read just now", Verdict.BUSY, _NONE, Sign.NOT_SENT),
    _order("there is no key: nothing was sent", Verdict.REFUSED, _NONE, Sign.NO_KEY),
    _order("anything else: no answer, 3xx, 5xx, 2xx without an ID, no JSON", Verdict.UNKNOWN),
    _status(
        "queued, running, or a status that is not documented", Verdict.PENDING, _2XX, Sign.WAITING
    ),
    _status("ended, well or badly", Verdict.READ_RESULT, _2XX, Sign.ENDED, RESULT_CALL),
    _status("success with an address", Verdict.READY, _2XX, Sign.CLIP, _ONE_CALL),
    _status("success without an address", Verdict.WITHOUT_CLIP, _2XX, Sign.NO_CLIP, _ONE_CALL),
    _status("failed", Verdict.FAILED_FREE, _2XX, Sign.FAILED_FREE, ("luma",)),
    _status(
        'failed, "Insufficient credits"',
        *(Verdict.FAILED_FREE, _2XX, Sign.FAILED_FREE, ("oxen",)),
    ),
    _status(
        "ended with an error of fal's own, which fal does not bill (its 5xx types)",
        *(Verdict.FAILED_FREE, _2XX, Sign.FAILED_FREE, ("fal",)),
    ),
    _status(
        "failed or cancelled in any other way, also with a cost of 0",
        *(Verdict.FAILED, _2XX, Sign.FAILED, ("eachlabs", "oxen", "fal")),
    ),
    _status("anything else: no answer, 3xx, 4xx, 5xx, no status, no JSON", Verdict.NO_ANSWER),
    _result("2xx with an address", Verdict.READY, _2XX, Sign.CLIP),
    _result("2xx without an address", Verdict.WITHOUT_CLIP, _2XX, Sign.NO_CLIP),
    _result("401 to 405, 408, 409, 425, 429, 499", Verdict.NO_ANSWER, ABOUT_THE_CALL),
    _result("any other 4xx with fal's own error", Verdict.FAILED, _4XX, Sign.FAILED),
    _result("anything else: no answer, 3xx, 5xx, no JSON", Verdict.NO_ANSWER),
    _list("an order of this image and prompt", Verdict.FOUND, _2XX, Sign.FOUND, _LISTS),
    _list("anything else, also a complete list without the order", Verdict.NOT_FOUND),
)


def verdict_of(call: Call, code: int, sign: Sign = Sign.NOTHING) -> Verdict:
    """The verdict on an answer with this HTTP status, or NO_REPLY."""
    return next(row.verdict for row in VERDICTS if row.covers(call, code, sign))
