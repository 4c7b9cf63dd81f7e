"""Speaking to the simulators without the product's own adapters, which they are there to judge."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from local.simulators import Simulators

KEYS = {"eachlabs": "smk_test", "oxen": "oxen-test", "fal": "id:secret", "luma": "luma-api-test"}
MODEL = "luma-ray-v3-2-image-to-video"
FAL_ENDPOINT = "luma/agent/ray/v3.2/image-to-video"

_SCHEMES = {"eachlabs": "Bearer", "oxen": "Bearer", "fal": "Key", "luma": "Bearer"}
_SUBMIT = {
    "eachlabs": "/v1/prediction",
    "oxen": "/queue",
    "fal": f"/{FAL_ENDPOINT}",
    "luma": "/generations",
}
_STATUS = {
    "eachlabs": "/v1/prediction/{}",
    "oxen": "/queue/{}",
    "fal": "/luma/agent/requests/{}/status",
    "luma": "/generations/{}",
}
_CANCEL = {
    "eachlabs": ("POST", "/v1/prediction/{}/cancel"),
    "oxen": ("DELETE", "/queue/{}"),
    "fal": ("PUT", "/luma/agent/requests/{}/cancel"),
}


@dataclass(frozen=True)
class Caller:
    """One provider as its documentation says to call it."""

    provider: str
    simulators: Simulators
    http: httpx.Client
    image_url: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"{_SCHEMES[self.provider]} {KEYS[self.provider]}"}

    def url(self, path: str) -> str:
        return self.simulators.base_url(self.provider) + path

    def body(self, prompt: str = "A slow rise", **changes: object) -> dict[str, object]:
        """A good request; `changes` are of the model's parameters, `image` is the address."""
        image = changes.pop("image", self.image_url)
        options = {"resolution": "540p", "duration": "5s", **changes}
        match self.provider:
            case "eachlabs":
                given = _set({"prompt": prompt, "image_url": image, **options})
                return {"model": MODEL, "version": "0.0.1", "input": given}
            case "oxen":
                return _set({"model": MODEL, "prompt": prompt, "input_image": image, **options})
            case "fal":
                return _set({"prompt": prompt, "image_url": image, **options})
        ratio = options.pop("aspect_ratio", "16:9")
        video = _set({"start_frame": {"url": image}, **options})
        top = {"model": "ray-3.2", "type": "video", "prompt": prompt}
        return {**top, "aspect_ratio": ratio, "video": video}

    @property
    def submit_url(self) -> str:
        return self.url(_SUBMIT[self.provider])

    def post(self, body: dict[str, object]) -> httpx.Response:
        return self.http.post(self.submit_url, json=body, headers=self.headers)

    def submit(self, prompt: str = "A slow rise", **changes: object) -> httpx.Response:
        return self.post(self.body(prompt, **changes))

    def job(self, prompt: str = "A slow rise", **changes: object) -> str:
        """Submit and return the job's id."""
        return self.id_in(self.submit(prompt, **changes))

    def id_in(self, response: httpx.Response) -> str:
        body = response.raise_for_status().json()
        match self.provider:
            case "eachlabs":
                return str(body["predictionID"])
            case "oxen":
                return str(body["generations"][0]["generation_id"])
            case "fal":
                return str(body["request_id"])
        return str(body["id"])

    def get(self, path: str, **params: str) -> httpx.Response:
        return self.http.get(self.url(path), headers=self.headers, params=params)

    def status(self, job_id: str) -> httpx.Response:
        return self.get(_STATUS[self.provider].format(job_id))

    def word(self, job_id: str) -> str:
        body = self.status(job_id).json()
        return str(body["state" if self.provider == "luma" else "status"])

    def result(self, job_id: str) -> httpx.Response:
        """fal only: the JSON of the result."""
        return self.get(f"/luma/agent/requests/{job_id}")

    def clip_url(self, job_id: str) -> str:
        """The address of a finished job's clip, asked for anew."""
        body = (self.result if self.provider == "fal" else self.status)(job_id).json()
        match self.provider:
            case "eachlabs":
                return str(body["output"])
            case "oxen":
                return str(body["result_url"])
            case "fal":
                return str(body["video"]["url"])
        return str(body["output"][0]["url"])

    def finished(self, prompt: str = "A slow rise", **changes: object) -> str:
        """Submit, let all the time pass that the job needs, return its id."""
        job_id = self.job(prompt, **changes)
        self.simulators.advance(1_000)
        return job_id

    def cancel(self, job_id: str) -> httpx.Response:
        method, path = _CANCEL[self.provider]
        return self.http.request(method, self.url(path.format(job_id)), headers=self.headers)


def _set(fields: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that another thread does; fails if it takes too long."""
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def control(caller: Caller, path: str, **body: object) -> httpx.Response:
    """Tell the simulators what to do next."""
    return caller.http.post(f"{caller.simulators.origin}/_control/{path}", json=body)
