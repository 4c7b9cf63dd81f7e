"""Oxen.ai (providers.md section 3).

Only the model, the key and the number of generations are checked at submit; wrong parameters show
later as `failed` with a free text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import ClassVar

from local.simulators.jobs import Job, Order, Problem, State
from local.simulators.params import (
    DURATIONS,
    RATIOS_NEW,
    RATIOS_OLD,
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

MODEL = "luma-ray-v3-2-image-to-video"
_ID = r"([^/]+)"
_GENERATIONS = 4
_FIELDS = (
    Field("prompt", str, required=True),
    Field("input_image", (str, list), required=True),
    Field("aspect_ratio", str, allowed=RATIOS_OLD),
    Field("resolution", str, allowed=RESOLUTIONS),
    Field("duration", str, allowed=DURATIONS),
    Field("loop", bool),
    Field("reference_image_urls", list),
)

# HTTP code -> type and title, 3.3. From 402 on nothing is declared.
_ERRORS = {
    400: ("invalid_params", "Invalid parameters"),
    401: ("unauthenticated", "You must be authenticated to access this resource"),
    402: ("insufficient_credits", "Insufficient credits"),
    403: ("forbidden", "Forbidden"),
    404: ("resource_not_found", "The requested resource could not be found"),
    429: ("rate_limited", "Too many requests"),
    500: ("unknown_error", "Internal server error"),
}
_UPSTREAM = "Getting model response error: "

# How a job ends -> text; there are no codes (3.3). The wrapped texts are fal's.
_ENDS = {
    "moderated": _UPSTREAM
    + '422 - {"detail":[{"type":"content_policy_violation","msg":"The content could not be'
    ' processed because it contained material flagged by a content checker."}]}',
    "failed": _UPSTREAM + "500 - Internal Server Error",
    "failed-retryable": _UPSTREAM + "503 - Service Unavailable",
    "bad-image": _UPSTREAM + '422 - {"detail":[{"type":"file_download_error"}]}',
    "image-too-large": _UPSTREAM + '422 - {"detail":[{"type":"file_too_large"}]}',
    "image-unsupported": _UPSTREAM + '422 - {"detail":[{"type":"unsupported_image_format"}]}',
    "image-corrupt": _UPSTREAM + '422 - {"detail":[{"type":"image_load_error"}]}',
    "no-credit": "Insufficient credits",
    "timeout": _UPSTREAM + "504 - Generation timed out",
    "late-validation": _UPSTREAM + '422 - {"detail":[{"type":"one_of"}]}',
    "output-not-found": _UPSTREAM + '422 - {"detail":[{"type":"no_media_generated"}]}',
    "rate-limited": _UPSTREAM + "429 - Too Many Requests",
}
_WORDS = {
    State.QUEUED: "queued",
    State.RUNNING: "processing",
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
}


class Oxen(ProviderApi):
    name: ClassVar[str] = "oxen"
    refuses_above_limit: ClassVar[bool] = False
    malformed: ClassVar[int] = 400

    def make_routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/queue", "submit", self.submit),
            Route("GET", "/queue", "list", self.queue),
            Route("GET", f"/queue/{_ID}", "status", self.status),
            Route("DELETE", f"/queue/{_ID}", "cancel", self.cancel),
            Route("GET", f"/generations/{_ID}", "generation", self.generation),
            Route("GET", "/models", "model", self.models, public=True),
            Route("GET", f"/models/{_ID}", "model", self.model, public=True),
        )

    def has_key(self, request: Request) -> bool:
        return self.key_is(request.headers.get("authorization"), "Bearer ")

    def error(self, status: int, code: str | None = None, detail: str | None = None) -> Answer:
        kind, title = _ERRORS.get(status, ("unknown_error", f"HTTP {status}"))
        error = {"type": code or kind, "title": title}
        if detail:
            error["detail"] = detail
        body = {"error": error, "status": "error", "status_message": code or kind}
        return json_answer(body, status)

    # --- submit ---------------------------------------------------------------------------------

    def subject(self, body: Mapping[str, object]) -> tuple[str, str]:
        return text(body, "prompt"), _image(body)

    def read_order(self, body: Mapping[str, object], request: Request) -> Order | Answer:
        del request
        model = body.get("model")
        if not model:
            return self.error(400, detail="model is required")
        if model != MODEL:
            return self.error(404, detail=f"Model not found: {model}")
        if _count(body) not in range(1, _GENERATIONS + 1):
            return self.error(400, detail=f"num_generations must be 1-{_GENERATIONS}")
        return _order(body, self._late_finding(body))

    def _late_finding(self, body: Mapping[str, object]) -> Finding | None:
        found = first_fault(body, _FIELDS) or loop_with_ten_seconds(body)
        if found or not self.world.settings.oxen_narrow:
            return found
        narrow = Field("aspect_ratio", str, allowed=RATIOS_NEW)
        short = Field("duration", str, allowed=DURATIONS[:1])
        return first_fault(body, (narrow, short))

    def accepted(self, job: Job) -> Answer:
        """More than one generation is more than one job, and each is billed."""
        more = _count(job.order.parameters) - 1
        others = [self.take(job.order, job.id) for _ in range(more)]
        ids = [job.id, *(other.id for other in others if other)]
        return json_answer(
            {"generations": [{"generation_id": id_, "status": "queued"} for id_ in ids]}
        )

    # --- status ---------------------------------------------------------------------------------

    def view(self, job: Job, word: str | None = None) -> Answer:
        return json_answer(self._row(job, word))

    def _row(self, job: Job, word: str | None = None) -> dict[str, object]:
        ready = job.state is State.SUCCEEDED and job.problem is None
        known = {
            "generation_id": job.id,
            "model_name": MODEL,
            "prompt": job.order.prompt,
            "media_type": "video",
            "status": word or _WORDS[job.state],
            "result_url": self.world.cdn.mint(job, renewed=True) if ready else None,
            "error_message": _text(job) if job.state is State.FAILED else None,
            "enqueued_at": int(job.accepted_at),
            "started_at": _second(job.started_at),
            "completed_at": _second(job.ended_at),
        }
        echoed = {k: v for k, v in job.order.parameters.items() if k not in ("model", "prompt")}
        return {**echoed, **known}

    def queue(self, request: Request, _: str) -> Answer:
        """Active rows, unless a status is asked for; newest first."""
        wanted = request.query.get("status")
        active = (_WORDS[State.QUEUED], _WORDS[State.RUNNING])
        rows = [self._row(job) for job in self.listed()]
        rows = [r for r in rows if (r["status"] == wanted if wanted else r["status"] in active)]
        if request.query.get("model", MODEL) != MODEL:
            rows = []
        return json_answer({"count": len(rows), "generations": rows})

    def generation(self, _: Request, job_id: str) -> Answer:
        job = self.world.store.find(self.name, job_id)
        if job is None:
            return self.error(404)
        row = {**self._row(job), "cost": f"{job.price_usd():.4f}"}
        head = {"status": "success", "status_message": "resource_found"}
        return json_answer({**head, "generation": row})

    def cancel(self, _: Request, job_id: str) -> Answer:
        job = self.world.store.find(self.name, job_id)
        if job is None:
            return self.error(404)
        took = self.cancelling(job)
        if isinstance(took, Answer):
            return took
        return json_answer({"status": "success", "generation_id": job.id})

    # --- catalogue ------------------------------------------------------------------------------

    def models(self, _: Request, __: str) -> Answer:
        return json_answer({"models": [self._model()]})

    def model(self, _: Request, name: str) -> Answer:
        return json_answer(self._model()) if name == MODEL else self.error(404, detail=name)

    def _model(self) -> dict[str, object]:
        return {"id": MODEL, "json_request_schema": self.published(_FIELDS), "pricing": None}


def _count(body: Mapping[str, object]) -> int:
    number = body.get("num_generations", 1)
    return number if type(number) is int else 0


def _image(body: Mapping[str, object]) -> str:
    listed = texts(body, "input_image")
    return listed[0] if listed else text(body, "input_image")


def _order(body: Mapping[str, object], found: Finding | None) -> Order:
    images = (_image(body), *texts(body, "reference_image_urls"))
    if found:
        upstream = json.dumps({"detail": [{"loc": ["body", found.where], "msg": found.message}]})
        problem = Problem("late-validation", f"{_UPSTREAM}422 - {upstream}")
        return Order(text(body, "prompt"), images, dict(body), None, problem)
    spec = ClipSpec.of(
        text(body, "resolution", "540p"),
        text(body, "aspect_ratio", "16:9"),
        text(body, "duration", "5s"),
        loop=body.get("loop") is True,
    )
    return Order(text(body, "prompt"), images, dict(body), spec)


def _text(job: Job) -> str:
    if job.problem is None:
        return _ENDS["failed"]
    if job.problem.message.startswith(_UPSTREAM):
        return job.problem.message
    if job.problem.code:
        return f'{_UPSTREAM}422 - {{"detail":[{{"type":"{job.problem.code}"}}]}}'
    told = _ENDS[job.problem.kind]
    return told if job.problem.message in told else f"{told} {job.problem.message}"


def _second(moment: float | None) -> int | None:
    return None if moment is None else int(moment)
