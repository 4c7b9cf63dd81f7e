from __future__ import annotations

import json
import os
from decimal import Decimal
from typing import Any

import pytest

from dropreel.errors import SettingsError
from dropreel.ledger.slots import SlotSettings
from dropreel.money.budget import Caps
from dropreel.providers.config import ProviderSettings
from dropreel.providers.luma import LumaOptions
from dropreel.settings import ClipsSettings, Settings, TableSettings
from dropreel.steps.finalize import FinalizeSettings
from dropreel.steps.generate import GenerateSettings
from dropreel.steps.poll import PollSettings
from dropreel.steps.submit import SubmitSettings
from dropreel.steps.sweep import SweepSettings
from dropreel.steps.view import ViewSettings
from dropreel.steps.widget import WidgetSettings
from tests.support import stack
from tests.support.variables import (
    FINALIZE,
    GENERATE,
    POLL,
    SUBMIT,
    SWEEP,
    THUMBNAIL,
    VIEW,
    WAIT,
    WIDGET,
)


class WaitSettings(TableSettings, SlotSettings):
    """What the container reads for the `slot` function."""


BASES: dict[type[Settings], dict[str, str]] = {
    SubmitSettings: SUBMIT,
    WaitSettings: WAIT,
    GenerateSettings: GENERATE,
    PollSettings: POLL,
    FinalizeSettings: FINALIZE,
    SweepSettings: SWEEP,
    ClipsSettings: THUMBNAIL,
    WidgetSettings: WIDGET,
    ViewSettings: VIEW,
}
FUNCTIONS: list[tuple[str, type[Settings]]] = [
    ("SubmitFunction", SubmitSettings),
    ("SlotFunction", WaitSettings),
    ("GenerateFunction", GenerateSettings),
    ("PollFunction", PollSettings),
    ("FinalizeFunction", FinalizeSettings),
    ("SweepFunction", SweepSettings),
    ("ThumbnailFunction", ClipsSettings),
    ("WidgetFunction", WidgetSettings),
    ("ViewFunction", ViewSettings),
]


def set_environment(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name in {name for base in BASES.values() for name in base}:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def complaint(monkeypatch: pytest.MonkeyPatch, kind: type[Settings], **changes: str | None) -> str:
    """What is said about an environment with these changes (None: the variable is missing)."""
    merged = {**BASES[kind], **changes}
    set_environment(monkeypatch, {name: v for name, v in merged.items() if v is not None})
    with pytest.raises(SettingsError) as caught:
        kind.read(os.environ)
    return str(caught.value)


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, SUBMIT)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert SubmitSettings.read(os.environ) == SubmitSettings(
        inbox_bucket="inbox",
        clips_bucket="clips",
        ledger_table="ledger",
        ingest_queue_url="https://sqs.example/ingest",
        thumbnail_function="thumbnail",
        results_topic_arn="arn:results",
        state_machine_arn="arn:render",
        aws_region="eu-central-1",
        providers=("luma", "fal"),
        sidecar_grace_seconds=900,
        settle_seconds=20,
        digest_above=10,
        digest_minutes=10,
        link_days=7,
        pages_url="https://pages.example",
        page_key_secret="arn:page-key",
    )


def test_settings_cannot_be_changed_and_read_nothing_later(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, SUBMIT)
    settings = SubmitSettings.read(os.environ)
    monkeypatch.setenv("INBOX_BUCKET", "another")
    assert settings.inbox_bucket == "inbox"
    with pytest.raises(ValueError, match="frozen"):
        settings.inbox_bucket = "another"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", frozenset()),
        ("http://127.0.0.1:1", frozenset({"http://127.0.0.1:1"})),
        ("http://a:1, http://b:2,", frozenset({"http://a:1", "http://b:2"})),
    ],
)
def test_a_list_is_separated_by_commas(
    monkeypatch: pytest.MonkeyPatch, text: str, origins: frozenset[str]
) -> None:
    set_environment(monkeypatch, {**FINALIZE, "TRUSTED_RESULT_ORIGINS": text})
    assert FinalizeSettings.read(os.environ).trusted_result_origins == origins


def test_provider_options_are_json_over_the_published_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_environment(monkeypatch, GENERATE)
    options = GenerateSettings.read(os.environ).provider_options
    assert options == {"luma": LumaOptions(base_url="http://127.0.0.1:1")}
    assert options["luma"].model_dump()["model"] == "ray-3.2"


def test_the_rules_for_money_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, GENERATE)
    rules = GenerateSettings.read(os.environ).rules()
    assert (rules.paid_calls, rules.unknown_prices) == (True, False)
    assert rules.caps == Caps(job=Decimal(5), day=Decimal(25), month=Decimal("250.50"))
    assert tuple(rules.failover) == ("fal", "oxen")
    assert rules.prices.estimate("luma", "540p", "5s") == Decimal("0.1")
    set_environment(monkeypatch, {**GENERATE, "ALLOW_PAID_CALLS": "false"})
    assert GenerateSettings.read(os.environ).rules().paid_calls is False


@pytest.mark.parametrize("kind", BASES)
def test_every_function_can_read_what_it_is_given(
    monkeypatch: pytest.MonkeyPatch, kind: type[Settings]
) -> None:
    set_environment(monkeypatch, BASES[kind])
    given = {name.lower() for name in BASES[kind]} | {"aws_region"}
    settings = kind.read(os.environ)
    assert settings.model_fields_set == set(kind.model_fields) & given
    assert set(kind.model_fields) <= given


@pytest.mark.parametrize(
    "options",
    [
        '{"luma": {"base_ulr": "http://127.0.0.1:1"}}',
        '{"pika": {}}',
        '{"eachlabs": {"auth": "cookie"}}',
        '{"luma": {"base_url": "http://api.example/v1"}}',
        '{"luma": {"base_url": "http://127.0.0.1.api.example/v1"}}',
        '{"luma": {"base_url": "http://localhost@api.example/v1"}}',
        '{"fal": {"api_base_url": "ftp://127.0.0.1"}}',
        '{"oxen": {"base_url": "https://"}}',
        '{"luma": ',
        "[]",
        "",
    ],
    ids=[
        *("unknown option", "unknown provider", "wrong value"),
        *("without https", "like loopback", "loopback as user", "another scheme", "no host"),
        *("broken JSON", "a list", "empty"),
    ],
)
def test_provider_options_that_mean_nothing_are_refused(
    monkeypatch: pytest.MonkeyPatch, options: str
) -> None:
    said = complaint(monkeypatch, GenerateSettings, PROVIDER_OPTIONS=options)
    assert said == "missing or wrong environment variables: PROVIDER_OPTIONS"


@pytest.mark.parametrize(
    "address",
    [
        *("https://api.example/v1", "http://127.0.0.1:8080/luma", "http://localhost:8080"),
        *("http://[::1]:8080", "https://10.0.0.1"),
    ],
)
def test_an_api_may_be_reached_by_https_or_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    options = json.dumps({"luma": {"base_url": address}})
    set_environment(monkeypatch, {**GENERATE, "PROVIDER_OPTIONS": options})
    luma: Any = GenerateSettings.read(os.environ).provider_options["luma"]
    assert luma.base_url == address


def test_all_variables_that_are_missing_or_wrong_are_named_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = complaint(
        monkeypatch,
        SubmitSettings,
        INBOX_BUCKET=None,
        PROVIDERS="luma,pika",
        SIDECAR_GRACE_SECONDS="soon",
    )
    assert said.endswith(": INBOX_BUCKET, PROVIDERS, SIDECAR_GRACE_SECONDS")
    assert "pika" not in said


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (SubmitSettings, "PROVIDERS", ""),
        (SubmitSettings, "PROVIDERS", " , "),
        (SubmitSettings, "SIDECAR_GRACE_SECONDS", "-1"),
        (SubmitSettings, "SIDECAR_GRACE_SECONDS", "901"),  # SQS delays by 15 minutes at most
        (SubmitSettings, "SETTLE_SECONDS", "-1"),
        (SubmitSettings, "SETTLE_SECONDS", "301"),
        (GenerateSettings, "JOB_DEADLINE_MINUTES", "0"),
        (GenerateSettings, "UNPAID_WAIT_HOURS", "0"),
        (GenerateSettings, "WATCH_SECONDS", "-1"),
        (PollSettings, "WATCH_SECONDS", "41"),  # the function's time-out counts with 40
        (GenerateSettings, "IMAGE_READER_ROLE_ARN", None),
        (GenerateSettings, "LEDGER_TABLE", None),
        (GenerateSettings, "ALLOW_PAID_CALLS", None),  # nobody pays by oversight
        (GenerateSettings, "ALLOW_PAID_CALLS", ""),
        (GenerateSettings, "JOB_CAP_USD", "-1"),
        (GenerateSettings, "DAILY_CAP_USD", None),
        (GenerateSettings, "MONTHLY_CAP_USD", "NaN"),
        (GenerateSettings, "FAILOVER_PROVIDERS", "pika"),
        (GenerateSettings, "PRICE_OVERRIDES", '{"luma": {"5s": {"540p": -1}}}'),
        (SubmitSettings, "PRICE_OVERRIDES", '{"luma": {"7s": {"540p": 1}}}'),
        (PollSettings, "MAX_ORDERS_PER_JOB", "0"),
        (WaitSettings, "PROVIDER_LIMITS", '{"luma": {"jobs": 0}}'),
        (WaitSettings, "PROVIDER_LIMITS", '{"pika": {}}'),
        (WaitSettings, "PROVIDER_LIMITS", '{"fal": {"job": 2}}'),
        (SweepSettings, "CANCEL_STALLED_ORDERS", "perhaps"),
        (FinalizeSettings, "MAX_CLIP_MEGABYTES", "0"),
        (FinalizeSettings, "OPERATORS_TOPIC_ARN", None),
        (PollSettings, "PROVIDER_KEYS_SECRET", None),
        (FinalizeSettings, "DIGEST_ABOVE", "-1"),
        (FinalizeSettings, "DIGEST_MINUTES", "15"),
        (SubmitSettings, "DIGEST_MINUTES", "0"),
    ],
)
def test_a_value_out_of_its_range_is_named(
    monkeypatch: pytest.MonkeyPatch, kind: type[Settings], name: str, value: str | None
) -> None:
    said = complaint(monkeypatch, kind, **{name: value})
    assert said == f"missing or wrong environment variables: {name}"


@pytest.mark.parametrize(("function", "kind"), FUNCTIONS)
def test_the_template_sets_exactly_what_a_function_reads(
    function: str, kind: type[Settings]
) -> None:
    late = set(ProviderSettings.model_fields) if kind is FinalizeSettings else set()
    read = {name.upper() for name in {*kind.model_fields, *late}} - {"AWS_REGION"}  # Lambda's own
    given = set(stack.variables(stack.template(), function))
    assert {name for name in given if not name.startswith("POWERTOOLS_")} == read


def test_every_function_of_the_template_has_settings() -> None:
    assert set(stack.functions(stack.template())) == {name for name, _ in FUNCTIONS}
