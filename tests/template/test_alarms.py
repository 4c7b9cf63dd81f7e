"""Alarms: on metrics that exist, with a way to act on them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.alarms import MEANT, alarms, on_dead_metrics
from tests.support.metrics import catalogue
from tests.support.stack import GONE, ROOT, Document, Rule, names_in, properties, spoilt
from tests.support.stack import template as load

# Dimensions of our own metrics, with what stands in them.
OWN_VALUES: dict[str, list[Any]] = {
    "service": [{"Ref": "AWS::StackName"}],
}
# Retries and waits hide the errors of these for a day.
PATIENT = ("SlotFunction", "GenerateFunction")
# Their executions end within an hour or so: operators are mailed, and the end has an alarm.
STEPS = {"PollFunction", "FinalizeFunction"}
# No clip depends on these; their errors are on the dashboard.
WITHOUT_HARM = {"ThumbnailFunction", "WidgetFunction", "ViewFunction"}
ONE_OF = [
    ("Invocations", "SweepFunction"),
    ("ApproximateAgeOfOldestMessage", "IngestQueue"),
]
# One sentence, and where to read what to do.
ADVICE = re.compile(r"[A-Z][^.]+\. Runbook: docs/operations\.md#([a-z0-9-]+)")
TO_OPERATORS = [{"Ref": "OperatorsTopic"}]
MISSING = {"SweepMissingAlarm": "breaching"}  # what does not run publishes nothing


def on_no_resource(template: Document) -> list[str]:
    return [
        f"{name}: {dimension}"
        for name, alarm in alarms(template).items()
        for dimension in alarm["Dimensions"]
        if not _means_one(template, dimension)
    ]


def _means_one(template: Document, dimension: Document) -> bool:
    if dimension["Name"] in OWN_VALUES:
        return dimension["Value"] in OWN_VALUES[dimension["Name"]]
    kind, attribute = MEANT[dimension["Name"]]
    value = dimension["Value"]
    name = next(names_in(value), "")
    named = {"Ref": name} if attribute == "Ref" else {"Fn::GetAtt": [name, attribute]}
    return bool(value == named and template["Resources"].get(name, {}).get("Type") == kind)


def silent(template: Document) -> list[str]:
    """Alarms that tell nobody, or that ring when nothing has happened.

    CloudWatch would send one mail for each OK action when it creates the alarms.
    """
    return [
        name
        for name, alarm in alarms(template).items()
        if alarm.get("AlarmActions") != TO_OPERATORS
        or "OKActions" in alarm
        or alarm.get("TreatMissingData") != MISSING.get(name, "notBreaching")
    ]


def without_advice(template: Document) -> list[str]:
    """Each says in a sentence what happened, and where to read what to do."""
    manual = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    anchors = {anchor(line) for line in manual.splitlines() if line.startswith("## ")}
    found = {
        n: ADVICE.fullmatch(a.get("AlarmDescription", "")) for n, a in alarms(template).items()
    }
    return [name for name, hit in found.items() if hit is None or hit[1] not in anchors]


def anchor(heading: str) -> str:
    """Where a heading's section is found, by the rules of git's web sites."""
    return re.sub(r"[^\w -]", "", heading.lstrip("# ").lower()).replace(" ", "-")


def unwatched(template: Document) -> list[str]:
    """Resources of a kind that each want an alarm, but have none."""
    watched = {
        (alarm["MetricName"], name)
        for alarm in alarms(template).values()
        for name in names_in(alarm["Dimensions"])
    }
    steps = [("Errors", name) for name in PATIENT]
    machines = [
        ("ExecutionsFailed", name) for name in properties(template, "AWS::Serverless::StateMachine")
    ]
    return [
        f"{name}: {metric}"
        for metric, name in ONE_OF + steps + machines
        if (metric, name) not in watched
    ]


def failing_unnoticed(template: Document) -> list[str]:
    """What no alarm watches leaves its failures in a dead letter queue, which one does."""
    functions = properties(template, "AWS::Serverless::Function")
    rules = properties(template, "AWS::Events::Rule")
    unsafe = [name for name, one in functions.items() if not _keeps_failures(template, name, one)]
    return sorted(set(unsafe) - {*PATIENT} - STEPS - WITHOUT_HARM) + [
        name
        for name, rule in rules.items()
        if not all("DeadLetterConfig" in target for target in rule["Targets"])
    ]


def _keeps_failures(template: Document, name: str, function: Document) -> bool:
    on_failure = function.get("EventInvokeConfig", {}).get("DestinationConfig", {})
    queued = [
        one["Properties"]["Queue"]
        for one in function.get("Events", {}).values()
        if one["Type"] == "SQS"
    ]
    queues = [template["Resources"][next(names_in(queue))]["Properties"] for queue in queued]
    return "OnFailure" in on_failure or (bool(queues) and all("RedrivePolicy" in q for q in queues))


def dead_letters_unnoticed(template: Document) -> list[str]:
    watched = {
        name
        for alarm in alarms(template).values()
        if alarm["MetricName"] == "ApproximateNumberOfMessagesVisible" and alarm["Threshold"] == 1
        for name in names_in(alarm["Dimensions"])
    }
    queues = properties(template, "AWS::SQS::Queue")
    return [name for name in queues if "DeadLetter" in name and name not in watched]


def topics_closed_to_alarms(template: Document) -> list[str]:
    told = {
        name
        for alarm in alarms(template).values()
        for name in names_in([alarm.get("AlarmActions", []), alarm.get("OKActions", [])])
    }
    return sorted(told - _open_to_cloudwatch(template))


def _open_to_cloudwatch(template: Document) -> set[str]:
    """Topics whose policy lets the alarms of this account publish, not encrypted beyond them."""
    topics = properties(template, "AWS::SNS::Topic")
    return {
        topic
        for policy in properties(template, "AWS::SNS::TopicPolicy").values()
        for topic in names_in(policy["Topics"])
        for statement in policy["PolicyDocument"]["Statement"]
        if statement.get("Effect") == "Allow"
        and statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        and statement["Action"] == "sns:Publish"
        and statement["Resource"] == {"Ref": topic}
        and statement["Condition"]
        == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
        and topics[topic].get("KmsMasterKeyId") != "alias/aws/sns"  # closed to CloudWatch
    }


FAILED = ("Resources", "JobsFailedAlarm", "Properties")
INGEST = ("Resources", "IngestDeadLetterAlarm", "Properties")
TOPIC = ("Resources", "OperatorsTopicPolicy", "Properties", "PolicyDocument", "Statement", 0)
STUCK = ("Resources", "StuckJobsAlarm", "Properties")
SWEEP = ("Resources", "SweepMissingAlarm", "Properties")
NAMELESS = "Something. Runbook: docs/operations.md#no-such-section"
TOO_LONG = "One thing. Another thing. Runbook: docs/operations.md#jobs-fail"
SPOILT: list[tuple[Rule, tuple[str | int, ...], Any]] = [
    (on_dead_metrics, (*FAILED, "MetricName"), "ExecutionFailed"),
    (on_dead_metrics, (*FAILED, "Namespace"), "AWS/StepFunctions"),
    (on_dead_metrics, (*FAILED, "Dimensions", 0, "Name"), "StateMachineName"),
    (on_dead_metrics, (*FAILED, "Dimensions"), []),
    (on_dead_metrics, (*STUCK, "MetricName"), "JobsStalled"),
    (on_dead_metrics, (*STUCK, "Namespace"), "Dropreel"),
    (on_dead_metrics, (*STUCK, "Dimensions", 0, "Name"), "Service"),
    (on_no_resource, (*STUCK, "Dimensions", 0, "Value"), "dropreel"),
    (on_no_resource, (*INGEST, "Dimensions", 0, "Value"), {"Ref": "IngestDeadLetterQueue"}),
    (on_no_resource, (*INGEST, "Dimensions", 0, "Value"), "ingest"),
    (on_no_resource, (*FAILED, "Dimensions", 0, "Value"), {"Ref": "SubmitFunction"}),
    (silent, (*FAILED, "AlarmActions"), GONE),
    (silent, (*FAILED, "OKActions"), TO_OPERATORS),
    (silent, (*FAILED, "TreatMissingData"), GONE),
    (silent, (*SWEEP, "TreatMissingData"), "notBreaching"),
    (without_advice, (*FAILED, "AlarmDescription"), GONE),
    (without_advice, (*FAILED, "AlarmDescription"), "Jobs failed."),
    (without_advice, (*FAILED, "AlarmDescription"), NAMELESS),
    (without_advice, (*FAILED, "AlarmDescription"), TOO_LONG),
    (unwatched, ("Resources", "SlotErrorsAlarm"), GONE),
    (unwatched, ("Resources", "GenerateErrorsAlarm"), GONE),
    (unwatched, ("Resources", "SweepMissingAlarm", "Properties", "MetricName"), "Errors"),
    (unwatched, ("Resources", "OldestDropAlarm"), GONE),
    (unwatched, (*FAILED, "MetricName"), "ExecutionsAborted"),
    (failing_unnoticed, ("Resources", "SweepFunction", "Properties", "EventInvokeConfig"), GONE),
    (failing_unnoticed, ("Resources", "IngestQueue", "Properties", "RedrivePolicy"), GONE),
    (
        failing_unnoticed,
        ("Resources", "DropRule", "Properties", "Targets", 0, "DeadLetterConfig"),
        GONE,
    ),
    (dead_letters_unnoticed, ("Resources", "EventsDeadLetterAlarm"), GONE),
    (dead_letters_unnoticed, (*INGEST, "Threshold"), 100),
    (topics_closed_to_alarms, ("Resources", "OperatorsTopicPolicy"), GONE),
    (topics_closed_to_alarms, (*TOPIC, "Principal", "Service"), "events.amazonaws.com"),
    (
        topics_closed_to_alarms,
        ("Resources", "OperatorsTopic", "Properties", "KmsMasterKeyId"),
        "alias/aws/sns",
    ),
]


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, *_ in SPOILT))
def test_every_alarm_can_ring_and_be_acted_on(template: Document, rule: Rule) -> None:
    assert rule(template) == []


@pytest.mark.parametrize(("rule", "path", "to"), SPOILT)
def test_an_alarm_that_cannot_ring_or_be_acted_on_is_found(
    rule: Rule, path: tuple[str | int, ...], to: Any
) -> None:
    assert rule(spoilt(load(), *path, to=to)) != []


def test_stuck_jobs_and_unknown_payments_have_alarms(template: Document) -> None:
    ours = {a["MetricName"] for a in alarms(template).values() if a["Namespace"] == "dropreel"}
    assert ours == {"JobsStuck", "PaymentUnknown"}


def test_the_metrics_of_the_manual_are_those_of_the_code() -> None:
    """That they are published under these dimensions is for the end-to-end tests to say."""
    calls = re.compile(r'(?:add_metric|(?<!\.)count|gauge|measure)\(\s*"(\w+)"')
    code = [path.read_text() for path in (ROOT / "shared" / "dropreel").rglob("*.py")]
    named = {name for text in code for name in calls.findall(text)}
    assert named == {metric.name for metric in catalogue()}


def test_droppers_and_operators_have_topics_of_their_own(template: Document) -> None:
    subscriptions = properties(template, "AWS::SNS::Subscription")
    ends = {s["TopicArn"]["Ref"]: s["Endpoint"]["Ref"] for s in subscriptions.values()}
    assert ends == {"ResultsTopic": "ResultsEmail", "OperatorsTopic": "OperatorEmail"}
    conditions = {name: template["Resources"][name]["Condition"] for name in subscriptions}
    assert conditions == {
        "ResultsSubscription": "HasResultsEmail",
        "OperatorsSubscription": "HasOperatorEmail",
    }
