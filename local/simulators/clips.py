"""Rendered clips on disk, one per (image, spec), made at most once however many jobs want it."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from dataclasses import astuple
from pathlib import Path

from local.simulators.render import ClipSpec, render
from local.simulators.tally import Tally


class ClipShelf:
    """Keeps images and clips by content. `threads` bounds how many clips render at once."""

    def __init__(self, threads: int, directory: Path | None = None) -> None:
        self._temporary = None if directory else _scratch()
        self._directory = directory or Path(self._temporary.name if self._temporary else "")
        self._directory.mkdir(parents=True, exist_ok=True)
        self._threads = threads
        self._slots = threading.BoundedSemaphore(threads)
        self._stop = threading.Event()
        self._making: dict[Path, threading.Lock] = {}
        self._lock = threading.Lock()
        self._count: Tally[str] = Tally()

    @property
    def rendered(self) -> int:
        return self._count["rendered"]

    def keep_image(self, content: bytes) -> Path:
        path = self._directory / f"{hashlib.sha256(content).hexdigest()}.image"
        if not path.exists():
            self._write(path, content)
        return path

    def clip(self, image: Path, spec: ClipSpec) -> Path:
        """Return the clip's file, rendering it first if no one has."""
        key = "-".join(str(int(part)) for part in astuple(spec))
        path = self._directory / f"{image.stem}-{key}.mp4"
        with self._lock:
            making = self._making.setdefault(path, threading.Lock())
        with making:
            if not path.exists():
                self._render(image, spec, path)
        return path

    def close(self) -> None:
        """Stop the renders under way, wait until they have let go of their files, tidy up."""
        self._stop.set()
        for _ in range(self._threads):
            self._slots.acquire()
        if self._temporary:
            self._temporary.cleanup()

    def _render(self, image: Path, spec: ClipSpec, path: Path) -> None:
        draft = _draft(path)
        with self._slots:
            render(image.read_bytes(), spec, draft, self._stop)
            draft.replace(path)
            self._count.add("rendered")

    def _write(self, path: Path, content: bytes) -> None:
        draft = _draft(path)
        draft.write_bytes(content)
        draft.replace(path)


def _scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="clips-", ignore_cleanup_errors=True)


def _draft(path: Path) -> Path:
    """A name no other thread or process writes to; the cache may be shared."""
    return path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
