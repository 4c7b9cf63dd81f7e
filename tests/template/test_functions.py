"""The functions, what calls them, and where they log."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.stack import (
    GONE,
    ROOT,
    Document,
    Rule,
    deployed,
    functions,
    properties,
    resources,
    spoilt,
)
from tests.support.stack import template as load

NAMES = {
    "SubmitFunction",
    "SlotFunction",
    "GenerateFunction",
    "PollFunction",
    "FinalizeFunction",
    "SweepFunction",
    "ThumbnailFunction",
    "WidgetFunction",
    "ViewFunction",
}


def without_own_log(template: Document) -> list[str]:
    groups = properties(template, "AWS::Logs::LogGroup")
    taken: list[str] = []
    wrong = []
    for name, function in functions(template).items():
        logging = function.get("LoggingConfig", {})
        group = logging.get("LogGroup", {}).get("Ref", "")
        if group in taken or group not in groups or logging.get("LogFormat") != "JSON":
            wrong.append(name)
        taken.append(group)
    return wrong


def logs_kept_forever(template: Document) -> list[str]:
    days = {"Ref": "LogRetentionDays"}
    groups = properties(template, "AWS::Logs::LogGroup")
    return [name for name, group in groups.items() if group.get("RetentionInDays") != days]


def untraced(template: Document) -> list[str]:
    found = [name for name, part in functions(template).items() if part.get("Tracing") != "Active"]
    machines = properties(template, "AWS::Serverless::StateMachine")
    return found + [n for n, m in machines.items() if not m.get("Tracing", {}).get("Enabled")]


def workflows_without_log(template: Document) -> list[str]:
    wrong = []
    for name, machine in properties(template, "AWS::Serverless::StateMachine").items():
        logging = machine.get("Logging", {})
        group = {
            "CloudWatchLogsLogGroup": {"LogGroupArn": {"Fn::GetAtt": ["WorkflowLogGroup", "Arn"]}}
        }
        if logging.get("Destinations") != [group] or logging.get("Level") not in ("ERROR", "ALL"):
            wrong.append(name)
    return wrong


def called_by_s3(template: Document) -> list[str]:
    return [
        f"{name}: {event}"
        for name, part in functions(template).items()
        for event, source in part.get("Events", {}).items()
        if source["Type"] == "S3"
    ]


def failing_whole_batches(template: Document) -> list[str]:
    return [
        name
        for name, part in functions(template).items()
        for source in part.get("Events", {}).values()
        if source["Type"] == "SQS"
        and source["Properties"].get("FunctionResponseTypes") != ["ReportBatchItemFailures"]
    ]


def losing_asynchronous_calls(template: Document) -> list[str]:
    """EventBridge and the scheduler hand a call over; then Lambda itself must not lose it."""
    called = {
        target["Arn"]["Fn::GetAtt"][0]
        for rule in properties(template, "AWS::Events::Rule").values()
        for target in rule["Targets"]
    }
    return [
        name
        for name, part in functions(template).items()
        if (name in called or schedules(part))
        and "OnFailure" not in part.get("EventInvokeConfig", {}).get("DestinationConfig", {})
    ]


def schedules(function: Document) -> list[Document]:
    events = function.get("Events", {}).values()
    return [event["Properties"] for event in events if event["Type"].startswith("Schedule")]


def schedules_without_dead_letters(template: Document) -> list[str]:
    return [
        name
        for name, part in functions(template).items()
        for schedule in schedules(part)
        if "DeadLetterConfig" not in schedule or "Description" not in schedule
    ]


def without_code(template: Document) -> list[str]:
    wrong = []
    for name, resource in template["Resources"].items():
        if name not in functions(template):
            continue
        package = resource["Metadata"]["BuildProperties"]["ParentPackages"]
        folder = resource["Properties"]["CodeUri"]
        handler = resource["Properties"]["Handler"]
        agreed = package == folder.replace("/", ".") and handler == f"{package}.handler.handler"
        if not agreed or not (ROOT / folder / "handler.py").is_file():
            wrong.append(name)
    return wrong


def built_for_something_else(template: Document) -> list[str]:
    layers = resources(template, "AWS::Serverless::LayerVersion")
    return [
        name
        for name, part in functions(template).items()
        for layer in (layers[one["Ref"]] for one in layers_of(template, name))
        if layer["Properties"]["CompatibleRuntimes"] != [part["Runtime"]]
        or layer["Properties"]["CompatibleArchitectures"] != part["Architectures"]
        or layer["Metadata"]["BuildArchitecture"] not in part["Architectures"]
    ]


def with_other_layers(template: Document) -> list[str]:
    """All have the shared layer, and one has the pictures' layer besides."""
    more = {"ThumbnailFunction": [{"Ref": "PicturesLayer"}]}
    return [
        name
        for name in functions(template)
        if layers_of(template, name) != [{"Ref": "SharedLayer"}, *more.get(name, [])]
    ]


def layers_of(template: Document, function: str) -> list[Document]:
    """SAM adds a function's own layers to those of all."""
    own = template["Resources"][function]["Properties"].get("Layers", [])
    return [*template["Globals"]["Function"]["Layers"], *own]


def named_for_ever(template: Document) -> list[str]:
    """Fixed names forbid a second stack and every replacement."""
    fixed = ("FunctionName", "BucketName", "TopicName", "QueueName", "TableName", "RoleName")
    return [
        f"{name}.{key}"
        for name, resource in template["Resources"].items()
        if resource["Type"] != "AWS::Lambda::Permission"
        for key in fixed
        if key in resource["Properties"]
    ]


SUBMIT = ("Resources", "SubmitFunction", "Properties")
FINALIZE = ("Resources", "FinalizeFunction", "Properties")
SWEEP = ("Resources", "SweepFunction", "Properties")
MACHINE = ("Resources", "RenderStateMachine", "Properties")
GLOBALS = ("Globals", "Function")
S3_EVENT = {"Type": "S3", "Properties": {"Bucket": {"Ref": "InboxBucket"}, "Events": "s3:*"}}
SPOILT: list[tuple[Rule, tuple[str | int, ...], Any]] = [
    (without_own_log, (*SUBMIT, "LoggingConfig"), GONE),
    (without_own_log, (*SUBMIT, "LoggingConfig", "LogFormat"), "Text"),
    (without_own_log, (*SUBMIT, "LoggingConfig", "LogGroup"), {"Ref": "PollLogGroup"}),
    (without_own_log, ("Resources", "PollLogGroup"), GONE),
    (logs_kept_forever, ("Resources", "PollLogGroup", "Properties", "RetentionInDays"), GONE),
    (logs_kept_forever, ("Resources", "WorkflowLogGroup", "Properties", "RetentionInDays"), 3653),
    (untraced, (*GLOBALS, "Tracing"), GONE),
    (untraced, (*SUBMIT, "Tracing"), "PassThrough"),
    (untraced, (*MACHINE, "Tracing", "Enabled"), False),
    (workflows_without_log, (*MACHINE, "Logging", "Destinations"), []),
    (workflows_without_log, (*MACHINE, "Logging", "Level"), "OFF"),
    (called_by_s3, (*SUBMIT, "Events", "Drop"), S3_EVENT),
    (
        failing_whole_batches,
        (*SUBMIT, "Events", "Ingest", "Properties", "FunctionResponseTypes"),
        [],
    ),
    (losing_asynchronous_calls, (*FINALIZE, "EventInvokeConfig"), GONE),
    (losing_asynchronous_calls, (*SWEEP, "EventInvokeConfig"), GONE),
    (
        schedules_without_dead_letters,
        (*SWEEP, "Events", "HalfHourly", "Properties", "DeadLetterConfig"),
        GONE,
    ),
    (without_code, (*SUBMIT, "CodeUri"), "functions/submitt"),
    (without_code, (*SUBMIT, "Handler"), "functions.poll.handler.handler"),
    (built_for_something_else, (*GLOBALS, "Architectures"), ["x86_64"]),
    (built_for_something_else, (*SUBMIT, "Runtime"), "python3.12"),
    (
        built_for_something_else,
        ("Resources", "PicturesLayer", "Metadata", "BuildArchitecture"),
        "x86_64",
    ),
    (with_other_layers, (*GLOBALS, "Layers"), []),
    (with_other_layers, (*SUBMIT, "Layers"), [{"Ref": "PicturesLayer"}]),
    (with_other_layers, ("Resources", "ThumbnailFunction", "Properties", "Layers"), GONE),
    (named_for_ever, (*SUBMIT, "FunctionName"), "submit"),
    (named_for_ever, ("Resources", "InboxBucket", "Properties", "BucketName"), "inbox"),
]


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, *_ in SPOILT))
def test_the_functions_break_no_rule(template: Document, rule: Rule) -> None:
    assert rule(template) == []


@pytest.mark.parametrize(("rule", "path", "to"), SPOILT)
def test_a_function_that_breaks_a_rule_is_found(
    rule: Rule, path: tuple[str | int, ...], to: Any
) -> None:
    assert rule(spoilt(load(), *path, to=to)) != []


def test_the_functions_are_those_of_the_repository(template: Document) -> None:
    assert set(functions(template)) == NAMES
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/handler.py")}
    assert {f"{folder.capitalize()}Function" for folder in folders} == NAMES


def test_sam_adds_the_own_layer_of_a_function_to_the_shared_one() -> None:
    made = properties(deployed(), "AWS::Lambda::Function")
    assert len(made["ThumbnailFunction"]["Layers"]) == 2
    assert len(made["SubmitFunction"]["Layers"]) == 1


def test_every_log_group_belongs_to_a_function_the_workflow_or_the_pages(
    template: Document,
) -> None:
    owners = {name.removesuffix("Function") for name in NAMES} | {"Workflow", "Pages"}
    groups = properties(template, "AWS::Logs::LogGroup")
    assert set(groups) == {f"{owner}LogGroup" for owner in owners}
