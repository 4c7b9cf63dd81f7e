"""What can be set for a whole run of the simulators; everything per job is a marker (faults.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

PROVIDERS = ("eachlabs", "oxen", "fal", "luma")

# Seconds that a result address lives: Luma says one hour, fal at least seven days, each::labs at
# least a day on one product, Oxen only "temporary" (providers.md 6.3).
_URL_LIFE = {"eachlabs": 86_400.0, "oxen": 3_600.0, "fal": 604_800.0, "luma": 3_600.0}

# each::labs does not publish the model's input names; by default they are those of fal (2.1).
_EACHLABS_FIELDS = {
    name: name
    for name in (
        "prompt",
        "image_url",
        "aspect_ratio",
        "resolution",
        "duration",
        "loop",
        "reference_image_urls",
    )
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Switches of one run.

    keys: API key by provider; a provider without one answers 401 to everything.
    render_seconds: from accepted to ended, of which `queue_share` is spent queued.
    max_running: jobs at once; each::labs and Luma refuse more with 429, fal and Oxen queue them.
    luma_posts_per_minute: Luma's sliding window on POST; None counts but never refuses.
    early_validation: fal refuses wrong parameters at submit (default: told with the result).
    oxen_needs_key: Oxen's file addresses answer 401 without the key.
    oxen_narrow: Oxen passes only what fal's newer schema takes; the rest fails late.
    fal_pending_code: HTTP code of fal's status while the job has not ended.
    renders: make the clip as part of the job, or when its file is first asked for.
    cache_dir: keeps rendered clips between runs; None uses a directory that goes at the end.
    """

    keys: Mapping[str, str] = field(default_factory=dict)
    render_seconds: float = 2.0
    queue_share: float = 0.3
    max_running: Mapping[str, int] = field(default_factory=dict)
    luma_posts_per_minute: int | None = None
    early_validation: bool = False
    oxen_needs_key: bool = False
    oxen_narrow: bool = False
    fal_pending_code: int = 202
    eachlabs_fields: Mapping[str, str] = field(default_factory=lambda: dict(_EACHLABS_FIELDS))
    url_life: Mapping[str, float] = field(default_factory=dict)
    renders: Literal["with-job", "on-download"] = "with-job"
    render_threads: int = 2
    fetch_threads: int = 8
    fetch_timeout: float = 10.0
    max_image_bytes: int = 50 * 1024 * 1024
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        for name in (*self.keys, *self.max_running, *self.url_life):
            if name not in PROVIDERS:
                raise ValueError(f"no provider is called {name!r}; there are {PROVIDERS}")

    def life_of(self, provider: str) -> float:
        return self.url_life.get(provider, _URL_LIFE[provider])
