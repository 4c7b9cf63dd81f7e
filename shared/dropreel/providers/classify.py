"""What an answer proves, judged alike for all providers.

Submit: a 4xx proves that nothing was made, a 2xx with an id that something was. In between
nothing is proven: 3xx, 5xx, a 2xx without an id, and the 4xx that a server can send after it
began to work. Status: a bad answer says nothing about the job, so it never ends one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from dropreel.jobs.failure import FailureKind
from dropreel.providers import parse
from dropreel.providers.base import (
    Accepted,
    Busy,
    CancelOutcome,
    Failure,
    NoAnswer,
    Pending,
    Phase,
    Refused,
    SubmitOutcome,
    Unknown,
)
from dropreel.providers.client import Answer, Fault, Reply

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
PROVES_NOTHING = frozenset({408, 409, 425, 499})
NOT_FOUND = "not_found"
NO_OUTPUT = "output_not_found"


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
    proves_refusal: Callable[[Answer], bool] | None = None,
) -> SubmitOutcome:
    """Judge the answer to a submit.

    `job_id` picks the id out of a 2xx body, `target` names the model or endpoint for the
    message of a 404, `proves_refusal` recognises the provider's 5xx that prove a refusal.
    """
    if isinstance(reply, Fault):
        return _unanswered(reply)
    if reply.ok:
        accepted = parse.job_id(job_id(reply.data))
        return Accepted(accepted) if accepted else Unknown(_without_id(reply))
    failure = failure_of(reply)
    proven = 400 <= reply.status < 500 and reply.status not in PROVES_NOTHING
    if not proven and not (proves_refusal and proves_refusal(reply)):
        return Unknown(replace(failure, retryable=False, billed=None))
    if reply.status == 404:
        message = reply.safe(f"{target} is not known there: {failure.message}")
        failure = replace(failure, message=message)
    if not proven or failure.kind is FailureKind.THROTTLED:
        return Busy(replace(failure, retryable=True, billed=False), reply.retry_after())
    return Refused(replace(failure, billed=False))


def refused_unsent(message: str) -> Refused:
    """A request that the provider cannot express; nothing was sent."""
    return Refused(Failure(FailureKind.BAD_INPUT, message, code="unsupported", billed=False))


def _unanswered(fault: Fault) -> SubmitOutcome:
    if fault.sent:
        return Unknown(Failure(fault.kind, fault.message))
    failure = Failure(fault.kind, fault.message, billed=False)
    if fault.kind is FailureKind.UNREACHABLE:
        return Busy(replace(failure, retryable=True))
    return Refused(failure)


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


def cancel_outcome(reply: Reply) -> CancelOutcome:
    if isinstance(reply, Answer) and reply.ok:
        return CancelOutcome.REQUESTED
    missing = isinstance(reply, Answer) and reply.status == 404
    return CancelOutcome.NOT_FOUND if missing else CancelOutcome.NO_ANSWER
