"""What is dropped in a play and what the provider does, whatever else goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dropreel.waiting.runtimes import JobKind, Runtimes
from dropreel.waiting.schedule import Schedule
from local.faults.operating import Operator
from local.faults.provider import NAMES

_MORNING = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
_EVENING = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
_BEFORE_MIDNIGHT = datetime(2026, 11, 30, 23, 59, 50, tzinfo=UTC)  # UTC, and a month's last

DROPS = ("campaign/lighthouse", "campaign/harbour")
DIGEST_ABOVE = 10  # as in template.yaml
_MANY = 10
_MOVES = ("slow push-in", "slow pull-out")

Act = Callable[[Operator], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One course of things: what is dropped, how the stack is set, what the provider does.

    `marker` is the simulators' switch; `seconds` from order to end, where None is a little after
    the first poll. `unbilled` names the providers whose failure here says that it costs nothing.
    `passing` is an end that people are told of and that need not be the last.
    `failover` are the providers that a job may move to; `{provider}` in a marker is the
    one of the play. `image_first`: the sidecar follows while the image's event has been handled.
    `told`: whether S3's events come; if not, the sweep has to find the files.
    `images` are dropped at once, with a sidecar each, `one_prompt` for all, or the one file
    `folder_file` of their folder; `parts` are those of their multipart uploads. `slots`, unless 0,
    are the jobs that a provider may have at once, `per_minute` the orders that it may get. `takes`
    are those of each sidecar, by field; the sidecar's own marker is for those without one.
    `day_cap_usd`, `over_day_cap` and `digest_above` are parameters of the stack. `providers` are
    those that it is played with.
    `operator`: what an operator does, so many seconds after the drop.
    """

    name: str
    marker: str = ""
    seconds: int | None = None
    most_orders: int = 1
    passing: str = ""
    unbilled: frozenset[str] = frozenset()
    image_first: bool = False
    told: bool = True
    failover: tuple[str, ...] = ()
    begins_at: datetime = _MORNING
    images: int = 1
    one_prompt: bool = False
    folder_file: str = ""
    parts: int = 1
    slots: int = 0
    per_minute: int = 0
    takes: tuple[Mapping[str, str], ...] = ()
    day_cap_usd: str = "25"
    over_day_cap: str = "refuse"
    digest_above: int = DIGEST_ABOVE
    providers: tuple[str, ...] = NAMES
    operator: tuple[tuple[int, Act], ...] = ()

    def orders(self, provider: str) -> int:
        """How many a run may make: one more only after a failure that costs nothing."""
        return self.most_orders if provider in self.unbilled else 1

    @property
    def refuses(self) -> bool:
        """Whether an order is refused before one is taken."""
        return "submit=4" in self.marker

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """Keys of the images with that of their sidecar."""
        if self.folder_file:
            folder_file = f"campaign/{self.folder_file}"
            return tuple((f"{name}.jpg", folder_file) for name in DROPS[: self.images])
        if self.one_prompt:
            return tuple((f"{DROPS[0]}.{ending}", f"{DROPS[0]}.json") for ending in ("jpg", "png"))
        return tuple((f"{name}.jpg", f"{name}.json") for name in DROPS[: self.images])

    @property
    def parameters(self) -> dict[str, str]:
        """The functions' variables that differ from scenario to scenario."""
        limit = {"jobs": self.slots or _MANY}
        if self.per_minute:
            limit["orders_per_minute"] = self.per_minute
        limited = self.slots or self.per_minute
        return {
            "FAILOVER_PROVIDERS": ",".join(self.failover),
            "PROVIDER_LIMITS": json.dumps(dict.fromkeys(NAMES, limit) if limited else {}),
            "DAILY_CAP_USD": self.day_cap_usd,
            "OVER_DAILY_CAP": self.over_day_cap,
            "DIGEST_ABOVE": str(self.digest_above),
        }

    @property
    def jobs(self) -> int:
        return self.images * max(1, len(self.takes))

    def text(self, provider: str, number: int = 0) -> str:
        """What is in the `number`th sidecar, or in the one file of the folder."""
        if not self.folder_file.endswith(".csv"):
            return json.dumps(self.sidecar(provider, number))
        rows = [
            f"{name}.jpg,{self.prompt(provider, row)},{provider}".removeprefix("campaign/")
            for row, name in enumerate(DROPS[: self.images])
        ]
        return "\n".join(["image,prompt,provider", *rows])

    def sidecar(self, provider: str, number: int = 0) -> dict[str, Any]:
        """The `number`th sidecar."""
        fields: dict[str, Any] = {"prompt": self.prompt(provider, number), "provider": provider}
        takes = [
            {name: self.prompt(provider, number, marker) for name, marker in take.items()}
            for take in self.takes
        ]
        return {**fields, "takes": takes} if takes else fields

    def prompt(self, provider: str, number: int = 0, marker: str = "") -> str:
        """What the `number`th sidecar says."""
        seconds = self.seconds or _after_the_first_look(provider)
        switch = (marker or self.marker).replace("{provider}", provider)
        return f"{_MOVES[number]} [sim: render={seconds}] {switch}".strip()


def _after_the_first_look(provider: str) -> int:
    runtimes = Runtimes(JobKind(provider, "540p", "5s"), {})
    first = Schedule(runtimes, now_s=0, deadline_s=3600).wait_s(0)
    return first + runtimes.kind.profile.pace_s // 2 + 1


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("success", image_first=True),
        Scenario(
            "moderated",
            "[sim: end=moderated]",
            seconds=30,
            unbilled=frozenset({"luma"}),
        ),
        Scenario("busy", "[sim: submit=429 times=2]", begins_at=_BEFORE_MIDNIGHT),
        # Listed after the first search, and made later than the deadline that the order had.
        Scenario(
            "lost",
            "[sim: submit=drop-after times=1] [sim: listed=45]",
            seconds=605,
            passing="unknown",
            failover=("fal", "oxen"),  # which must not be used once an order may be taken
        ),
        Scenario(
            "again",
            "[sim: end=failed-retryable told=status times=1]",
            seconds=30,
            most_orders=2,
            unbilled=frozenset({"luma", "fal"}),
            begins_at=_BEFORE_MIDNIGHT,
        ),
        Scenario(
            "elsewhere",
            "[sim: submit=402 only={provider}]",
            failover=("luma", "fal"),
            begins_at=_BEFORE_MIDNIGHT,
        ),
        Scenario("late", seconds=2 * 3600, passing="stalled"),
        # Slots are the same for all; these two tell and do not tell which orders they have.
        Scenario("in line", images=2, slots=1, providers=("luma", "oxen")),
        # The first is ordered on one day, the second on the next, of another month.
        Scenario(
            "midnight",
            images=2,
            slots=1,
            begins_at=_BEFORE_MIDNIGHT,
            providers=("oxen",),
        ),
        Scenario("cap", images=2, day_cap_usd="0.90", providers=("eachlabs",)),
        Scenario("paced", images=2, per_minute=1, providers=("luma",)),
        # Too many jobs, so that the first one comes back with the second; then too many orders.
        Scenario(
            "limited",
            "[sim: submit=429 code=concurrent times=1] [sim: submit=429 retry_after=90 times=1]",
            images=2,
            providers=("luma",),
        ),
        # Here and in "one prompt" fal knows its orders at one address only.
        Scenario(
            "digest",
            "[sim: addresses=full]",
            images=2,
            digest_above=1,
            seconds=30,
            providers=("fal",),
        ),
        Scenario("unseen", told=False, providers=("fal",)),
        # Both answers are lost, and only their images tell the orders apart.
        Scenario(
            "one prompt",
            "[sim: submit=drop-after times=1] [sim: addresses=full]",
            images=2,
            one_prompt=True,
            providers=("fal", "oxen"),
        ),
        # Success without a clip, half a clip, and an address that nobody may follow.
        Scenario(
            "cut",
            "[sim: output=late times=2] [sim: result=truncated times=1] "
            "[sim: result=redirect-private times=1]",
            parts=2,
            providers=("luma",),
        ),
        Scenario(
            "failing",
            "[sim: end=failed-retryable told=status]",
            seconds=30,
            most_orders=2,
            unbilled=frozenset({"fal"}),
            providers=("fal",),
        ),
        # The second job, while it waits for the slot of the first.
        Scenario(
            "cancelled in line",
            images=2,
            slots=1,
            providers=("oxen",),
            operator=((8, lambda operator: operator.cancel(1)),),
        ),
        # At fal, which stops its work; Luma cannot, and makes the clip of `success` all the same.
        Scenario(
            "cancelled at work",
            seconds=200,
            providers=("fal",),
            operator=((30, Operator.cancel),),
        ),
        Scenario(
            "paused",
            providers=("eachlabs",),
            operator=((0, Operator.pause),),
        ),
        # Three takes: two of the same settings, and one that fails over. Together they are $0.10
        # below the day's cap.
        Scenario(
            "takes",
            takes=({}, {}, {"prompt": "[sim: submit=402 only={provider}]"}),
            failover=("luma", "fal"),
            day_cap_usd="1.90",
            providers=("luma",),
        ),
        # Of two groups one fits into the day; the other one waits for the next, when one of its
        # takes was cancelled.
        Scenario(
            "takes tomorrow",
            images=2,
            takes=({}, {}),
            day_cap_usd="1.90",
            over_day_cap="wait",
            begins_at=_EVENING,
            providers=("fal",),
            operator=((120, Operator.cancel_waiting),),
        ),
        # Neither has a file of its own, and one event more would start nothing.
        Scenario("defaults", images=2, folder_file="defaults.json", providers=("luma",)),
        Scenario("batch", images=2, folder_file="batch.csv", providers=("eachlabs",)),
        Scenario("takes over cap", takes=({}, {}), day_cap_usd="0.90", providers=("oxen",)),
        Scenario(
            "tomorrow",
            images=2,
            day_cap_usd="0.90",
            over_day_cap="wait",
            begins_at=_EVENING,
            providers=("eachlabs",),
        ),
    )
}
