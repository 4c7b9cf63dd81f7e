"""Outcomes made from answers, alike for all providers, as the table in `verdicts` says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from dropreel.jobs.failure import FailureKind
from dropreel.providers import parse
from dropreel.providers.base import (
    Accepted,
    Access,
    Busy,
    CancelOutcome,
    Failure,
    Limited,
    NoAnswer,
    Pending,
    Phase,
    Refused,
    SubmitOutcome,
    Unknown,
)
from dropreel.providers.client import Answer, Fault, Reply
from dropreel.providers.verdicts import NO_REPLY, Call, Sign, Verdict, verdict_of

KINDS = {
    400: FailureKind.BAD_INPUT,
    401: FailureKind.AUTH,
    402: FailureKind.NO_CREDIT,
    403: FailureKind.AUTH,
    404: FailureKind.UNEXPECTED,
    408: FailureKind.TRANSIENT,
    413: FailureKind.BAD_INPUT,
    415: FailureKind.BAD_INPUT,
    422: FailureKind.BAD_INPUT,
    429: FailureKind.THROTTLED,
}
NOT_FOUND = "not_found"

_NO_MODEL = re.compile(
    r"unknown model|no such model"
    r"|\bmodel\b[^.]{0,80}\b(not found|not exist|not known|not available)",
    re.IGNORECASE,
)
_LIMITED = {Verdict.RATE: Limited.RATE, Verdict.JOBS: Limited.JOBS}
_TOO_MANY_JOBS = re.compile(
    r"concurren|simultaneous|in[- ]flight|in parallel|at the same time|queue (is )?full"
    r"|(too many|max\w*) ((active|running|queued|pending) |jobs)",
    re.IGNORECASE,
)


def kind_of(status: int) -> FailureKind:
    default = FailureKind.TRANSIENT if 500 <= status < 600 else FailureKind.UNEXPECTED
    return KINDS.get(status, default)


def http_failure(answer: Answer) -> Failure:
    """The failure that an HTTP status stands for, in the provider's own words."""
    return Failure(
        kind=kind_of(answer.status),
        message=answer.message,
        code=NOT_FOUND if answer.status == 404 else None,
        http_status=answer.status,
        retryable=answer.status == 429,
    )


def submit_outcome(
    reply: Reply,
    job_id: Callable[[object], object],
    *,
    target: str,
    failure_of: Callable[[Answer], Failure] = http_failure,
    sign_of: Callable[[Answer], Sign] | None = None,
) -> SubmitOutcome:
    """Judge the answer to a submit.

    `job_id` picks the id out of a 2xx body, `target` names the model or endpoint for the
    message of a 404, `sign_of` recognises what only this provider answers.
    """
    if isinstance(reply, Fault):
        return _unanswered(reply)
    if reply.ok:
        accepted = parse.usable_id(job_id(reply.data))
        return Accepted(accepted) if accepted else Unknown(_without_id(reply))
    failure = failure_of(reply)
    if reply.status == 404 or _knows_no_model(failure):
        message = reply.safe(f"{target} is not known there: {failure.message}")
        failure = replace(failure, kind=FailureKind.NO_MODEL, message=message)
    sign = _throttled(failure) or (sign_of(reply) if sign_of else Sign.NOTHING)
    verdict = verdict_of(Call.ORDER, reply.status, sign)
    return _unordered(verdict, failure, reply.retry_after())


def _knows_no_model(failure: Failure) -> bool:
    """Some say so with 400: Luma, "Unknown model: X"."""
    general = failure.kind in (FailureKind.BAD_INPUT, FailureKind.UNEXPECTED)
    return general and bool(_NO_MODEL.search(failure.message))


def _throttled(failure: Failure) -> Sign | None:
    """Whether the provider has enough orders in a time, which is what 429 says by itself, or
    says that it has enough jobs under way."""
    if failure.kind is not FailureKind.THROTTLED:
        return None
    full = _TOO_MANY_JOBS.search(f"{failure.code} {failure.message}")
    return Sign.TOO_MANY_JOBS if full else Sign.TOO_MANY


def access_outcome(reply: Reply) -> Access:
    """What the answer to a free call with the key says of the key."""
    if isinstance(reply, Fault):
        missing = reply.kind is FailureKind.NO_KEY
        return Access(False if missing else None, reply.message, missing=missing)
    if reply.status in (401, 403):
        return Access(accepted=False, words=reply.message)
    return Access(accepted=True) if reply.ok else Access(None, reply.message)


def unread(reply: Reply) -> Failure:
    """Why what a provider publishes could not be read."""
    if isinstance(reply, Fault):
        return Failure(reply.kind, reply.message)
    failure = http_failure(reply)
    return replace(failure, kind=FailureKind.NO_MODEL) if reply.status == 404 else failure


def refused_unsent(message: str) -> Refused:
    """A request that the provider cannot express; nothing was sent."""
    return Refused(Failure(FailureKind.BAD_INPUT, message, code="unsupported", billed=False))


def key_outcome(fault: Fault | None) -> Refused | Busy | None:
    """What a fault of reading the key, with nothing sent, means for an order."""
    outcome = fault and _unanswered(fault)
    return outcome if isinstance(outcome, Refused | Busy) else None


def _unanswered(fault: Fault) -> Refused | Busy | Unknown:
    passing = fault.kind in (FailureKind.UNREACHABLE, FailureKind.TRANSIENT)
    sign = Sign.NOTHING if fault.sent else Sign.NOT_SENT if passing else Sign.NO_KEY
    verdict = verdict_of(Call.ORDER, NO_REPLY, sign)
    return _unordered(verdict, Failure(fault.kind, fault.message), None)


def _unordered(
    verdict: Verdict, failure: Failure, retry_after: float | None
) -> Refused | Busy | Unknown:
    match verdict:
        case Verdict.BUSY | Verdict.RATE | Verdict.JOBS:
            free = replace(failure, retryable=True, billed=False)
            return Busy(free, retry_after, _LIMITED.get(verdict))
        case Verdict.REFUSED | Verdict.FRESH_ADDRESS:
            return Refused(replace(failure, billed=False))
        case _:
            return Unknown(replace(failure, retryable=False, billed=None))


def _without_id(answer: Answer) -> Failure:
    message = answer.safe(f"accepted, but without a job id: {answer.message}")
    return Failure(FailureKind.UNEXPECTED, message, http_status=answer.status)


def no_answer(reply: Reply) -> NoAnswer:
    """The job's state could not be read. The failure is that of the question, not of the job."""
    if isinstance(reply, Fault):
        return NoAnswer(Failure(reply.kind, reply.message))
    if reply.ok:
        failure = Failure(FailureKind.UNEXPECTED, reply.message, http_status=reply.status)
    else:
        failure = replace(http_failure(reply), retryable=False)
    return NoAnswer(failure, reply.retry_after())


def status_row(reply: Reply, word_key: str) -> tuple[Answer, Mapping[str, object], str] | NoAnswer:
    """The answer, its body and its status word, or why there is none."""
    if isinstance(reply, Fault) or not reply.ok or not isinstance(reply.data, dict):
        return no_answer(reply)
    word = parse.text(reply.data.get(word_key))
    return (reply, reply.data, word) if word.strip() else no_answer(reply)


def pending_outcome(answer: Answer, word: str, phases: Mapping[str, Phase]) -> Pending:
    phase = phases.get(word, Phase.UNRECOGNISED)
    return Pending(phase, answer.short_word(word), answer.retry_after())


def without_clip(answer: Answer, word: str) -> Pending:
    """Success without an address: the clip may be listed later, so it is no failure."""
    return Pending(Phase.WITHOUT_CLIP, answer.short_word(word), answer.retry_after())


def cancel_outcome(reply: Reply) -> CancelOutcome:
    if isinstance(reply, Answer) and reply.ok:
        return CancelOutcome.REQUESTED
    missing = isinstance(reply, Answer) and reply.status == 404
    return CancelOutcome.NOT_FOUND if missing else CancelOutcome.NO_ANSWER
