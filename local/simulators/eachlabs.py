"""each::labs (providers.md section 2).

Parameters are checked at submit; the image is fetched when the job runs. The model's input names
are not published: `Settings.eachlabs_fields` says which ones this run takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar

from local.simulators.jobs import Job, Order, State
from local.simulators.params import (
    DURATIONS,
    MAX_PROMPT,
    RATIOS_NEW,
    RESOLUTIONS,
    Field,
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
_FIELDS = (
    Field("prompt", str, required=True, longest=MAX_PROMPT),
    Field("image_url", str, required=True),
    Field("aspect_ratio", str, allowed=RATIOS_NEW),
    Field("resolution", str, allowed=RESOLUTIONS),
    Field("duration", str, allowed=DURATIONS),
    Field("loop", bool),
    Field("reference_image_urls", list),
)

# HTTP code -> body, 2.4.
_ERRORS: dict[int, dict[str, object]] = {
    400: {"status": 400, "error": "Invalid input for model"},
    401: {"error": "Invalid or missing API key"},
    402: {
        "status": 402,
        "error": "payment required",
        "details": "the estimated cost of your in-flight executions exceeds your current balance",
    },
    403: {"error": "forbidden"},
    404: {"error": "Prediction not found"},
    422: {"error": "unprocessable entity"},
    429: {
        "status": 429,
        "error": "too many requests",
        "details": "Account rate limited: accounts with a balance of $10.00 or less are limited"
        " to 10 concurrent executions.",
    },
    500: {"error": "Internal server error"},
}

# With `code=rate`; else a 429 is about jobs at once.
_RATE_LIMITED = "Rate limit exceeded. Please retry after 60 seconds."

# How a job ends -> category, error_code, retryable, message (2.4). The code of moderation is not
# published; a class of that name exists as a filter of /v1/executions.
_ENDS: dict[str, tuple[str, str, bool, str]] = {
    "moderated": ("VALIDATION", "CONTENT_MODERATION", False, "flagged by content moderation"),
    "failed": ("PROVIDER", "PROVIDER_FAILED", False, "the provider failed after acceptance"),
    "failed-retryable": ("PROVIDER", "PROVIDER_SERVER_ERROR", True, "the provider answered 503"),
    "bad-image": ("VALIDATION", "INPUT_DOWNLOAD_ERROR", False, "input URL is not reachable"),
    "image-too-large": ("VALIDATION", "PROVIDER_REJECTED", False, "input image is too large"),
    "image-unsupported": ("VALIDATION", "PROVIDER_REJECTED", False, "input is not media"),
    "image-corrupt": ("VALIDATION", "PROVIDER_REJECTED", False, "input image cannot be read"),
    "timeout": ("TIMEOUT", "EXECUTION_TIMEOUT", True, "execution timed out"),
    "late-validation": ("VALIDATION", "INPUT_VALIDATION_ERROR", False, "invalid input"),
    "output-not-found": ("PROVIDER", "PROVIDER_SERVER_ERROR", True, "no output was produced"),
    "rate-limited": ("RATE_LIMIT", "PROVIDER_RATE_LIMIT", True, "the provider is rate limited"),
}
_WORDS = {
    State.QUEUED: "created",
    State.RUNNING: "processing",
    State.SUCCEEDED: "success",
    State.CANCELLED: "cancelled",
}


class Eachlabs(ProviderApi):
    name: ClassVar[str] = "eachlabs"
    refuses_above_limit: ClassVar[bool] = True
    malformed: ClassVar[int] = 422

    def make_routes(self) -> tuple[Route, ...]:
        return (
            Route("POST", "/v1/prediction", "submit", self.submit),
            Route("GET", f"/v1/prediction/{_ID}", "status", self.status),
            Route("POST", f"/v1/prediction/{_ID}/cancel", "cancel", self.cancel),
            Route("GET", "/v1/executions", "list", self.executions),
            Route("GET", "/v1/billing/balance", "balance", self.balance),
            Route("GET", "/v1/model", "model", self.model, public=True),
            Route("GET", f"/v1/models/{_ID}", "model", self.named_model, public=True),
            Route("GET", "/v1/models", "model", self.models, public=True),
        )

    def has_key(self, request: Request) -> bool:
        new, old = request.headers.get("authorization"), request.headers.get("x-api-key")
        return self.key_is(new, "Bearer ") or self.key_is(old, "")

    def error(self, status: int, code: str | None = None, detail: str | None = None) -> Answer:
        body = dict(_ERRORS.get(status, {"error": f"HTTP {status}"}))
        text_ = detail or (_RATE_LIMITED if code == "rate" else code)
        if text_ and status == 400:
            body["details"] = text_
        elif text_:
            body["details" if "details" in body else "error"] = text_
        return json_answer(body, status)

    # --- submit ---------------------------------------------------------------------------------

    def subject(self, body: Mapping[str, object]) -> tuple[str, str]:
        given = self._canonical(body)
        return text(given, "prompt"), text(given, "image_url")

    def read_order(self, body: Mapping[str, object], request: Request) -> Order | Answer:
        del request
        if not text(body, "model"):
            return json_answer({"error": "model field is required"}, 400)
        if body["model"] != MODEL:
            return json_answer({"error": "Model not found"}, 404)
        if not isinstance(body.get("input"), dict):
            return self.error(400, detail="input field is required")
        given = self._canonical(body)
        found = first_fault(given, _FIELDS) or loop_with_ten_seconds(given)
        if found:
            return self.error(400, detail=found.message)
        return _order(given, body)

    def accepted(self, job: Job) -> Answer:
        return json_answer(
            {
                "status": "success",
                "message": "Prediction created successfully",
                "predictionID": job.id,
            }
        )

    def _canonical(self, body: Mapping[str, object]) -> dict[str, object]:
        """The input under fal's names, whatever this run calls them."""
        given = body.get("input")
        if not isinstance(given, dict):
            return {}
        names = self.world.settings.eachlabs_fields
        return {ours: given[theirs] for ours, theirs in names.items() if theirs in given}

    # --- status ---------------------------------------------------------------------------------

    def view(self, job: Job, word: str | None = None) -> Answer:
        own = f"{self.world.cdn.origin}/eachlabs/v1/prediction/{job.id}"
        took = (job.ended_at or 0.0) - (job.started_at or 0.0) if job.state.ended else 0.0
        return json_answer(
            {
                "id": job.id,
                "input": job.order.parameters.get("input"),
                "status": word or self._word(job),
                "output": self._output(job),
                "logs": None,
                "metrics": {"predict_time": round(took, 3), "cost": job.price_usd()},
                "urls": {"get": own, "cancel": f"{own}/cancel"},
            }
        )

    def _word(self, job: Job) -> str:
        if job.state is State.FAILED:
            return job.options.get("word", "error")
        if job.state is State.RUNNING and job.started_at is not None:
            young = self.world.clock.now() < job.started_at + job.run_seconds * 0.2
            return "starting" if young else "processing"
        return _WORDS[job.state]

    def _output(self, job: Job) -> object:
        if job.state is State.FAILED:
            return _failure(job)
        if job.state is not State.SUCCEEDED or job.problem:
            return None
        url = self.world.cdn.mint(job)
        shapes = {"list": [url], "object": {"video": {"url": url}}, "flat": {"url": url}}
        return shapes.get(job.options.get("output", "string"), url)

    def cancel(self, _: Request, job_id: str) -> Answer:
        job = self.world.store.find(self.name, job_id)
        if job is None:
            return self.error(404)
        took = self.cancelling(job)
        if isinstance(took, Answer):
            return took
        message = "Prediction canceled successfully"
        return json_answer({"status": "cancelled", "message": message, "predictionID": job.id})

    # --- catalogue and history ------------------------------------------------------------------

    def executions(self, request: Request, _: str) -> Answer:
        try:
            limit = request.int_query("limit", 20, 1, 100)
            offset = request.int_query("offset", 0, 0, 10**9)
        except ValueError as error:
            return self.error(400, detail=str(error))
        jobs = self.listed()
        wanted = {word for word in request.query.get("status", "").split(",") if word}
        rows = [row for row in map(self._row, jobs) if not wanted or row["status"] in wanted]
        return json_answer(
            {
                "executions": rows[offset : offset + limit],
                "total_count": len(rows),
                "total_capped": False,
                "offset": offset,
                "limit": limit,
            }
        )

    def _row(self, job: Job) -> dict[str, object]:
        output = self._output(job)
        started, ended = job.started_at, job.ended_at
        return {
            "id": job.id,
            "model": MODEL,
            "requested_model": None,
            "status": self._word(job),
            "workflow_id": None,
            "workflow_execution_id": None,
            "execution_cost": job.price_usd(),
            "run_time": round(ended - started, 3) if started and ended else 0.0,
            "created_at": _moment(job.accepted_at),
            "started_at": _moment(started),
            "completed_at": _moment(ended),
            "output": output if isinstance(output, str) else None,
        }

    def balance(self, _: Request, __: str) -> Answer:
        return json_answer({"balance_usd": 53.475})

    def model(self, request: Request, _: str) -> Answer:
        """As older pages have it."""
        slug = request.query.get("slug")
        if not slug:
            return json_answer({"error": "slug parameter is required"}, 400)
        return self.named_model(request, slug)

    def named_model(self, _: Request, slug: str) -> Answer:
        if slug != MODEL:
            return json_answer({"error": "Failed to fetch model: model not found"}, 404)
        return json_answer(self._model())

    def models(self, request: Request, _: str) -> Answer:
        wanted = request.query.get("name", "").lower()
        return json_answer([self._model()] if wanted in MODEL else [])

    def _model(self) -> dict[str, object]:
        names = self.world.settings.eachlabs_fields
        fields = [replace(field, name=names[field.name]) for field in _FIELDS]
        return {
            "title": "Luma Ray 3.2 Image to Video",
            "slug": MODEL,
            "version": "0.0.1",
            "output_type": "string",
            "request_schema": self.published(fields),
        }


def _order(given: Mapping[str, object], body: Mapping[str, object]) -> Order:
    spec = ClipSpec.of(
        text(given, "resolution", "540p"),
        text(given, "aspect_ratio", "16:9"),
        text(given, "duration", "5s"),
        loop=given.get("loop") is True,
    )
    images = (text(given, "image_url"), *texts(given, "reference_image_urls"))
    return Order(text(given, "prompt"), images, dict(body), spec)


def _failure(job: Job) -> dict[str, object]:
    """The object of a failed execution; a failed dispatch holds only `error` (2.4)."""
    problem = job.problem
    kind = problem.kind if problem else "failed"
    if kind == "no-credit":
        return {"error": "payment required"}
    category, code, retryable, message = _ENDS[kind]
    return {
        "classification": {"category": category},
        "error": "Execution failed",
        "error_code": (problem.code if problem else None) or code,
        "error_message": (problem.message if problem else "") or message,
        "error_step": "prediction",
        "execution_id": job.id,
        "model_id": MODEL,
        "model_slug": MODEL,
        "provider": "luma",
        "retryable": retryable,
        "status": "ERROR",
        "success": False,
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
