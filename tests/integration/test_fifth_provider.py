"""A fifth provider needs its own files and rows alone: no other code knows providers by name."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from decimal import Decimal

import httpx
import pytest
from moto import mock_aws
from pydantic import TypeAdapter

from dropreel.drops.selection import choose
from dropreel.errors import RejectedError, SettingsError
from dropreel.jobs.failure import FailureKind
from dropreel.jobs.job import Job
from dropreel.ledger.slots import SlotSettings
from dropreel.money.policy import SpendingSettings
from dropreel.providers.base import Accepted, ClipRequest, Failed, Pending, Phase, Provider, Ready
from dropreel.providers.catalog import CATALOG, Capability, Limit, Profile, Row
from dropreel.providers.client import new_client
from dropreel.providers.config import ProviderSettings, build
from dropreel.steps.submit import SubmitSettings
from dropreel.waiting.runtimes import JobKind, Runtimes
from dropreel.waiting.schedule import Schedule
from tests.conftest import ROOT
from tests.support.aws import Aws, Clock, make_job, resources
from tests.support.sidecars import parse_sidecar

KILN = Row(
    adapter="tests.integration.kiln:Kiln",
    profile=Profile(usual_s=40, spread=2.0, pace_s=3),
    lists_orders=False,
    limit=Limit(jobs=1, orders_per_minute=20),
    capability=Capability(ratios=("16:9", "1:1"), durations=("5s",)),
)
ENVIRONMENT = {
    "PROVIDER_KEYS_SECRET": "arn:keys",
    "PROVIDER_OPTIONS": '{"kiln": {"model": "clip-2"}}',
    "JOB_DEADLINE_MINUTES": "60",
    "UNPAID_WAIT_HOURS": "24",
    "PROVIDER_LIMITS": '{"kiln": {"jobs": 2}}',
    "ALLOW_PAID_CALLS": "true",
    "ALLOW_UNKNOWN_PRICES": "false",
    "PRICE_OVERRIDES": '{"kiln": {"5s": {"540p": 0.25}}}',
    "JOB_CAP_USD": "5",
    "DAILY_CAP_USD": "25",
    "MONTHLY_CAP_USD": "250",
    "FAILOVER_PROVIDERS": "kiln",
}
REQUEST = ClipRequest("job", "https://drops.example/1.jpg", "slow push-in", "16:9", "540p", "5s")


class GenerateSettings(ProviderSettings, SlotSettings, SpendingSettings):
    """What a function that orders clips is told about providers."""


class Keys:
    def key(self, provider: str, *, fresh: bool = False) -> str:
        return f"{provider}-key"


@pytest.fixture(autouse=True)
def _kiln(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CATALOG, "kiln", KILN)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def aws() -> Iterator[Aws]:
    with mock_aws():
        yield resources()


def sidecar(**fields: object) -> bytes:
    return json.dumps({"prompt": "slow push-in", **fields}).encode()


def kiln_job(aws: Aws, job_id: str = "a" * 24) -> Job:
    return aws.ledger.claim(make_job(job_id=job_id, provider="kiln"))


def test_a_sidecar_may_name_a_fifth_provider_within_its_capabilities() -> None:
    asked = parse_sidecar(sidecar(provider="kiln"))
    assert choose(asked, 1000, 1000, ("luma", "kiln")).provider == "kiln"
    assert choose(asked, 1000, 1000, ("luma", "kiln")).aspect_ratio == "1:1"
    with pytest.raises(RejectedError, match=r"Providers that can: luma"):
        choose(parse_sidecar(sidecar(provider="kiln", duration="10s")), 16, 9, ("luma", "kiln"))


def test_a_stack_may_use_a_fifth_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = TypeAdapter(SubmitSettings.model_fields["providers"].rebuild_annotation())
    assert chosen.validate_python("luma,kiln") == ("luma", "kiln")
    own = GenerateSettings.read(os.environ)
    assert own.provider_options["kiln"].model_dump()["model"] == "clip-2"
    monkeypatch.setenv("PROVIDER_OPTIONS", '{"kiln": {"modle": "clip-2"}}')
    with pytest.raises(SettingsError, match="PROVIDER_OPTIONS"):
        GenerateSettings.read(os.environ)


def test_a_fifth_provider_has_prices_and_takes_over_from_others() -> None:
    rules = GenerateSettings.read(os.environ).rules()
    refused = make_job(estimate_usd=Decimal("0.15"))
    moved = rules.next_provider(refused, FailureKind.NO_CREDIT)
    assert moved is not None
    assert (moved.provider, moved.estimate_usd) == ("kiln", Decimal("0.25"))
    assert rules.refusal(moved) is None


def test_the_slots_of_a_fifth_provider_are_those_of_its_row(aws: Aws) -> None:
    slots = aws.slots(Clock())
    for number in "ab":
        slots.join(kiln_job(aws, number * 24), f"token {number}")
    held = aws.table.get("SLOTS#kiln") or {}
    assert [name for name in held if name.startswith("hold_")] == [f"hold_{'a' * 24}"]


def test_an_operator_may_give_a_fifth_provider_more_slots(aws: Aws) -> None:
    slots = aws.slots(Clock(), **GenerateSettings.read(os.environ).provider_limits)
    for number in "abc":
        slots.join(kiln_job(aws, number * 24), f"token {number}")
    held = aws.table.get("SLOTS#kiln") or {}
    assert len([name for name in held if name.startswith("hold_")]) == 2


def test_the_first_poll_of_a_fifth_provider_follows_its_profile() -> None:
    known = Runtimes(JobKind("kiln", "720p", "5s"), {})
    assert known.usual_s == pytest.approx(40)
    assert 10 < Schedule(known, now_s=0, deadline_s=3600).wait_s(0) < 40


def kiln(*answers: httpx.Response) -> tuple[Provider, list[httpx.Request]]:
    """The adapter by its name, at an API that gives these answers."""
    seen: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answers[len(seen) - 1]

    options = GenerateSettings.read(os.environ).provider_options
    return build("kiln", options, Keys(), new_client(httpx.MockTransport(respond))), seen


def test_a_fifth_provider_is_called_from_the_order_to_the_clip() -> None:
    provider, seen = kiln(
        httpx.Response(202, json={"clip": {"id": "k-1"}}),
        httpx.Response(200, json={"phase": "firing"}),
        httpx.Response(200, json={"phase": "done", "file": "https://cdn.kiln.example/k-1.mp4"}),
    )
    assert provider.submit(REQUEST) == Accepted("k-1")
    assert provider.status("k-1") == Pending(Phase.RUNNING, "firing")
    assert provider.status("k-1") == Ready("https://cdn.kiln.example/k-1.mp4")
    assert [str(request.url) for request in seen] == [
        "https://api.kiln.example/v1/clips",
        *["https://api.kiln.example/v1/clips/k-1"] * 2,
    ]
    assert seen[0].headers["Authorization"] == "Bearer kiln-key"
    assert json.loads(seen[0].content)["model"] == "clip-2"


def test_a_failure_of_a_fifth_provider_is_told_in_its_own_words() -> None:
    provider, _ = kiln(httpx.Response(200, json={"phase": "broken", "reason": "cracked"}))
    outcome = provider.status("k-1")
    assert isinstance(outcome, Failed)
    assert outcome.failure.message == "cracked"


def test_the_page_shows_the_adapter_and_the_row_of_this_test() -> None:
    page = (ROOT / "docs" / "adding-a-provider.md").read_text(encoding="utf-8")
    shown = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    folder = ROOT / "tests" / "integration"
    code = (folder / "kiln.py").read_text() + (folder / "test_fifth_provider.py").read_text()
    assert len(shown) == 2
    assert [block for block in shown if block not in code] == []
