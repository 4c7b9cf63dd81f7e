"""What an operator may set per provider, with the defaults of the published contracts.

What a provider's documents leave open or contradict is an option here, never a guess in code.
The stack passes these as one JSON parameter, `{"eachlabs": {"auth": "x-api-key"}, ...}`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class EachlabsOptions(_Options):
    """each::labs. `fields` maps our field names to the model's input names, which its page does
    not publish; the defaults are those of the same model at fal, and an empty name leaves the
    field out. `duration_as_seconds` sends 5 in place of `5s`, as an older model there wants."""

    base_url: str = "https://api.eachlabs.ai"
    auth: Literal["bearer", "x-api-key"] = "bearer"
    model: str = "luma-ray-v3-2-image-to-video"
    version: str = "0.0.1"
    duration_as_seconds: bool = False
    fields: dict[str, str] = Field(
        default_factory=lambda: {
            "prompt": "prompt",
            "image_url": "image_url",
            "aspect_ratio": "aspect_ratio",
            "resolution": "resolution",
            "duration": "duration",
            "loop": "loop",
            "reference_image_urls": "reference_image_urls",
        }
    )


class OxenOptions(_Options):
    """Oxen.ai. `image_as_list` sends `input_image` as a list of one. `key_for_results` sends the
    key with result downloads from Oxen's own host, never to another."""

    base_url: str = "https://hub.oxen.ai/api/ai"
    model: str = "luma-ray-v3-2-image-to-video"
    image_as_list: bool = False
    key_for_results: bool = True


class FalOptions(_Options):
    """fal. `result_lifetime_s` is how long fal keeps the clip (None: its own default);
    `server_retries` lets fal's queue retry on its side, which is not billed; `api_base_url` is
    the platform API, where the history of requests is read."""

    base_url: str = "https://queue.fal.run"
    api_base_url: str = "https://api.fal.ai"
    endpoint: str = "luma/agent/ray/v3.2/image-to-video"
    result_lifetime_s: int | None = 604800
    server_retries: bool = True


class LumaOptions(_Options):
    """Luma Agents API."""

    base_url: str = "https://agents.lumalabs.ai/v1"
    model: str = "ray-3.2"


class ProviderOptions(_Options):
    """Options of all providers."""

    eachlabs: EachlabsOptions = EachlabsOptions()
    oxen: OxenOptions = OxenOptions()
    fal: FalOptions = FalOptions()
    luma: LumaOptions = LumaOptions()
