"""fal's two kinds of errors, and how each end of a job shows (providers.md 4.4).

Model errors have a list under `detail`; platform errors a text, `error_type` and a header.
"""

from __future__ import annotations

from dataclasses import dataclass

from local.simulators.jobs import Job, Problem, State
from local.simulators.params import Finding
from local.simulators.wire import Answer, json_answer

_DOCS = "https://docs.fal.ai/errors"

# type -> HTTP code; a type that is not listed is a 422.
_MODEL_TYPES = {"internal_server_error": 500, "downstream_service_unavailable": 500}
_MODEL_TYPES |= {"downstream_service_error": 500, "generation_timeout": 504}
_PLATFORM_TYPES = {
    "request_timeout": 504,
    "startup_timeout": 504,
    "runner_scheduling_failure": 503,
    "runner_connection_timeout": 503,
    "runner_connection_refused": 503,
    "runner_connection_error": 503,
    "runner_disconnected": 503,
    "runner_incomplete_response": 502,
    "runner_server_error": 500,
    "internal_error": 500,
    "client_disconnected": 499,
    "client_cancelled": 499,
    "bad_request": 400,
    "concurrent_requests_limit": 429,
}
# HTTP code -> the type of a call that fails, whatever the call.
_CALLS = {
    429: "concurrent_requests_limit",
    499: "client_disconnected",
    500: "internal_error",
    502: "runner_incomplete_response",
    503: "runner_scheduling_failure",
    504: "request_timeout",
}
_ENDS = {
    "moderated": "content_policy_violation",
    "failed": "internal_server_error",
    "failed-retryable": "runner_scheduling_failure",
    "bad-image": "file_download_error",
    "image-too-large": "file_too_large",
    "image-unsupported": "unsupported_image_format",
    "image-corrupt": "image_load_error",
    "cancelled": "client_cancelled",
    "timeout": "generation_timeout",
    "late-validation": "one_of",
    "output-not-found": "no_media_generated",
    "rate-limited": "concurrent_requests_limit",
}
_IMAGE_ENDS = ("bad-image", "image-too-large", "image-unsupported", "image-corrupt")
_FINDINGS = {
    "missing": "missing",
    "type": "type_error",
    "one_of": "one_of",
    "length": "string_too_long",
    "conflict": "value_error",
    "unknown": "extra_forbidden",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A bad end: `type` is fal's machine-readable reason, `status` the result's HTTP code."""

    type: str
    status: int
    message: str
    where: tuple[str, ...] = ("body",)
    ctx: dict[str, object] | None = None

    def answer(self, request_id: str | None = None) -> Answer:
        headers = {"x-fal-request-id": request_id} if request_id else {}
        if self.type in _PLATFORM_TYPES:
            headers |= _platform_headers(self.type, self.status)
            return json_answer(
                {"detail": self.message, "error_type": self.type}, self.status, headers
            )
        entry: dict[str, object] = {"loc": list(self.where), "msg": self.message}
        entry |= {"type": self.type, "url": f"{_DOCS}#{self.type}"}
        if self.ctx:
            entry["ctx"] = self.ctx
        return json_answer({"detail": [entry]}, self.status, headers)


@dataclass(frozen=True, slots=True)
class _Locked(Outcome):
    """The account cannot pay; a text without a type."""

    def answer(self, request_id: str | None = None) -> Answer:
        del request_id
        return json_answer({"detail": self.message}, self.status)


def outcome(job: Job) -> Outcome:
    """How a job that did not succeed shows on its result."""
    if job.state is State.CANCELLED:
        return _of("client_cancelled", "Request was cancelled by the client")
    problem = job.problem or Problem("failed")
    if problem.kind == "no-credit":
        return _Locked("user_locked", 403, _locked_text(None))
    if problem.where:
        return _validation(problem.where, problem.code or "", problem.message, problem.allowed)
    found = _of(problem.code or _ENDS[problem.kind], problem.message or problem.kind)
    if problem.kind in _IMAGE_ENDS:
        return Outcome(found.type, found.status, found.message, ("body", "image_url"))
    return found


def model_error(kind: str, message: str) -> Answer:
    return _of(kind, message).answer()


def platform_error(status: int, code: str | None, message: str) -> Answer:
    """A call that fails. Its type is `code`, or what fal answers with this HTTP code;
    `gateway`, and a code without a type of its own, leave the text alone."""
    kind = code or _CALLS.get(status)
    if kind is None or kind == "gateway":
        return json_answer({"detail": message}, status)
    body = {"detail": message, "error_type": kind}
    return json_answer(body, status, _platform_headers(kind, status))


def validation_error(found: Finding) -> Answer:
    """Wrong parameters, refused at submit."""
    return _validation(found.where, found.what, found.message, found.allowed).answer()


def locked(reason: str | None) -> Answer:
    return json_answer({"detail": _locked_text(reason)}, 403)


def _validation(where: str, what: str, message: str, allowed: tuple[str, ...]) -> Outcome:
    ctx: dict[str, object] | None = {"expected": list(allowed)} if allowed else None
    return Outcome(_FINDINGS.get(what, what), 422, message, ("body", where), ctx)


def _locked_text(reason: str | None) -> str:
    return f"User is locked. Reason: {(reason or 'Exhausted balance').replace('_', ' ')}."


def _of(kind: str, message: str) -> Outcome:
    return Outcome(kind, _PLATFORM_TYPES.get(kind) or _MODEL_TYPES.get(kind, 422), message)


def _platform_headers(kind: str, status: int) -> dict[str, str]:
    headers = {"X-Fal-Error-Type": kind}
    if kind == "request_timeout":
        headers["X-Fal-Request-Timeout-Type"] = "user"
    elif status in (429, 503, 504):
        headers["X-Fal-Needs-Retry"] = "1"
    return headers
