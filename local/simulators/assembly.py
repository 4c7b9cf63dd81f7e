"""All simulators on one port, for use inside a test or behind the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self

from local.simulators import control, drift
from local.simulators.cdn import Cdn
from local.simulators.clock import Clock, ManualClock, RealClock
from local.simulators.eachlabs import Eachlabs
from local.simulators.fal import Fal
from local.simulators.faults import FaultBook
from local.simulators.jobs import Job, JobStore, Problem
from local.simulators.luma import Luma
from local.simulators.oxen import Oxen
from local.simulators.provider import World
from local.simulators.server import HttpServer
from local.simulators.settings import Settings
from local.simulators.studio import Studio
from local.simulators.views import JobView, view_of
from local.simulators.wire import Answer, Request, json_answer

_BASES = {"eachlabs": "/eachlabs", "oxen": "/oxen/api/ai", "fal": "/fal", "luma": "/luma/v1"}


class Simulators:
    """Four hosted APIs, a CDN and a control door on 127.0.0.1.

        with Simulators(keys={"fal": "id:secret"}, render_seconds=0.2) as simulators:
            ... simulators.base_url("fal") ...

    Further keywords are the fields of `Settings`. With a `ManualClock` time stands still until
    `advance` is called.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        port: int = 0,
        clock: Clock | None = None,
        **changes: object,
    ) -> None:
        self.settings = replace(settings or Settings(), **changes)  # type: ignore[arg-type]
        self.clock = clock or RealClock()
        self._studio = Studio(self.settings, self._done)
        faults = FaultBook()
        self._store = JobStore(self.clock, self.settings.max_running, self._studio.begin)
        cdn = Cdn(self.settings, self.clock, self._store, faults, self._studio)
        self._world = World(self.settings, self.clock, self._store, faults, self._studio, cdn)
        apis = (Eachlabs, Oxen, Fal, Luma)
        self._mounts = {_BASES[api.name]: api(self._world) for api in apis}
        self._mounts["/fal-api"] = self._mounts["/fal"]
        self._server = HttpServer(port, self.respond)
        cdn.origin = f"http://127.0.0.1:{self._server.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._server.close()
        self._store.close()
        self._studio.close()

    # --- addresses ------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def origin(self) -> str:
        return self._world.cdn.origin

    def base_url(self, provider: str) -> str:
        """What a client takes as the provider's base address."""
        return f"{self.origin}{_BASES[provider]}"

    def base_urls(self) -> Mapping[str, str]:
        return {name: self.base_url(name) for name in _BASES}

    # --- what happened --------------------------------------------------------------------------

    def jobs(self, provider: str | None = None) -> list[JobView]:
        """Every accepted job, oldest first."""
        jobs = self._store.all()
        return [view_of(job) for job in jobs if provider in (None, job.provider)]

    def accepted(self, provider: str | None = None) -> int:
        """How many jobs were accepted, which is how many would have been paid."""
        counts = self._store.accepted
        return counts[provider] if provider else counts.total()

    def calls(self, provider: str, call: str) -> int:
        """How often a provider was asked: submit, status, answer, cancel, list, download, ..."""
        if call == "download":
            return self._world.cdn.calls[provider]
        return self._world.calls[provider, call]

    def max_running(self, provider: str) -> int:
        return self._store.peak[provider]

    @property
    def keys_seen_on_cdn(self) -> int:
        """Downloads that carried a key to a host that it was not meant for."""
        return self._world.cdn.keys_seen

    @property
    def rendered(self) -> int:
        return self._studio.shelf.rendered

    # --- switches -------------------------------------------------------------------------------

    def set_fault(self, provider: str, marker: str | None) -> None:
        """Set a marker for all jobs of a provider, or clear it; raises MarkerError."""
        self._world.faults.set_standing(provider, marker)

    def set_drift(self, provider: str, *changes: str) -> None:
        """Change what a provider publishes of its model's inputs; raises ValueError."""
        self._world.drift[provider] = drift.checked(changes)

    def reset(self) -> None:
        """Forget jobs, counts, faults and drift."""
        control.reset(self._world)

    def advance(self, seconds: float) -> None:
        """Move a manual clock, stopping wherever a job starts or ends for its work to be done."""
        if not isinstance(self.clock, ManualClock):
            raise TypeError("only a ManualClock can be advanced")
        end = self.clock.now() + seconds
        while (due := self._store.next_due()) is not None and due < end:
            self.clock.advance(due - self.clock.now())
            self._store.settle()
        self.clock.advance(max(0.0, end - self.clock.now()))
        self._store.settle()

    # --- serving --------------------------------------------------------------------------------

    def respond(self, request: Request) -> Answer:
        """Hand a request to whoever its path belongs to."""
        if request.path.startswith(("/cdn/", "/oxen/files/")):
            return self._world.cdn.serve(request)
        if request.path.startswith("/_control/"):
            return control.answer(self._world, _below("/_control", request))
        for mount, api in self._mounts.items():
            if request.path.startswith(f"{mount}/"):
                return api.answer(_below(mount, request))
        return json_answer({"error": "nothing is mounted here"}, 404)

    def _done(self, job: Job, problem: Problem | None) -> None:
        self._store.done(job, problem)


def _below(mount: str, request: Request) -> Request:
    return replace(request, path=request.path.removeprefix(mount))
