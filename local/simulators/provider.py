"""What the four protocols share: the way of a request through keys, faults, checks and jobs."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar
from urllib.parse import urlsplit

from local.simulators.cdn import Cdn
from local.simulators.clock import Clock
from local.simulators.drift import drifted
from local.simulators.faults import Call, Fault, FaultBook
from local.simulators.jobs import Job, JobStore, Order, Problem, State
from local.simulators.params import Field, schema
from local.simulators.settings import Settings
from local.simulators.studio import Studio
from local.simulators.tally import Tally
from local.simulators.wire import Answer, Request, html_answer, json_answer

_OPTIONS = (
    "render",
    "faststart",
    "output",
    "word",
    "told",
    "host",
    "listed",
    "downstream",
    "addresses",
)


@dataclass(frozen=True, slots=True)
class World:
    """Everything the protocols work on."""

    settings: Settings
    clock: Clock
    store: JobStore
    faults: FaultBook
    studio: Studio
    cdn: Cdn
    calls: Tally[tuple[str, str]] = field(default_factory=Tally)
    drift: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of schemas, by provider
    on_reset: list[Callable[[], None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Route:
    """One call of an API; `pattern` matches the whole path below the provider's mount."""

    method: str
    pattern: str
    call: str
    answer: Callable[[Request, str], Answer]
    public: bool = False


class ProviderApi(ABC):
    """One hosted API. Subclasses say how its requests read and its answers look."""

    name: ClassVar[str]
    refuses_above_limit: ClassVar[bool]  # 429 beyond `max_running`, rather than a longer queue
    malformed: ClassVar[int]  # HTTP code for a body that is not a JSON object
    names_clip: ClassVar[Call] = "status"  # the call that tells the clip's address

    def __init__(self, world: World) -> None:
        self.world = world
        self.routes = self.make_routes()

    def answer(self, request: Request) -> Answer:
        """Answer a request whose path begins below this provider's mount."""
        for route in self.routes:
            found = re.fullmatch(route.pattern, request.path)
            if found and route.method == request.method:
                return self._call(route, request, found[1] if found.groups() else "")
        return self.error(404)

    def _call(self, route: Route, request: Request, job_id: str) -> Answer:
        self.world.calls.add((self.name, route.call))
        if not route.public and not self.has_key(request):
            return self.unauthorised(request)
        try:
            return route.answer(request, job_id)
        except ValueError as error:  # a marker, or a number that is none
            return self.error(400, detail=str(error))

    # --- what differs ---------------------------------------------------------------------------

    @abstractmethod
    def make_routes(self) -> tuple[Route, ...]: ...

    @abstractmethod
    def has_key(self, request: Request) -> bool: ...

    @abstractmethod
    def error(self, status: int, code: str | None = None, detail: str | None = None) -> Answer:
        """An error in the provider's shape; `code` and `detail` pick or replace its wording."""

    @abstractmethod
    def subject(self, body: Mapping[str, object]) -> tuple[str, str]:
        """The prompt and the image of a submit that may not be valid."""

    @abstractmethod
    def read_order(self, body: Mapping[str, object], request: Request) -> Order | Answer:
        """What is asked for, or the refusal of it."""

    @abstractmethod
    def accepted(self, job: Job) -> Answer: ...

    @abstractmethod
    def view(self, job: Job, word: str | None = None) -> Answer:
        """The status of a job; `word` stands in for the real status word."""

    def unauthorised(self, request: Request) -> Answer:
        del request
        return self.error(401)

    def unknown_job(self) -> Answer:
        return self.error(404)

    def too_many_jobs(self) -> Answer:
        return self.error(429)

    def published(self, fields: Sequence[Field]) -> dict[str, object]:
        """The schema that the provider shows, which may drift from what it takes."""
        return drifted(schema(fields), self.world.drift.get(self.name, ()))

    # --- the way of a submit --------------------------------------------------------------------

    def submit(self, request: Request, _: str = "") -> Answer:
        try:
            body = request.json_object()
        except ValueError:
            return self.error(self.malformed, detail="malformed JSON")
        prompt, image = self.subject(body)
        scope = _identity(image)
        fault = self.world.faults.take(self.name, "submit", prompt, scope)
        if fault and fault.http_status:
            return self.refusal(fault, fault.http_status)
        if fault and fault.kind == "drop-before":
            return Answer(silent=True)
        order = self.read_order(body, request)
        if isinstance(order, Answer):
            return order
        job = self.take(order, scope)
        return _damaged(self.accepted(job), fault) if job else self.too_many_jobs()

    def take(self, order: Order, scope: str) -> Job | None:
        limit = self.world.settings.max_running.get(self.name)
        at_most = limit if self.refuses_above_limit else None
        return self.world.store.accept(self.name, lambda: self._make_job(order, scope), at_most)

    def _make_job(self, order: Order, scope: str) -> Job:
        world, prompt = self.world, order.prompt
        found = {name: world.faults.option(self.name, name, prompt) for name in _OPTIONS}
        options = {name: value for name, value in found.items() if value is not None}
        if options.get("faststart") == "0" and order.spec:
            order = replace(order, spec=replace(order.spec, faststart=False))
        seconds = float(options.get("render", world.settings.render_seconds))
        queued = seconds * world.settings.queue_share
        now = world.clock.now()
        job = Job(self.name, order, now, queued, seconds - queued, options)
        end = world.faults.take(self.name, "end", prompt, scope)
        job.problem = order.problem or (Problem(end.kind, code=end.code) if end else None)
        return job

    def refusal(self, fault: Fault, status: int) -> Answer:
        answer = self.error(status, fault.code)
        if fault.retry_after is None:
            return answer
        return replace(answer, headers={**answer.headers, "Retry-After": f"{fault.retry_after:g}"})

    # --- the way of a poll ----------------------------------------------------------------------

    def status(self, _: Request, job_id: str) -> Answer:
        return self.polled("status", job_id, self.view)

    def polled(self, call: Call, job_id: str, view: Callable[[Job, str | None], Answer]) -> Answer:
        """Answer a GET of a job, spoiled as the job's markers ask."""
        job = self.world.store.find(self.name, job_id)
        if job is None:
            return self.unknown_job()
        fault = self.world.faults.take(self.name, call, job.order.prompt, job.id)
        if fault is None:
            return view(self._as_known(job, call), None)
        if fault.http_status:
            return self.refusal(fault, fault.http_status)
        if fault.kind == "drop":
            return Answer(silent=True)
        if fault.kind == "html":
            return html_answer(int(fault.argument or 200))
        if fault.kind == "slow":
            return replace(view(job, None), delay=fault.number)
        return view(job, fault.argument)

    def _as_known(self, job: Job, call: Call) -> Job:
        """The job as this call tells it: its clip may come later than its success."""
        if call != self.names_clip or job.state is not State.SUCCEEDED or job.problem:
            return job
        fault = self.world.faults.take(self.name, "output", job.order.prompt, job.id)
        late = fault is not None and fault.kind == "late"
        return replace(job, problem=Problem("no-output")) if late else job

    def listed(self) -> list[Job]:
        """The jobs that a list of orders shows, newest first."""
        return [job for job in self.world.store.of(self.name) if self._is_listed(job)]

    def _is_listed(self, job: Job) -> bool:
        since = job.options.get("listed", "0")
        if since == "ended":
            return job.state.ended
        return self.world.clock.now() >= job.accepted_at + float(since)

    def cancelling(self, job: Job) -> Answer | bool:
        """Cancel unless a marker says otherwise: True if it took, False if it came too late."""
        fault = self.world.faults.take(self.name, "cancel", job.order.prompt, job.id)
        if fault and fault.http_status:
            return self.refusal(fault, fault.http_status)
        return not job.state.ended if fault else self.world.store.cancel(job)

    def key_is(self, given: str | None, scheme: str) -> bool:
        key = self.world.settings.keys.get(self.name)
        return key is not None and given == f"{scheme}{key}"


def _damaged(answer: Answer, fault: Fault | None) -> Answer:
    """The answer to a submit that was accepted, as far as it gets through."""
    match fault.kind if fault else "":
        case "drop-after":
            return Answer(silent=True)
        case "drop-mid":
            return replace(answer, send_only=len(answer.body) // 2)
        case "slow-after":
            return replace(answer, delay=fault.number if fault else 0.0)
        case "html":
            return html_answer()
        case "no-id":
            return json_answer({"status": "success", "message": "accepted"}, answer.status)
    return answer


def _identity(image: str) -> str:
    """What stays the same when the same image is asked for with a new signature."""
    parts = urlsplit(image)
    return f"{parts.netloc}{parts.path}"
