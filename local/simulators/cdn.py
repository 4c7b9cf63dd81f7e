"""Result files behind signed addresses that end, as S3 serves them (providers.md 6.3).

A request that carries a key is refused and counted, except on Oxen's own file path: a key that
arrives here has been handed to a host that it was not meant for.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import secrets
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

from local.simulators import files
from local.simulators.clock import Clock
from local.simulators.faults import FaultBook
from local.simulators.jobs import Job, JobStore, State
from local.simulators.settings import Settings
from local.simulators.studio import Studio
from local.simulators.tally import Tally
from local.simulators.wire import Answer, Request, json_answer

_PATH = re.compile(r"/(?:cdn/(?P<provider>[a-z]+)|oxen/files)/(?P<job>[0-9a-f-]{36})/clip\.mp4")
_STAMP = "%Y%m%dT%H%M%SZ"

_PRIVATE = "https://169.254.169.254/latest/meta-data/"  # where a machine tells its own secrets
_LEAK = "key to another host"


class Cdn:
    """Mints the addresses of clips and serves what is behind them."""

    def __init__(
        self, settings: Settings, clock: Clock, store: JobStore, faults: FaultBook, studio: Studio
    ) -> None:
        self._settings, self._clock, self._store = settings, clock, store
        self._faults, self._studio = faults, studio
        self._secret = secrets.token_bytes(16)
        self._lock = threading.Lock()
        self._kept: dict[str, str] = {}
        self._serial = 0
        self._stale: dict[str, int] = {}  # job id -> addresses up to this serial have expired
        self.origin = ""
        self.calls: Tally[str] = Tally()

    @property
    def keys_seen(self) -> int:
        return self.calls[_LEAK]

    def mint(self, job: Job, *, renewed: bool = False) -> str:
        """An address of the job's clip: the same each time, or a fresh one if `renewed`."""
        with self._lock:
            kept = self._kept.get(job.id)
            if kept is None or renewed:
                kept = self._kept[job.id] = self._sign(job)
            return kept

    def serve(self, request: Request) -> Answer:
        """Answer a request for any path under /cdn or /oxen/files."""
        if looped := re.fullmatch(r"/cdn/loop/(\d+)", request.path):
            return files.redirect(f"{self.origin}/cdn/loop/{int(looped[1]) + 1}")
        return self._check_key(request) or self._serve_job(request)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self._stale.clear()
        self.calls.forget()

    def _serve_job(self, request: Request) -> Answer:
        found = _PATH.fullmatch(request.path)
        job = self._store.find(found["provider"] or "oxen", found["job"]) if found else None
        if job is None or job.state is not State.SUCCEEDED:
            return files.storage_error(404, "NoSuchKey", "The specified key does not exist.")
        self.calls.add(job.provider)
        return self._check_signature(request, job) or self._serve_clip(request, job)

    def _serve_clip(self, request: Request, job: Job) -> Answer:
        prompt, hop = job.order.prompt, "hop" in request.query
        counts = request.method == "GET" and not hop
        fault = self._faults.take(job.provider, "result", prompt, job.id) if counts else None
        if fault and fault.kind == "expired":
            with self._lock:
                self._stale[job.id] = self._serial
                self._kept.pop(job.id, None)
            return files.expired()
        if fault and fault.kind.startswith("redirect"):
            return files.redirect(self._elsewhere(request, fault.kind))
        return files.answer(request, job, self._studio, fault)

    def _check_key(self, request: Request) -> Answer | None:
        own_path = request.path.startswith("/oxen/files/")
        if request.credentials() and not own_path:
            self.calls.add(_LEAK)
            text = "Only one auth mechanism allowed"
            return files.storage_error(400, "InvalidArgument", text)
        expected = f"Bearer {self._settings.keys.get('oxen', '')}"
        if own_path and self._settings.oxen_needs_key and request.credentials() != expected:
            error = {"type": "unauthenticated", "title": "Unauthenticated"}
            body = {"error": error, "status": "error", "status_message": "unauthenticated"}
            return json_answer(body, 401)
        return None

    def _check_signature(self, request: Request, job: Job) -> Answer | None:
        query = {key: value for key, value in request.query.items() if key != "hop"}
        given = query.pop("X-Amz-Signature", "")
        if not hmac.compare_digest(given, self._signature(request.path, query)):
            text = "The request signature we calculated does not match"
            return files.storage_error(403, "SignatureDoesNotMatch", text)
        signed = datetime.strptime(query["X-Amz-Date"], _STAMP).replace(tzinfo=UTC).timestamp()
        over = self._clock.now() >= signed + int(query["X-Amz-Expires"])
        stale = int(query["x-id"]) <= self._stale.get(job.id, 0)
        return files.expired() if over or stale else None

    def _sign(self, job: Job) -> str:
        self._serial += 1
        life = job.order.file_life
        seconds = life if life is not None else self._settings.life_of(job.provider)
        other = job.options.get("host") == "other"
        own = "/oxen/files" if job.provider == "oxen" and not other else f"/cdn/{job.provider}"
        path = f"{own}/{job.id}/clip.mp4"
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Date": datetime.fromtimestamp(math.ceil(self._clock.now()), UTC).strftime(
                _STAMP
            ),
            "X-Amz-Expires": str(max(1, round(seconds))),
            "x-id": str(self._serial),
        }
        query["X-Amz-Signature"] = self._signature(path, query)
        return f"{self._other_host() if other else self.origin}{path}?{urlencode(query)}"

    def _signature(self, path: str, query: Mapping[str, str]) -> str:
        signed = "\n".join((path, *(f"{key}={query[key]}" for key in sorted(query))))
        return hmac.new(self._secret, signed.encode(), hashlib.sha256).hexdigest()

    def _elsewhere(self, request: Request, kind: str) -> str:
        if kind == "redirect-loop":
            return f"{self.origin}/cdn/loop/1"
        if kind == "redirect-private":
            return _PRIVATE
        query = {**request.query, "hop": "1"}
        if kind == "redirect":
            return f"{self.origin}{request.path}?{urlencode(query)}"
        path = request.path.replace("/oxen/files/", "/cdn/oxen/")
        query.pop("hop")
        query.pop("X-Amz-Signature")
        signed = {**query, "X-Amz-Signature": self._signature(path, query), "hop": "1"}
        return f"{self._other_host()}{path}?{urlencode(signed)}"

    def _other_host(self) -> str:
        """The same server under a name that a client must take for another host."""
        return f"http://localhost:{urlsplit(self.origin).port}"
