"""Scripted drops: what goes in, what fails on the way, and how it has to end.

Failures are switched on by markers in the prompt, see `local/simulators/faults.py`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from dropreel.providers.catalog import CATALOG
from tests.conftest import EVENTS
from tests.e2e.world import End, World
from tests.support.pictures import animation, picture

AT_ONCE = 5


@dataclass(frozen=True)
class Scenario:
    """One drop. `ordered` is how many jobs the provider may have made, and so be paid for."""

    name: str
    outcome: str
    kind: str = ""
    provider: str = "luma"
    marker: str = ""
    image: bytes | None = field(default=None, repr=False)
    sidecar: bytes | None = field(default=None, repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""
    ordered: int = 1
    operator: bool = False
    remark: bool = False
    passes: str = ""
    fields: frozenset[str] = frozenset()

    @property
    def image_key(self) -> str:
        return self.key or f"e2e/{self.name}.jpg"

    @property
    def prompt(self) -> str:
        marker = f" [sim: {self.marker}]" if self.marker else ""
        return f"{self.name}: slow push-in{marker}"

    def body(self) -> bytes:
        if self.sidecar is not None:
            return self.sidecar
        return json.dumps(
            {"prompt": self.prompt, "provider": self.provider, **self.settings}
        ).encode()


def _delivered(name: str, **changes: Any) -> Scenario:
    return Scenario(name, "delivered", **changes)


def _differs(name: str, **changes: Any) -> Scenario:
    return _delivered(name, remark=True, operator=True, **changes)


def _rejected(name: str, *fields: str, **changes: Any) -> Scenario:
    return Scenario(name, "rejected", ordered=0, fields=frozenset(fields), **changes)


def _per_provider(name: str, outcome: str, **changes: Any) -> list[Scenario]:
    return [
        Scenario(f"{name}-{provider}", outcome, provider=provider, **changes)
        for provider in CATALOG
    ]


HAPPY = [
    *_per_provider("plain", "delivered"),
    *_per_provider("ten-seconds", "delivered", settings={"duration": 10}),
    _delivered("loop", settings={"loop": True}),
    _delivered("portrait", image=picture(90, 160), provider="fal"),
    _delivered("large", settings={"resolution": "720p"}, provider="eachlabs"),
    _delivered("wide", settings={"aspect_ratio": "3:1"}, provider="oxen"),
    _delivered("png", image=picture(form="PNG"), key="e2e/png named.JPG"),
    _delivered("webp", image=picture(form="WEBP"), key="e2e/webp.WebP"),
]

KEYS = [
    _delivered(f"key-{number}", key=key)
    for number, key in enumerate(
        [
            "e2e/two words.JPG",
            "e2e/a+b%20c.jpg",
            "e2e/100% größe 写真.jpeg",
            "e2e//double/../dots.jpg",
            "e2e/" + "ü" * 505 + "x.jpg",
        ]
    )
]

ON_THE_WAY = [
    # The provider is busy and says so: asked again, made once.
    *_per_provider("busy", "delivered", marker="submit=429 retry_after=1 times=2"),
    *_per_provider("moderated", "failed", kind="moderated", marker="end=moderated"),
    *_per_provider("no-key", "refused", kind="auth", marker="submit=401", ordered=0, operator=True),
    # The answer is lost: never asked again. Where the provider lists its jobs, ours is found.
    *(
        _delivered(f"answer-lost-{name}", provider=name, marker="submit=drop-after")
        for name, row in CATALOG.items()
        if row.lists_orders
    ),
    *(
        Scenario(
            f"answer-lost-{name}",
            "unknown",
            "lost_answer",
            provider=name,
            marker="submit=drop-after",
            operator=True,
        )
        for name, row in CATALOG.items()
        if not row.lists_orders
    ),
    _delivered("html-answer", provider="fal", marker="submit=html"),
    _delivered("no-id", provider="oxen", marker="submit=no-id"),
    _delivered("cut-answer", provider="eachlabs", marker="submit=drop-mid"),
    Scenario(
        "nothing-sent",
        "unknown",
        "lost_answer",
        provider="oxen",
        marker="submit=drop-before",
        ordered=0,
        operator=True,
    ),
    *_per_provider("status-faults", "delivered", marker="status=500 times=1"),
    Scenario("no-credit", "refused", "no_credit", "luma", "submit=402", ordered=0, operator=True),
    *_per_provider("clip-later", "delivered", marker="output=late times=2"),
    _delivered("status-html", provider="fal", marker="status=html times=1"),
    _delivered("status-dropped", provider="oxen", marker="status=drop times=1"),
    _delivered("odd-word", provider="eachlabs", marker="status=word:pondering times=1"),
    _delivered("status-throttled", marker="status=429 retry_after=2 times=1"),
    # It fails without being billed: one more order, and not another one.
    _delivered("failed-once", marker="end=failed-retryable times=1", ordered=2),
    Scenario("failed-twice", "failed", "transient", marker="end=failed-retryable", ordered=2),
    Scenario("bad-image", "failed", "bad_input", "fal", marker="end=bad-image"),
    Scenario("late-no", "failed", "bad_input", "oxen", marker="end=late-validation"),
    Scenario("cancelled", "cancelled", "cancelled", "eachlabs", marker="end=cancelled"),
    Scenario("too-dear", "refused", "over_cap", ordered=0, settings={"max_cost_usd": 0.10}),
]

RESULTS = [
    _delivered("expired-address", marker="result=expired"),
    _delivered("missing-once", provider="fal", marker="result=404 times=1"),
    _delivered("dropped-once", marker="result=drop:50000 times=1"),
    _delivered("truncated-once", provider="oxen", marker="result=truncated times=1"),
    _delivered("html-once", provider="eachlabs", marker="result=html times=1"),
    _delivered("redirected", provider="fal", marker="result=redirect"),
    _delivered("redirected-off-host", provider="oxen", marker="result=redirect-offhost"),
    _delivered("no-length", marker="result=no-length"),
    _delivered("index-last", provider="oxen", marker="faststart=0"),
    _delivered("output-list", provider="eachlabs", marker="output=list"),
    _delivered("output-object", provider="eachlabs", marker="output=object"),
    # Paid for, so it is not thrown away: delivered as it is, or looked at again.
    _differs("other-length", marker="result=other-length"),
    _differs("other-shape", provider="fal", marker="result=other-shape"),
    _delivered("private-once", provider="oxen", marker="result=redirect-private times=1"),
    Scenario("not-mp4", "stalled", "download", marker="result=not-mp4", operator=True),
    Scenario("never-there", "stalled", "download", marker="result=500", operator=True),
    Scenario("around", "stalled", "download", "oxen", marker="result=redirect-loop", operator=True),
]


def _sample(name: str) -> bytes:
    return (EVENTS / "sidecars" / name).read_bytes()


BAD_INPUT = [
    _rejected("broken", "sidecar", sidecar=_sample("broken.json")),
    _rejected("empty-file", "sidecar", sidecar=_sample("empty.json")),
    _rejected("empty-prompt", "prompt", sidecar=_sample("empty-prompt.json")),
    _rejected("misspelt", "prompt", '"promt"', "resolution", sidecar=_sample("misspelt.json")),
    _rejected("loop-10s", "loop", sidecar=_sample("loop-with-10s.json")),
    _rejected("huge-sidecar", "sidecar", sidecar=b'{"prompt": "%s"}' % (b"x" * 70_000)),
    _rejected("long-prompt", "prompt", settings={"prompt": "x" * 6001}),
    _rejected("wrong-ratio", "aspect_ratio", settings={"aspect_ratio": "3:1"}),
    _rejected("text", "image", image=b"this is a text, not a picture"),
    _rejected("gif", "image", image=picture(form="GIF"), key="e2e/dancing.gif"),
    _rejected("animation", "image", image=animation("WEBP")),
    _rejected("no-bytes", "image", image=b""),
    _rejected("too-large", "image", image=picture() + bytes(50_000_001)),
    Scenario("bom", "delivered", sidecar=_sample("utf8-bom.json")),
    Scenario("utf16", "delivered", provider="luma", sidecar=_sample("utf16.json")),
]

SCENARIOS = [*HAPPY, *KEYS, *ON_THE_WAY, *RESULTS, *BAD_INPUT]
# Outages of one provider in a row would open its circuit breaker.
random.Random(5).shuffle(SCENARIOS)  # noqa: S311
OUTAGES = ("auth", "no_credit", "lost_answer")


class Runner:
    """Plays scenarios, a few at a time, in the background."""

    def __init__(self, world: World, scenarios: Sequence[Scenario]) -> None:
        self._world = world
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._ends: dict[str, Future[End]] = {
            scenario.name: self._pool.submit(self._play, scenario) for scenario in scenarios
        }

    def end_of(self, scenario: Scenario) -> End:
        return self._ends[scenario.name].result()

    def wait_for_all(self) -> None:
        for future in self._ends.values():
            future.exception()

    def _play(self, scenario: Scenario) -> End:
        stem = scenario.image_key.rpartition(".")[0]
        self._world.put(f"{stem}.json", scenario.body())
        image = picture(160, 90) if scenario.image is None else scenario.image
        self._world.put(scenario.image_key, image)
        end = self._world.end_of(scenario.image_key)
        if scenario.kind in OUTAGES:
            self._world.reset_breaker(scenario.provider)
        return end

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
