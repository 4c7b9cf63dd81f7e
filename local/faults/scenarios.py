"""What the provider does in a play, whatever else goes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from dropreel.waiting.runtimes import Kind, Runtimes
from dropreel.waiting.schedule import Schedule
from local.faults.provider import NAMES

_MORNING = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
_BEFORE_MIDNIGHT = datetime(2026, 11, 30, 23, 59, 50, tzinfo=UTC)  # UTC, and a month's last

_MOVES = ("slow push-in", "slow pull-out")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One course of things at the provider.

    `marker` is the simulators' switch; `seconds` from order to end, where None is a little after
    the first look. `unbilled` names the providers whose failure here says that it costs nothing.
    `passing` is an end that people are told of and that need not be the last.
    `failover` are the providers that may take the order over; `{provider}` in a marker is the
    one of the play. `image_first`: the sidecar follows while the image's event has been handled.
    `images` are dropped at once; `slots`, unless 0, are the jobs that a provider may have at once.
    `providers` are those that it is played with.
    """

    name: str
    marker: str = ""
    seconds: int | None = None
    most_orders: int = 1
    passing: str = ""
    unbilled: frozenset[str] = frozenset()
    image_first: bool = False
    failover: tuple[str, ...] = ()
    begins_at: datetime = _MORNING
    images: int = 1
    slots: int = 0
    providers: tuple[str, ...] = NAMES

    def orders(self, provider: str) -> int:
        """How many a run may make: one more only after a failure that costs nothing."""
        return self.most_orders if provider in self.unbilled else 1

    def prompt(self, provider: str, number: int = 0) -> str:
        """What the `number`th image is dropped with."""
        seconds = self.seconds or _after_the_first_look(provider)
        marker = self.marker.replace("{provider}", provider)
        return f"{_MOVES[number]} [sim: render={seconds}] {marker}".strip()


def _after_the_first_look(provider: str) -> int:
    runtimes = Runtimes(Kind(provider, "540p", "5s"), {})
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
            unbilled=frozenset({"luma", "eachlabs"}),
        ),
        Scenario("busy", "[sim: submit=429 times=2]", begins_at=_BEFORE_MIDNIGHT),
        Scenario(
            "lost",
            "[sim: submit=drop-after times=1]",
            passing="unknown",
            failover=("luma", "fal"),  # which must not be used
        ),
        Scenario(
            "again",
            "[sim: end=failed-retryable times=1]",
            seconds=30,
            most_orders=2,
            unbilled=frozenset({"luma", "eachlabs", "fal"}),
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
    )
}
