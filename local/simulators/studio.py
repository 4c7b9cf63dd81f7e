"""The work behind a running job: fetch its images, check them, make the clip."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from local.simulators.clips import ClipShelf
from local.simulators.images import Fetcher, ImageError
from local.simulators.jobs import Job, Problem
from local.simulators.settings import Settings


class Studio:
    """Fetches with many threads and renders with few. `done` is told how each job's work went."""

    def __init__(self, settings: Settings, done: Callable[[Job, Problem | None], None]) -> None:
        self.fetcher = Fetcher(settings.fetch_timeout, settings.max_image_bytes)
        self.shelf = ClipShelf(settings.render_threads, settings.cache_dir)
        self._with_job = settings.renders == "with-job"
        self._done = done
        self._fetching = _Workers("fetch", settings.fetch_threads, self._fetch)
        self._rendering = _Workers("render", settings.render_threads, self._render)

    def begin(self, job: Job) -> None:
        self._fetching.put(job)

    def clip_of(self, job: Job) -> Path:
        """The finished clip; renders it now if that was left for later."""
        if job.image is None or job.order.spec is None:
            raise ValueError("this job has no clip")
        return self.shelf.clip(job.image, job.order.spec)

    def close(self) -> None:
        self._fetching.close()
        self._rendering.close()
        self.shelf.close()
        self.fetcher.close()

    def _fetch(self, job: Job) -> None:
        try:
            job.image = job.order.image or self._images(job)
        except ImageError as fault:
            self._done(job, Problem(fault.kind, fault.message))
        except Exception as error:  # the job must end whatever the disk says
            self._done(job, Problem("failed", f"{type(error).__name__}: {error}"))
        else:
            self._fetched(job)

    def _fetched(self, job: Job) -> None:
        if self._with_job:
            self._rendering.put(job)
        else:
            self._done(job, None)

    def _images(self, job: Job) -> Path:
        """Keep the first image; the guides need only be there."""
        first, *guides = [self.fetcher.fetch(url) for url in job.order.image_urls]
        del guides
        return self.shelf.keep_image(first)

    def _render(self, job: Job) -> None:
        try:
            self.clip_of(job)
        except Exception as error:  # the job must end whatever the codec says
            self._done(job, Problem("failed", f"{type(error).__name__}: {error}"))
        else:
            self._done(job, None)


class _Workers:
    """Daemon threads that call one function with what is put."""

    def __init__(self, name: str, count: int, function: Callable[[Job], None]) -> None:
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._function = function
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, job: Job) -> None:
        self._queue.put(job)

    def close(self) -> None:
        for _ in self._threads:
            self._queue.put(None)

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            self._function(job)
