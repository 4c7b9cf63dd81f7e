"""Every check of `dropreel doctor`, green and not."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.checks.every import CHECKS
from cli.checks.money import LONGEST_IN_LINE
from cli.checks.visit import examine
from dropreel.jobs.failure import FailureKind
from dropreel.jobs.job import Reservation, State, from_iso, utc_iso
from dropreel.ledger.breaker import THRESHOLD, Breaker
from dropreel.ledger.pause import Pauses
from dropreel.ledger.self_test import PREFIX
from dropreel.money.budget import Caps
from dropreel.providers.base import Access, Busy, Failure, Inputs, Limited, Refused
from dropreel.providers.checkup import Finding, Level
from dropreel.providers.schema import same_names
from tests.support.aws import NOW, make_job
from tests.support.healthy import Change, Site, answer, messages, output

CAPS = Caps(job=Decimal(5), day=Decimal(25), month=Decimal(250))
NO_KEY = Refused(Failure(FailureKind.NO_KEY, "no key"))
DOWN = Refused(Failure(FailureKind.NO_CREDIT, "Insufficient credits"))
LIMITED = Busy(Failure(FailureKind.THROTTLED, "429"), 60, Limited.RATE)
DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeRule")
KEYS = ("secretsmanager", "get_secret_value")
NOT_MINE = ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetSecretValue")
AWAY = ClientError({"Error": {"Code": "InternalError", "Message": "oh"}}, "DescribeRule")


def found(site: Site, name: str) -> Finding:
    (check,) = (check for check in CHECKS if check.name == name)
    ((_, finding),) = examine(site.visit(), [check])
    return finding


def test_a_stack_that_is_well_is_green() -> None:
    site = Site()
    findings = dict(examine(site.visit(), CHECKS))
    wrong = {check.name: one for check, one in findings.items() if one.level is not Level.GREEN}
    assert wrong == {}
    assert all(one.words and not one.todo for one in findings.values())
    assert len({check.name for check in findings}) == len(CHECKS)


# --- what is not well ---------------------------------------------------------------------------


def setting(**values: str) -> Change:
    return lambda site: site.environment.update(values)


def stack(status: str) -> Change:
    described = {"Stacks": [{"StackStatus": status, "CreationTime": NOW}]}
    return answer("cloudformation", "describe_stacks", described)


def clock_off(seconds: float) -> Change:
    def change(site: Site) -> None:
        date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
        site.answers["sts"]["get_caller_identity"]["ResponseMetadata"]["HTTPHeaders"]["date"] = date

    return change


def rule_off(name: str) -> Change:
    return answer(
        "events",
        "describe_rule",
        lambda Name: {"State": "DISABLED" if name in Name else "ENABLED"},  # noqa: N803
    )


def nobody_gets(topic: str) -> Change:
    def attributes(TopicArn: str) -> dict[str, Any]:  # noqa: N803
        return {"Attributes": {"SubscriptionsConfirmed": "0" if topic in TopicArn else "1"}}

    return answer("sns", "get_topic_attributes", attributes)


def luma(**answers: Any) -> Change:
    def change(site: Site) -> None:
        for name, value in answers.items():
            setattr(site.providers["luma"], name, value)

    return change


def asked_of_luma(*answers: Any) -> Change:
    def change(site: Site) -> None:
        for one in answers:
            Breaker(site.container().table).note("luma", one, NOW.timestamp())

    return change


def spent(usd: str) -> Change:
    def change(site: Site) -> None:
        ledger = site.container().ledger
        job = ledger.claim(make_job())
        ledger.move_reserving(job, State.SUBMITTING, Reservation.at(NOW, Decimal(usd)), CAPS)

    return change


def a_job(*states: State, **facts: Any) -> Change:
    def change(site: Site) -> None:
        ledger = site.container().ledger
        job = ledger.claim(make_job(**facts))
        for state in states:
            job = ledger.move(job, state)

    return change


SENT = same_names()
KNOWN = dict.fromkeys(SENT, ())
STYLE = Inputs({**KNOWN, "style": ()}, frozenset({"style"}), SENT)
NEW = Inputs({**KNOWN, "camera": ()}, frozenset(), SENT)
TWO_DAYS_AGO, LONG_AGO = "2026-11-18T09:31:00.000Z", "2026-11-16T09:30:00.000Z"
OFF = {"State": "DISABLED"}
CASES: list[tuple[str, Change, Level, str]] = [
    ("clock", clock_off(90), Level.YELLOW, "90 s off"),
    ("clock", clock_off(600), Level.RED, "600 s off"),
    ("stack", stack("UPDATE_IN_PROGRESS"), Level.YELLOW, "is being changed"),
    ("stack", stack("UPDATE_ROLLBACK_COMPLETE"), Level.RED, "the last change"),
    ("version", output("Version", "0.1.0"), Level.YELLOW, "version 0.1.0 is deployed"),
    ("settings", setting(PROVIDER_OPTIONS='{"luma": {"a": 1}}'), Level.RED, "PROVIDER_OPTIONS"),
    ("settings", setting(PROVIDER_LIMITS="[]"), Level.RED, "PROVIDER_LIMITS"),
    (
        "way of a drop",
        answer("s3", "get_bucket_notification_configuration", {}),
        Level.RED,
        "the inbox sends no events",
    ),
    ("way of a drop", rule_off("DropRule"), Level.RED, "the rule for drops is off"),
    (
        "way of a drop",
        answer("lambda", "list_event_source_mappings", {"EventSourceMappings": []}),
        Level.RED,
        "submit does not read the queue",
    ),
    ("way of a drop", answer("events", "describe_rule", DENIED), Level.YELLOW, "may not call"),
    ("way of a drop", answer("events", "describe_rule", AWAY), Level.YELLOW, "DescribeRule: oh"),
    (
        "functions",
        answer("lambda", "get_function_concurrency", {"ReservedConcurrentExecutions": 0}),
        Level.RED,
        "SubmitFunction",
    ),
    (
        "functions at once",
        answer("lambda", "get_account_settings", {"AccountLimit": {"ConcurrentExecutions": 10}}),
        Level.YELLOW,
        "10 functions may run at once, for 10 slots",
    ),
    ("broken executions", rule_off("UnfinishedRule"), Level.RED, "is off"),
    ("sweep", answer("scheduler", "get_schedule", OFF), Level.RED, "the schedule"),
    ("sweep", answer("logs", "filter_log_events", {"events": []}), Level.RED, "no sweep"),
    ("subscriptions", nobody_gets("results"), Level.YELLOW, "the mails to results"),
    (
        "key of luma",
        answer(*KEYS, NOT_MINE),
        Level.YELLOW,
        "may not",
    ),
    (
        "model at luma",
        answer(*KEYS, NOT_MINE),
        Level.YELLOW,
        "may not",
    ),
    ("key of luma", luma(access_answer=Access(None, "timed out")), Level.YELLOW, "timed out"),
    ("key of luma", luma(access_answer=Access(False, "revoked")), Level.RED, "revoked"),
    ("key of luma", luma(access_answer=Access(False, missing=True)), Level.RED, "no key"),
    ("model at luma", luma(inputs_answer=STYLE), Level.RED, "it requires style"),
    ("model at luma", luma(inputs_answer=NEW), Level.YELLOW, "a new field, camera"),
    ("orders", asked_of_luma(*[DOWN] * THRESHOLD), Level.RED, "luma (Insufficient credits)"),
    ("orders", asked_of_luma(LIMITED), Level.YELLOW, "luma limits the rate"),
    ("caps", setting(ALLOW_PAID_CALLS="false"), Level.RED, "paid calls are off"),
    ("caps", setting(DAILY_CAP_USD="0"), Level.RED, "DailyCapUsd is 0"),
    ("caps", spent("21"), Level.YELLOW, "$21.00 of $25.00"),
    ("caps", spent("25"), Level.RED, "a cap is reached"),
    ("prices", lambda site: site.clock.pass_time(days=100), Level.YELLOW, "100 days old"),
    ("jobs", a_job(State.SUBMITTING, State.UNKNOWN), Level.RED, "1 with an unknown payment"),
    ("jobs", a_job(State.SUBMITTING, State.SUBMITTED, State.STALLED), Level.YELLOW, "1 stalled"),
    ("jobs", a_job(created_at=LONG_AGO), Level.RED, "1 stuck"),
    ("queues", messages("ingest", 5000), Level.YELLOW, "looked at: 5000"),
    ("dead letters", messages("ingest-dead", 3), Level.RED, "3 drops that could not"),
    ("dead letters", messages("events-dead", 1), Level.RED, "1 event that"),
    (
        "alarms",
        answer(
            "cloudwatch", "describe_alarms", {"MetricAlarms": [{"AlarmName": "stack-jobs-failed"}]}
        ),
        Level.RED,
        "JobsFailedAlarm",
    ),
    ("self-test", lambda site: setattr(site, "events_arrive", False), Level.RED, "did not reach"),
]


@pytest.mark.parametrize(
    ("name", "change", "level", "words"),
    [pytest.param(*case, id=f"{case[0]}: {case[3]}") for case in CASES],
)
def test_what_is_wrong_is_named_with_what_to_do(
    name: str, change: Change, level: Level, words: str
) -> None:
    site = Site()
    change(site)
    finding = found(site, name)
    assert (finding.level, words in finding.words) == (level, True), finding
    assert finding.todo


def test_every_check_is_tried_when_something_is_wrong() -> None:
    told = {"account"}  # whoever may not ask who he is can ask for nothing else
    of_others = {check.name for check in CHECKS if check.name.split()[0] in ("key", "model")}
    paused = {"pause"}
    tried = {name for name, *_ in CASES} | told | paused
    assert {check.name for check in CHECKS} - of_others <= tried


def test_a_job_that_waits_in_line_for_two_days_is_on_its_way() -> None:
    site = Site()
    a_job(created_at=TWO_DAYS_AGO)(site)
    assert found(site, "jobs").level is Level.GREEN


def test_the_doctor_knows_how_long_the_workflow_lets_a_job_wait_in_line() -> None:
    states = json.loads(Path("statemachine/render.asl.json").read_text(encoding="utf-8"))["States"]
    assert states["Wait for a slot"]["TimeoutSeconds"] == LONGEST_IN_LINE.total_seconds()


def test_a_job_is_not_stuck_while_orders_are_paused() -> None:
    site = Site()
    a_job(created_at=LONG_AGO)(site)
    Pauses(site.container().table).begin(from_iso(LONG_AGO).timestamp(), "user/ann", "")
    assert found(site, "jobs").level is Level.GREEN


def test_an_order_that_was_made_after_days_in_line_is_not_stuck() -> None:
    site = Site()
    ledger = site.container().ledger
    ledger.move(
        ledger.claim(make_job(created_at=LONG_AGO)), State.SUBMITTING, asked_at=utc_iso(NOW)
    )
    assert found(site, "jobs").level is Level.GREEN


def test_the_number_of_jobs_is_told_once() -> None:
    site = Site()
    a_job(State.SUBMITTING, State.SUBMITTED, State.STALLED)(site)
    assert found(site, "jobs").words == "jobs that have not ended: 1, of these 1 stalled"


def test_a_rule_that_is_off_is_named_with_the_console_step() -> None:
    site = Site()
    rule_off("DropRule")(site)
    todo = found(site, "way of a drop").todo
    assert "a deployment does not put it right" in todo
    assert "Enable the rule DropRule in the EventBridge console." in todo


@pytest.mark.parametrize(
    ("change", "parameter", "refused"),
    [
        (spent("25"), "DailyCapUsd", "over_cap"),
        (setting(MONTHLY_CAP_USD="0"), "MonthlyCapUsd", "paid_calls_off"),
        (setting(ALLOW_PAID_CALLS="false"), "AllowPaidCalls", "paid_calls_off"),
    ],
)
def test_where_money_stops_orders_the_commands_are_named(
    change: Change, parameter: str, refused: str
) -> None:
    site = Site()
    change(site)
    todo = found(site, "caps").todo
    assert f"`make set PARAM={parameter} VALUE=" in todo
    assert f"`dropreel retry --refused {refused}`" in todo


def test_a_pause_is_yellow() -> None:
    site = Site()
    Pauses(site.container().table).begin(NOW.timestamp(), "user/ann", "the invoice")
    finding = found(site, "pause")
    assert finding.level is Level.YELLOW
    assert "user/ann, because the invoice" in finding.words


def test_nobody_subscribed_is_red_if_an_address_was_given() -> None:
    site = Site()
    site.environment["OPERATOR_EMAIL"] = "ann@example.com"
    nobody_gets("operators")(site)
    assert found(site, "subscriptions").level is Level.RED


def test_the_first_sweep_may_be_due() -> None:
    site = Site()
    stack("CREATE_COMPLETE")(site)
    site.answers["logs"]["filter_log_events"] = {"events": []}
    assert found(site, "sweep").level is Level.GREEN


def test_a_provider_that_is_not_used_needs_no_key() -> None:
    site = Site()
    fal = site.providers["fal"]
    fal.access_answer, fal.key_answer = Access(accepted=False, missing=True), NO_KEY
    assert found(site, "key of fal").level is Level.GREEN
    assert found(site, "model at fal").level is Level.GREEN


def test_the_self_test_leaves_nothing_behind() -> None:
    site = Site()
    assert found(site, "self-test").level is Level.GREEN
    keys = [words["Key"] for name, words in site.called if name in ("put_object", "delete_object")]
    assert len(keys) == 2
    assert len({*keys}) == 1
    assert keys[0].startswith(PREFIX)


def test_a_check_that_breaks_does_not_keep_the_others_from_being_made() -> None:
    site = Site()
    site.answers["sqs"] = {}
    findings = {check.name: one for check, one in examine(site.visit(), CHECKS)}
    assert findings["queues"].level is Level.YELLOW
    assert findings["alarms"].level is Level.GREEN
