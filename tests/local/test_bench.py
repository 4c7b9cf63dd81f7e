"""The benches count right: what is lost, twice, too many, and what it costs."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from dropreel.jobs.job import utc_iso
from dropreel.waiting.schedule import TRANSITION_USD
from local.bench.billing import Meter, Used
from local.bench.drops import SLOTS, Drop, Measurement, least_s
from local.bench.report import Aim, aims, report
from local.simulators import JobView
from tests.support.aws import make_job

CLIP: Any = SimpleNamespace()  # that there is one is all that counts here
NOTHING = Used(invocations=0, gb_seconds=0, requests={}, ledger_writes=0)


def order(number: int, accepted: float, ended: float, prompt: str = "") -> JobView:
    name = f"p-{number}"
    return JobView(
        *("eachlabs", name, prompt or name, "", {}, "succeeded"), accepted, accepted, ended, None
    )


def measurement_of(
    orders: Sequence[JobView], stored: Sequence[float | None], images: int
) -> Measurement:
    """Images that were dropped at second 0 and stored at these seconds."""
    keys = [f"folder/{number}.jpg" for number in range(images)]
    jobs = [
        make_job(
            source=replace(make_job().source, key=key),
            provider="eachlabs",
            provider_job_id=one.id,
            asked_at=stamp(one.accepted_at),
            delivered_at=stamp(at) if at else "",
            clip=CLIP if at else None,
        )
        for key, one, at in zip(keys, orders, stored, strict=False)
    ]
    drops = [Drop(key, "eachlabs", 20.0) for key in keys]
    used = replace(NOTHING, invocations=6 * images, ledger_writes=17 * images)
    return Measurement(drops, dict.fromkeys(keys, 0.0), jobs, orders, [10] * images, used)


def stamp(second: float) -> str:
    return utc_iso(datetime.fromtimestamp(second, UTC))


def test_a_folder_without_trouble_has_no_lost_or_repeated_order() -> None:
    orders = [order(number, 1, 21) for number in range(3)]
    row = measurement_of(orders, [22, 22, 23], 3).folder()
    assert (row["lost"], row["duplicated"], row["over_limit"]) == (0, 0, 0)
    assert row["delays_s"] == [1, 1, 2]
    assert row["makespan_s"] == 23
    assert row["upload_to_post_s"] == 1
    assert row["ledger_writes_per_clip"] == 17
    assert row["plumbing_usd"] > 10 * TRANSITION_USD


def test_what_is_not_stored_is_lost_and_what_is_ordered_twice_is_seen() -> None:
    orders = [order(0, 1, 21), order(1, 1, 21), order(2, 1, 21, prompt="p-0")]
    row = measurement_of(orders, [22, None], 3).folder()
    assert (row["lost"], row["duplicated"]) == (2, 1)


def test_one_order_too_many_at_once_is_seen_and_a_slot_that_is_handed_over_is_not() -> None:
    full = [order(number, 0, 20) for number in range(SLOTS)]
    after = [order(number + SLOTS, 20, 40) for number in range(SLOTS)]
    assert measurement_of([*full, *after], [], 1).most_at_once == SLOTS
    assert measurement_of([*full, *after, order(99, 19, 39)], [], 1).most_at_once == SLOTS + 1


def test_the_ideal_is_all_runtimes_in_all_slots_or_the_longest() -> None:
    drops = [Drop("a", "eachlabs", 5.0)] * 40
    assert least_s(drops) == 20
    assert least_s([*drops, Drop("b", "eachlabs", 90.0)]) == 90


@pytest.mark.parametrize(
    ("used", "usd"),
    [
        ({"invocations": 1_000_000}, 0.20),
        ({"gb_seconds": 1_000_000}, 13.3334),
        ({"requests": {("s3", "PutObject"): 1000}}, 0.005),
        ({"requests": {("s3", "GetObject"): 1000}}, 0.0004),
        ({"requests": {("dynamodb", "GetItem"): 1_000_000}}, 0.125),
        ({"requests": {("dynamodb", "UpdateItem"): 9}, "ledger_writes": 1_000_000}, 2.50),
        ({"requests": {("lambda", "Invoke"): 9, ("states", "SendTaskSuccess"): 9}}, 0),
    ],
)
def test_usage_is_priced_as_in_the_price_list(used: dict[str, Any], usd: float) -> None:
    assert replace(NOTHING, **used).usd(transitions=0) == pytest.approx(usd)


def test_a_service_without_a_price_is_not_taken_for_free() -> None:
    with pytest.raises(KeyError, match="kms"):
        replace(NOTHING, requests={("kms", "Decrypt"): 1}).usd(0)


class RecordingAws:
    """Logs and recorded calls, of which one answer holds the newest fifty that are asked for."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.reports: list[str] = []
        self.begun = time.time() - 1

    def client(self, service: str) -> Any:
        if service == "logs":
            return SimpleNamespace(
                describe_log_groups=lambda: {"logGroups": [{"logGroupName": "submit"}]},
                get_paginator=lambda _: SimpleNamespace(paginate=self._pages),
            )
        meta = SimpleNamespace(events=SimpleNamespace(register=self._register))
        return SimpleNamespace(meta=meta, lookup_events=self._lookup)

    def _pages(self, **_: Any) -> list[dict[str, Any]]:
        return [{"events": [{"message": text} for text in self.reports]}]

    def _register(self, _: str, patch: Any) -> None:
        self._patch = patch

    def _lookup(self) -> dict[str, Any]:
        params: dict[str, Any] = {}
        self._patch(params)
        asked = json.loads(params["body"])
        found = [
            call for call in self.calls if asked["StartTime"] <= call["at"] <= asked["EndTime"]
        ]
        newest = sorted(found, key=lambda call: -call["at"])[:50]
        return {
            "Events": [
                {**call, "EventTime": datetime.fromtimestamp(call["at"], UTC)} for call in newest
            ]
        }

    def record(self, number: int, key: str = "ASIA1", **request: Any) -> None:
        call = {
            "eventSource": "dynamodb.amazonaws.com",
            "eventName": "TransactWriteItems",
            "requestParameters": request,
        }
        self.calls.append(
            {
                "EventId": str(number),
                "at": self.begun + number / 1000,
                "AccessKeyId": key,
                "CloudTrailEvent": json.dumps(call),
            }
        )


def test_every_call_is_counted_once_however_many_came_within_a_second() -> None:
    aws = RecordingAws()
    meter = Meter(aws)  # type: ignore[arg-type]
    for number in range(400):
        aws.record(number, TransactItems=[{"Update": {}}, {"Delete": {}}])
    aws.record(400, key="test", TransactItems=[{"Update": {}}])
    used = meter.read()
    assert used.requests == {("dynamodb", "TransactWriteItems"): 400}
    assert used.ledger_writes == 800
    assert meter.read().requests == {}


def test_what_functions_report_is_what_they_cost() -> None:
    aws = RecordingAws()
    meter = Meter(aws)  # type: ignore[arg-type]
    report = "REPORT RequestId: {} Duration: 9 ms Billed Duration: 500 ms Memory Size: 512 MB"
    aws.reports += [report.format(1), report.format(2), "START RequestId: 3"]
    used = meter.read()
    assert (used.invocations, used.gb_seconds) == (2, 0.5)
    assert meter.read().invocations == 0


# --- the report -----------------------------------------------------------------------------------

FOLDER = {
    "images": 1,
    "makespan_ratio": 1.06,
    "lost": 0,
    "duplicated": 0,
    "over_limit": 0,
    "plumbing_usd": 0.0004,
    "transitions_per_clip": 10.0,
    "invocations_per_clip": 7.0,
    "ledger_writes_per_clip": 17.0,
}
FOUND: dict[str, Any] = {
    "providers": [{"provider": "Luma", "pace_s": 5, "ready_to_stored_s": 2.8}],
    "folders": [FOLDER, {**FOLDER, "images": 500}],
    "schedules": [{"shape": "fal", "schedule": "plan", "pace_s": 5, "delay_s": 2.6}],
    "finalize": [{"ratio": 1.0, "rss_growth_mib": 34.0}],
    "start": [{"ratio_to_naive": 0.4, "ratio_to_s3": 1.5, "needless": []}],
    "layer_mb": 3.9,
}


def test_figures_within_their_bounds_are_met() -> None:
    assert [aim for aim in aims(FOUND) if not aim.met] == []
    assert "missed" not in report(FOUND, aims(FOUND))


@pytest.mark.parametrize(
    ("bench", "changes"),
    [
        ("providers", {"ready_to_stored_s": 4.1}),
        ("schedules", {"delay_s": 4.1}),
        ("folders", {"lost": 1}),
        ("folders", {"duplicated": 1}),
        ("folders", {"over_limit": 1}),
        ("folders", {"makespan_ratio": 1.16}),
        ("folders", {"plumbing_usd": 0.0021}),
        ("folders", {"transitions_per_clip": 11.0}),
        ("folders", {"invocations_per_clip": 8.0}),
        ("folders", {"ledger_writes_per_clip": 18.0}),
        ("finalize", {"ratio": 0.89}),
        ("finalize", {"rss_growth_mib": 41.0}),
        ("start", {"ratio_to_naive": 0.51}),
        ("start", {"ratio_to_s3": 1.61}),
        ("start", {"needless": ["httpx"]}),
    ],
)
def test_each_figure_out_of_its_bound_is_reported(bench: str, changes: dict[str, Any]) -> None:
    *others, last = FOUND[bench]
    found = {**FOUND, bench: [*others, {**last, **changes}]}
    (missed,) = [aim for aim in aims(found) if not aim.met]
    assert missed.line() in report(found, aims(found))


def test_a_missed_figure_says_why() -> None:
    assert (
        Aim("x", 2, 1, why="It rained.").line() == "| x | 2 | at most 1 | **missed.** It rained. |"
    )
