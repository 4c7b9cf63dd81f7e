"""fal's queue (providers.md section 4), the newer generation of the model's schema.

A job that fails is COMPLETED like one that succeeds; the reason shows when its result is read.
Wrong parameters show there too, unless `Settings.early_validation` refuses them at submit.
Fields that the schema does not know are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import ClassVar

from local.simulators.fal_errors import (
    locked,
    model_error,
    outcome,
    platform_error,
    validation_error,
)
from local.simulators.faults import Call
from local.simulators.jobs import Job, Order, Problem, State
from local.simulators.params import (
    DURATIONS,
    MAX_PROMPT,
    RATIOS_NEW,
    RESOLUTIONS,
    Field,
    Finding,
    first_fault,
    loop_with_ten_seconds,
    text,
    texts,
)
from local.simulators.provider import ProviderApi, Route
from local.simulators.render import ClipSpec
from local.simulators.wire import Answer, Request, json_answer

ENDPOINT = "luma/agent/ray/v3.2/image-to-video"
_APP = r"/luma/agent(?:/ray/v3\.2/image-to-video)?/requests/([^/]+)"
_FIELDS = (
    Field("prompt", str, required=True, longest=MAX_PROMPT),
    Field("image_url", str, nullable=True),
    Field("end_image_url", str, nullable=True),
    Field("aspect_ratio", str, allowed=RATIOS_NEW),
    Field("resolution", str, allowed=RESOLUTIONS),
    Field("duration", str, allowed=DURATIONS),
    Field("loop", bool),
    Field("hdr", bool),
    Field("exr_export", bool),
    Field("keyframes", list, nullable=True, longest=None),
    Field("keyframe_indexes", list, nullable=True),
)
Reply = Callable[[Request, str], Answer]
_FOREVER = 10.0 * 365 * 86_400
_WORDS = {State.QUEUED: "IN_QUEUE", State.RUNNING: "IN_PROGRESS"}
_ERRORS = {
    400: "Bad request",
    401: "Cannot access application 'luma/agent'. Authentication is required.",
    404: "Path not found",
    429: "Too many requests",
    500: "Internal Server Error",
    502: "Bad gateway",
    503: "Service unavailable",
    504: "Gateway timeout",
}


class Fal(ProviderApi):
    name: ClassVar[str] = "fal"
    refuses_above_limit: ClassVar[bool] = False
    malformed: ClassVar[int] = 422
    names_clip: ClassVar[Call] = "answer"

    def make_routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", f"/{ENDPOINT}", "submit", self.submit),
            Route("GET", f"{_APP}/status", "status", self._addressed(self.status)),
            Route("GET", f"{_APP}(?:/response)?", "answer", self._addressed(self.result)),
            Route("PUT", f"{_APP}/cancel", "cancel", self._addressed(self.cancel)),
            Route("GET", "/v1/models/requests/by-endpoint", "list", self.history),
            Route("GET", "/v1/models", "model", self.models, public=True),
        )

    def has_key(self, request: Request) -> bool:
        return self.key_is(request.headers.get("authorization"), "Key ")

    def error(self, status: int, code: str | None = None, detail: str | None = None) -> Answer:
        if status == 403:
            return locked(code)
        if status == 422:
            return model_error(code or "value_error", detail or "Invalid request")
        return platform_error(status, code, detail or _ERRORS.get(status, f"HTTP {status}"))

    def unknown_job(self) -> Answer:
        return json_answer({"status": "NOT_FOUND"}, 404)

    # --- submit ---------------------------------------------------------------------------------

    def subject(self, body: Mapping[str, object]) -> tuple[str, str]:
        return text(body, "prompt"), _images(body)[0] if _images(body) else ""

    def read_order(self, body: Mapping[str, object], request: Request) -> Order | Answer:
        most = request.query.get("fal_max_queue_length")
        queued = [job for job in self.world.store.of(self.name) if job.state is State.QUEUED]
        if most is not None and len(queued) >= int(most):
            return self.error(429, detail="Queue is full")
        found = first_fault(body, _FIELDS) or _conflict(body)
        if found and self.world.settings.early_validation:
            return validation_error(found)
        return _order(body, found, request)

    def accepted(self, job: Job) -> Answer:
        own = self._own_url(job)
        return json_answer(
            {
                "request_id": job.id,
                "response_url": own,
                "status_url": f"{own}/status",
                "cancel_url": f"{own}/cancel",
                "queue_position": self.world.store.queue_position(job),
            },
            headers={"x-fal-request-id": job.id},
        )

    def _own_url(self, job: Job) -> str:
        app = ENDPOINT if _has_full_addresses(job) else "luma/agent"
        return f"{self.world.cdn.origin}/fal/{app}/requests/{job.id}"

    def _addressed(self, answer: Reply) -> Reply:
        """Knows a job with full addresses at no other one."""

        def at_its_address(request: Request, job_id: str) -> Answer:
            job = self.world.store.find(self.name, job_id)
            if job and _has_full_addresses(job) and ENDPOINT not in request.path:
                return self.unknown_job()
            return answer(request, job_id)

        return at_its_address

    # --- status and result ----------------------------------------------------------------------

    def view(self, job: Job, word: str | None = None) -> Answer:
        own = self._own_url(job)
        body: dict[str, object] = {
            "status": word or _WORDS.get(job.state, "COMPLETED"),
            "request_id": job.id,
            "response_url": own,
            "status_url": f"{own}/status",
            "cancel_url": f"{own}/cancel",
        }
        if job.state is State.QUEUED:
            body["queue_position"] = self.world.store.queue_position(job)
        else:
            body["logs"] = None
        if job.state.ended:
            body["metrics"] = {"inference_time": _inference_time(job)}
        if job.state in (State.FAILED, State.CANCELLED) and job.options.get("told") == "status":
            bad = outcome(job)
            body |= {"error": bad.message, "error_type": bad.type}
            if downstream := job.options.get("downstream"):
                body["downstream_status"] = int(downstream)
        code = 200 if job.state.ended else self.world.settings.fal_pending_code
        return json_answer(body, code, {"x-fal-request-id": job.id})

    def result(self, _: Request, job_id: str) -> Answer:
        return self.polled("answer", job_id, self._result)

    def _result(self, job: Job, _: str | None) -> Answer:
        if not job.state.ended:
            return json_answer({"detail": "Request is still in progress"}, 400)
        if job.state is not State.SUCCEEDED:
            return outcome(job).answer(job.id)
        headers = {"x-fal-request-id": job.id, "X-Fal-Billable-Units": f"{job.price_usd():g}"}
        if job.problem:
            return json_answer({"video": None}, headers=headers)
        file = {"url": self.world.cdn.mint(job), "content_type": "video/mp4"}
        return json_answer({"video": {**file, "file_name": "clip.mp4"}}, headers=headers)

    def cancel(self, _: Request, job_id: str) -> Answer:
        job = self.world.store.find(self.name, job_id)
        if job is None:
            return self.unknown_job()
        took = self.cancelling(job)
        if isinstance(took, Answer):
            return took
        word, code = ("CANCELLATION_REQUESTED", 202) if took else ("ALREADY_COMPLETED", 400)
        return json_answer({"status": word}, code)

    # --- catalogue and history ------------------------------------------------------------------

    def models(self, request: Request, _: str) -> Answer:
        """The platform API's search by ID, with the endpoint's OpenAPI document."""
        if request.query.get("endpoint_id") != ENDPOINT:
            return json_answer({"models": [], "has_more": False, "next_cursor": None})
        reference = {"$ref": "#/components/schemas/Input"}
        body = {"content": {"application/json": {"schema": reference}}}
        document = {
            "openapi": "3.0.4",
            "paths": {f"/{ENDPOINT}": {"post": {"requestBody": body}}},
            "components": {"schemas": {"Input": self.published(_FIELDS)}},
        }
        model = {"endpoint_id": ENDPOINT, "metadata": {"status": "active"}, "openapi": document}
        return json_answer({"models": [model], "has_more": False, "next_cursor": None})

    def history(self, request: Request, _: str) -> Answer:
        try:
            limit = request.int_query("limit", 50, 1, 100)
            start = int(request.query.get("cursor", 0))
        except ValueError as error:
            return self.error(400, detail=str(error))
        rows = [self._row(job, request) for job in self._asked_for(request)]
        more = start + limit < len(rows)
        return json_answer(
            {
                "items": rows[start : start + limit],
                "next_cursor": str(start + limit) if more else None,
                "has_more": more,
            }
        )

    def _asked_for(self, request: Request) -> list[Job]:
        if request.query.get("endpoint_id") != ENDPOINT:
            return []
        wanted = request.query.get("request_id")
        day_ago = _stamp(self.world.clock.now() - 86_400)
        start, end = request.query.get("start", day_ago), request.query.get("end", "9")
        return [
            job
            for job in self.listed()
            if start <= _stamp(job.accepted_at) <= end and wanted in (None, job.id)
        ]

    def _row(self, job: Job, request: Request) -> dict[str, object]:
        code = outcome(job).status if job.state in (State.FAILED, State.CANCELLED) else 200
        row: dict[str, object] = {
            "request_id": job.id,
            "endpoint_id": ENDPOINT,
            "sent_at": _stamp(job.accepted_at),
            "started_at": _stamp(job.started_at) if job.started_at else None,
            "ended_at": _stamp(job.ended_at) if job.ended_at else None,
            "status_code": code if job.state.ended else None,
            "duration": _inference_time(job),
        }
        if request.query.get("expand") == "payloads":
            row["json_input"] = dict(job.order.parameters)
        return row


def _has_full_addresses(job: Job) -> bool:
    return job.options.get("addresses") == "full"


def _images(body: Mapping[str, object]) -> tuple[str, ...]:
    single = text(body, "image_url")
    last = text(body, "end_image_url")
    return (*([single] if single else texts(body, "keyframes")), *([last] if last else []))


def _conflict(body: Mapping[str, object]) -> Finding | None:
    """What the schema cannot say field by field (4.2)."""
    frames, indexes = texts(body, "keyframes"), texts(body, "keyframe_indexes")
    hdr = body.get("hdr") is True
    rules = (
        (not body.get("image_url") and not frames, "image_url", "image_url is required"),
        (bool(body.get("image_url")) and bool(frames), "image_url", "excludes keyframes"),
        (len(set(indexes)) != len(frames), "keyframe_indexes", "one unique index per keyframe"),
        (
            body.get("duration") == "10s" and not frames,
            "duration",
            "10s is not supported with image_url; use keyframes",
        ),
        (
            body.get("loop") is True and bool(frames or body.get("end_image_url") or hdr),
            "loop",
            "loop is not supported with end_image_url, keyframes or hdr",
        ),
        (hdr and body.get("resolution", "540p") == "540p", "hdr", "hdr needs 720p or 1080p"),
        (body.get("exr_export") is True and not hdr, "exr_export", "exr_export needs hdr"),
    )
    wrong = next(((where, why) for holds, where, why in rules if holds), None)
    return Finding(wrong[0], "conflict", wrong[1]) if wrong else loop_with_ten_seconds(body)


def _order(body: Mapping[str, object], found: Finding | None, request: Request) -> Order:
    wait = request.headers.get("x-fal-request-timeout")
    spec = None
    if not found:
        spec = ClipSpec.of(
            text(body, "resolution", "540p"),
            text(body, "aspect_ratio", "16:9"),
            text(body, "duration", "5s"),
            loop=body.get("loop") is True,
        )
    return Order(
        prompt=text(body, "prompt"),
        image_urls=_images(body),
        parameters=dict(body),
        spec=spec,
        problem=_late(found) if found else None,
        start_within=float(wait) if wait else None,
        file_life=_file_life(request),
    )


def _late(found: Finding) -> Problem:
    return Problem("late-validation", found.message, found.what, found.where, found.allowed)


def _file_life(request: Request) -> float | None:
    """`X-Fal-Object-Lifecycle-Preference`; null keeps the file for good."""
    header = request.headers.get("x-fal-object-lifecycle-preference")
    if not header:
        return None
    preference = json.loads(header)
    if not isinstance(preference, dict):
        raise ValueError("X-Fal-Object-Lifecycle-Preference is not a JSON object")  # noqa: TRY004
    seconds = preference.get("expiration_duration_seconds")
    return _FOREVER if seconds is None else float(seconds)


def _inference_time(job: Job) -> float | None:
    if job.started_at is None or job.ended_at is None:
        return None
    return round(job.ended_at - job.started_at, 3)


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
