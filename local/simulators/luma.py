"""Luma Agents API (providers.md section 5).

Everything is checked at submit, the image included, which is fetched there. A fresh address of
the clip comes with each GET of the generation.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar

from local.simulators.images import ImageError
from local.simulators.jobs import Job, Order, State
from local.simulators.luma_checks import MODEL, image_refs, wrong
from local.simulators.params import text
from local.simulators.provider import ProviderApi, Route
from local.simulators.render import ClipSpec
from local.simulators.wire import Answer, Request, json_answer

_WINDOW = 60.0
_NOMINAL_LIMIT = 600  # what the headers say when no limit is set

# HTTP code -> wordings; `code=` picks one by its first column, 5.4.
_ERRORS: dict[int, dict[str, str]] = {
    400: {"": "Invalid request"},
    401: {
        "": "Invalid API key",
        "missing": "Missing or invalid API key",
        "revoked": "API key has been revoked",
        "expired": "API key has expired",
    },
    402: {
        "": "Insufficient credits. Please add credits to continue.",
        "balance": "Insufficient balance. Please add funds to continue.",
    },
    403: {"": "API client is suspended", "deactivated": "API client is deactivated"},
    404: {"": "Generation not found"},
    413: {"": "Image exceeds 50 MB size limit"},
    422: {"": "video.start_frame: failed to fetch URL"},
    429: {"": "Rate limit exceeded", "concurrent": "Too many concurrent jobs"},
    502: {"": "Upstream service unavailable", "proxy": "source: fetch proxy unavailable"},
    503: {"": "Image URL ingestion unavailable", "media": "Media URL ingestion is unavailable"},
}

# How a job ends -> failure_code and failure_reason, 5.3. The words are those of the SDK's type.
_ENDS = {
    "moderated": ("content_moderated", "The request was flagged by content moderation"),
    "failed": ("generation_failed", "Generation failed"),
    "failed-retryable": ("generation_failed", "Generation failed, please try again"),
    "bad-image": ("corrupt_input", "The image could not be fetched"),
    "image-too-large": ("image_too_large", "The image is too large"),
    "image-unsupported": ("unsupported_format", "The image format is not supported"),
    "image-corrupt": ("corrupt_input", "The image could not be read"),
    "no-credit": ("budget_exhausted", "The budget is exhausted"),
    "timeout": ("generation_failed", "Generation timed out"),
    "late-validation": ("invalid_request", "The request is not valid"),
    "output-not-found": ("output_not_found", "The output could not be found"),
    "rate-limited": ("rate_limited", "The model is rate limited"),
}
_IMAGE_CODES = {"image-too-large": 413}
_WORDS = {
    State.QUEUED: "queued",
    State.RUNNING: "processing",
    State.SUCCEEDED: "completed",
    State.FAILED: "failed",
    State.CANCELLED: "failed",
}


class Luma(ProviderApi):
    name: ClassVar[str] = "luma"
    refuses_above_limit: ClassVar[bool] = True
    malformed: ClassVar[int] = 400

    def make_routes(self) -> tuple[Route, ...]:
        self._posts: deque[float] = deque()
        self._lock = threading.Lock()
        self.world.on_reset.append(self._posts.clear)
        return (
            Route("POST", "/generations", "submit", self.limited_submit),
            Route("GET", "/generations/([^/]+)", "status", self.status),
            Route("GET", "/files", "files", self.files),
        )

    def answer(self, request: Request) -> Answer:
        given = super().answer(request)
        trace = request.headers.get("x-request-id") or str(uuid.uuid4())
        stamps = {"X-API-Version": "2026-04-01", "X-Request-Id": trace}
        return replace(given, headers={**stamps, **given.headers})

    def has_key(self, request: Request) -> bool:
        return self.key_is(request.headers.get("authorization"), "Bearer ")

    def unauthorised(self, request: Request) -> Answer:
        return self.error(401, None if request.headers.get("authorization") else "missing")

    def error(self, status: int, code: str | None = None, detail: str | None = None) -> Answer:
        if code == "list":
            entry = {"loc": ["body"], "msg": "Invalid request", "type": "value_error"}
            return json_answer({"detail": [entry]}, status)
        texts = _ERRORS.get(status, {"": f"HTTP {status}"})
        body = {"detail": detail or texts.get(code or "", texts[""])}
        return json_answer(body, status, self._limit_headers(status, code))

    def too_many_jobs(self) -> Answer:
        return self.error(429, "concurrent")

    # --- limits ---------------------------------------------------------------------------------

    def limited_submit(self, request: Request, _: str) -> Answer:
        """The window counts every POST with a good key that it lets through (5.5)."""
        limit, now = self.world.settings.luma_posts_per_minute, self.world.clock.now()
        with self._lock:
            self._forget(now)
            if limit is not None and len(self._posts) >= limit:
                return self.error(429)
            self._posts.append(now)
        return self.submit(request)

    def _forget(self, now: float) -> None:
        while self._posts and self._posts[0] <= now - _WINDOW:
            self._posts.popleft()

    def _limit_headers(self, status: int, code: str | None) -> dict[str, str]:
        if status == 429 and code == "concurrent":
            return {"Retry-After": "60"}
        if status not in (201, 429):
            return {}
        now, limit = self.world.clock.now(), self.world.settings.luma_posts_per_minute
        oldest = self._posts[0] if self._posts else now
        most = _NOMINAL_LIMIT if limit is None else limit
        reset = max(1, round(oldest + _WINDOW - now))
        headers = {
            "X-RateLimit-Limit": str(most),
            "X-RateLimit-Remaining": str(max(0, most - len(self._posts)) if status == 201 else 0),
            "X-RateLimit-Reset": str(reset),
        }
        return headers | ({"Retry-After": str(reset)} if status == 429 else {})

    # --- submit ---------------------------------------------------------------------------------

    def subject(self, body: Mapping[str, object]) -> tuple[str, str]:
        refs = image_refs(body)
        return text(body, "prompt"), text(refs[0][1], "url") if refs else ""

    def read_order(self, body: Mapping[str, object], request: Request) -> Order | Answer:
        del request
        if problem := wrong(body):
            return self.error(400, detail=problem)
        kept = []
        for where, ref in image_refs(body):
            try:
                kept.append(self._image(ref))
            except ImageError as fault:
                code = _IMAGE_CODES.get(fault.kind, 422)
                return self.error(code, detail=f"{where}: {fault.message}")
        image = self.world.studio.shelf.keep_image(kept[0])
        urls = tuple(text(ref, "url") for _, ref in image_refs(body))
        return Order(text(body, "prompt"), urls, dict(body), _spec(body), image=image)

    def _image(self, ref: Mapping[str, object]) -> bytes:
        fetcher = self.world.studio.fetcher
        if "data" in ref:
            return fetcher.decode(text(ref, "data"))
        return fetcher.fetch(text(ref, "url"))

    def accepted(self, job: Job) -> Answer:
        return json_answer(self._generation(job, None), 201, self._limit_headers(201, None))

    # --- status ---------------------------------------------------------------------------------

    def view(self, job: Job, word: str | None = None) -> Answer:
        return json_answer(self._generation(job, word))

    def _generation(self, job: Job, word: str | None) -> dict[str, object]:
        failed = job.state in (State.FAILED, State.CANCELLED)
        code, reason = _ENDS.get(job.problem.kind if job.problem else "", _ENDS["failed"])
        return {
            "id": job.id,
            "type": "video",
            "state": word or _WORDS[job.state],
            "model": MODEL,
            "created_at": datetime.fromtimestamp(job.accepted_at, UTC).isoformat(),
            "output": self._output(job),
            "failure_reason": reason if failed else None,
            "failure_code": ((job.problem and job.problem.code) or code) if failed else None,
        }

    def _output(self, job: Job) -> list[dict[str, str]]:
        if job.state is not State.SUCCEEDED or job.problem:
            return []
        return [{"type": "video", "url": self.world.cdn.mint(job, renewed=True)}]

    def files(self, request: Request, _: str) -> Answer:
        """The cheap way to see whether a key is good; no file is ever here."""
        try:
            request.int_query("limit", 25, 1, 100)
        except ValueError as error:
            return self.error(400, detail=str(error))
        return json_answer({"data": [], "has_more": False, "next_cursor": None})


def _spec(body: Mapping[str, object]) -> ClipSpec:
    video = body.get("video")
    options = video if isinstance(video, dict) else {}
    return ClipSpec.of(
        text(options, "resolution", "720p"),
        text(body, "aspect_ratio", "16:9"),
        text(options, "duration", "5s"),
        loop=options.get("loop") is True,
    )
