"""Which items of the ledger expire, seen in what whole plays leave behind."""

from __future__ import annotations

from typing import Any

from dropreel.ledger.lifetimes import MAIL_DAYS, MISSED_DAYS, TOKEN_DAYS
from dropreel.ledger.table import plain
from dropreel.steps.missed_drops import EVERY, OLDEST
from local.faults.faults import Cell
from local.faults.world import World

DAY_S = 86_400
EXPIRING = {"PARKED": TOKEN_DAYS, "NOTICE": MAIL_DAYS, "MAILS": MAIL_DAYS, "MISSED": MISSED_DAYS}
# Without these a clip might be bought twice, a cap be passed, or a job be lost.
KEPT = {"JOB", "BUDGET", "NEWEST", "BREAKER", "RUNTIMES", "SLOTS", "WAITING", "INBOX"}
ONE_EACH = {"CHECKUP"}  # of each provider


def left_behind(world: World, scenario: str) -> list[tuple[str, dict[str, Any]]]:
    world.play(Cell("fal", scenario))
    return [(item["pk"]["S"].partition("#")[0], plain(item)) for item in world.dynamo.listed("")]


def test_what_only_serves_the_way_expires_and_what_protects_money_never_does(
    played_in: World,
) -> None:
    seen = set()
    for scenario in ("digest", "unseen"):
        for kind, item in left_behind(played_in, scenario):
            seen.add(kind)
            assert kind in KEPT | ONE_EACH or kind in EXPIRING, (
                f"{kind}: say how long such items live"
            )
            assert ("expires_at" in item) == (kind in EXPIRING), item
            if kind in EXPIRING:
                days = (item["expires_at"] - played_in.clock.now()) / DAY_S
                assert EXPIRING[kind] - 4 < days <= EXPIRING[kind]
    assert set(EXPIRING) <= seen


def test_what_was_rejected_or_sent_is_known_for_as_long_as_the_inbox_is_compared() -> None:
    days = (OLDEST + 2 * EVERY).days
    assert days < min(MAIL_DAYS, MISSED_DAYS)
