"""The daily look at the providers: who is mailed, and how often."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dropreel.jobs.failure import FailureKind
from dropreel.mail.alerts import Alerts
from dropreel.providers.base import Access, Failure, Inputs
from dropreel.providers.catalog import CATALOG
from dropreel.providers.schema import same_names
from dropreel.steps.checkup import LONGEST, Checkup
from tests.support.aws import Aws, Clock, FakeProvider

SENT = same_names("loop")
AS_EVER = Inputs(dict.fromkeys(SENT.values(), ()), frozenset({"prompt"}), SENT)
GROWN = replace(AS_EVER, fields={**AS_EVER.fields, "camera": ()})
BROKEN = replace(AS_EVER, required=frozenset({"prompt", "style"}))
AWAY = Failure(FailureKind.UNREACHABLE, "no connection")
REFUSED = Access(accepted=False, words="Invalid API key")
MISSING = Access(accepted=False, missing=True)
UNSURE = Access(accepted=None, words="timed out")


class Providers(dict[str, FakeProvider]):
    """All of the catalog; only luma is of interest, and counts its looks."""

    def __init__(self) -> None:
        super().__init__({name: FakeProvider(name) for name in CATALOG})
        self.luma.inputs_answer = AS_EVER

    @property
    def luma(self) -> FakeProvider:
        return self["luma"]


@pytest.fixture
def providers() -> Providers:
    return Providers()


@pytest.fixture
def checkup(aws: Aws, clock: Clock, providers: Providers) -> Checkup:
    alerts = Alerts(aws.send_once, aws.publisher(aws.operators), clock)
    return Checkup(table=aws.table, provider=providers.__getitem__, alerts=alerts, now=clock)


def next_day(checkup: Checkup, clock: Clock) -> None:
    clock.pass_time(days=1)
    checkup.check()


def mails(aws: Aws) -> list[str]:
    return [mail["text"] for mail in aws.operators.take()]


def test_a_checkup_without_changes_sends_no_mail(aws: Aws, checkup: Checkup, clock: Clock) -> None:
    checkup.check()
    next_day(checkup, clock)
    assert mails(aws) == []


@pytest.mark.parametrize(
    ("access", "inputs", "words"),
    [
        (REFUSED, AS_EVER, "the key is not accepted: Invalid API key"),
        (MISSING, AS_EVER, "there is no key"),
        (Access(accepted=True), BROKEN, "it requires style, which dropreel does not send"),
        (Access(accepted=True), GROWN, "it has a new field, camera"),
    ],
)
def test_a_change_is_mailed_once(
    aws: Aws,
    checkup: Checkup,
    clock: Clock,
    providers: Providers,
    access: Access,
    inputs: Inputs,
    words: str,
) -> None:
    checkup.check()
    providers.luma.access_answer, providers.luma.inputs_answer = access, inputs
    for _ in range(3):
        next_day(checkup, clock)
    (mail,) = mails(aws)
    assert "luma" in mail
    assert words in mail


def test_the_first_checkup_mails_a_refused_key_but_not_a_missing_one(
    aws: Aws, checkup: Checkup, clock: Clock, providers: Providers
) -> None:
    providers.luma.access_answer = REFUSED
    providers["fal"].access_answer = MISSING
    providers["oxen"].inputs_answer = GROWN
    checkup.check()
    next_day(checkup, clock)
    (mail,) = mails(aws)
    assert "luma" in mail


def test_what_breaks_again_after_it_was_well_is_mailed_again(
    aws: Aws, checkup: Checkup, clock: Clock, providers: Providers
) -> None:
    for access in (REFUSED, Access(accepted=True), REFUSED):
        providers.luma.access_answer = access
        next_day(checkup, clock)
    assert len(mails(aws)) == 2


def test_a_provider_is_looked_at_once_a_day(
    aws: Aws, checkup: Checkup, clock: Clock, providers: Providers
) -> None:
    checkup.check()
    providers.luma.access_answer = REFUSED
    clock.pass_time(hours=23)
    checkup.check()
    assert mails(aws) == []


@pytest.mark.parametrize(("access", "inputs"), [(UNSURE, AS_EVER), (REFUSED, AWAY)])
def test_a_checkup_without_a_result_is_repeated_by_the_next_sweep(
    aws: Aws,
    checkup: Checkup,
    clock: Clock,
    providers: Providers,
    access: Access,
    inputs: Inputs | Failure,
) -> None:
    providers.luma.access_answer = UNSURE if access is UNSURE else Access(accepted=True)
    providers.luma.inputs_answer = inputs
    checkup.check()
    assert mails(aws) == []
    clock.pass_time(minutes=30)
    providers.luma.access_answer = REFUSED
    checkup.check()
    (mail,) = mails(aws)
    assert "Invalid API key" in mail


def test_a_mail_that_cannot_be_sent_is_sent_with_the_next_sweep(
    aws: Aws, checkup: Checkup, clock: Clock, providers: Providers
) -> None:
    providers.luma.access_answer = REFUSED
    unsent = replace(checkup, alerts=replace(checkup.alerts, operators=aws.publisher(aws.results)))
    unsent.alerts.operators._topic_arn = "arn:aws:sns:us-east-1:123456789012:gone"
    unsent.check()
    assert mails(aws) == []
    clock.pass_time(minutes=30)
    checkup.check()
    assert len(mails(aws)) == 1


def test_of_slow_providers_each_sweep_looks_at_another_one(
    checkup: Checkup, clock: Clock, providers: Providers
) -> None:
    asked: list[str] = []

    def slow(name: str) -> FakeProvider:
        asked.append(name)
        providers[name].access_answer = UNSURE
        clock.pass_time(seconds=LONGEST.total_seconds() + 1)
        return providers[name]

    for number in range(1, len(CATALOG) + 1):
        replace(checkup, provider=slow).check()
        assert len({*asked}) == number


def test_one_broken_provider_does_not_keep_the_others_from_being_looked_at(
    aws: Aws, checkup: Checkup, providers: Providers
) -> None:
    providers.luma.access_answer = REFUSED
    del providers["eachlabs"]
    checkup.check()
    assert len(mails(aws)) == 1
