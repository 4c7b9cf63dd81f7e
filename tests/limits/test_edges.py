"""At its largest, everything that is sent to AWS stays below the limits of `local/aws_limits.py`.

Where a stand-in of `local/faults` refuses what is too much, the test has only to send it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropreel.clips.upload import PART_SIZE
from dropreel.dashboard.thumbnails import ThumbnailRequests
from dropreel.jobs.failure import FailureKind, JobFailure
from dropreel.jobs.job import Job, Source, workflow_input
from dropreel.jobs.naming import execution_name, output_folder
from dropreel.ledger.slots import Slots, _place
from dropreel.ledger.table import Delete, Table, Update
from dropreel.mail.digest_text import digest
from dropreel.mail.message import DigestEntry, Links
from dropreel.mail.publisher import Publisher
from dropreel.mail.windows import Window
from dropreel.observability import metrics
from dropreel.providers.catalog import Limit
from dropreel.steps.outcomes import DropEvent
from local import aws_limits as limits
from local.faults.dynamo import Dynamo
from local.faults.services import RESULTS, Sns, Sqs, StepFunctions
from tests.conftest import ROOT
from tests.support import stack
from tests.support.alarms import alarms
from tests.support.aws import NOW, make_job
from tests.support.stack import Document, properties

LONGEST_KEY = "\N{CJK UNIFIED IDEOGRAPH-4E2D}" * 340 + ".jpg"  # 1,024 bytes, as S3 allows
AT_ONCE, IN_LINE = 500, 10_000
MACHINE = "arn:aws:states:us-east-1:111122223333:stateMachine:render"


@pytest.fixture(autouse=True)
def _no_metrics_left() -> Iterator[None]:
    yield
    metrics.clear_metrics()


@pytest.fixture
def table() -> Table:
    return Table(Dynamo(), "ledger", sleep=lambda _: None)  # type: ignore[arg-type]


@pytest.fixture
def template() -> Document:
    return stack.template()


def job(number: int) -> Job:
    return make_job(job_id=f"{number:024x}")


# --- DynamoDB ------------------------------------------------------------------------------------


def test_500_jobs_at_once_and_a_line_of_10000(table: Table) -> None:
    woken: list[str] = []
    limit = Limit(jobs=AT_ONCE, orders_per_minute=600)
    slots = Slots(table, {"luma": limit}, lambda token, _: not woken.append(token), 7200, lambda: 0)  # type: ignore[func-returns-value]
    for number in range(IN_LINE):
        if number < AT_ONCE + 3:
            slots._keep_token(job(number).job_id, f"token {number}")
        table.put(_place(job(number)), {"job_id": job(number).job_id})
    assert slots.serve("luma") == (AT_ONCE, IN_LINE - AT_ONCE)
    assert woken == [f"token {number}" for number in range(AT_ONCE)]
    for number in range(3):
        slots.release(job(number))
    assert slots.holders("luma") == AT_ONCE
    assert woken[AT_ONCE:] == [f"token {AT_ONCE + number}" for number in range(3)]


def test_a_transaction_of_more_writes_is_refused_and_ours_are_not(table: Table) -> None:
    for number in range(limits.WRITES.most + 1):
        table.put(f"A#{number}", {})
    writes = [Delete(f"A#{number}") for number in range(limits.WRITES.most + 1)]
    with pytest.raises(ClientError, match="too much in one transaction"):
        table.write_all(writes)
    table.write_all(writes[1:])


@pytest.mark.parametrize(
    ("attributes", "size"), [(1, limits.ITEM_BYTES.most), (300, limits.EXPRESSION_BYTES.most)]
)
def test_what_passes_a_limit_of_dynamodb_is_refused(
    table: Table, attributes: int, size: int
) -> None:
    sets = {f"attribute_{number}": "x" * (size // attributes) for number in range(attributes)}
    with pytest.raises(ClientError, match="too l"):
        table.update(Update("A#1", sets=sets))


def test_the_largest_job_is_a_small_item(table: Table) -> None:
    source = make_job().source
    largest = make_job(
        source=Source(**{**_fields(source), "key": LONGEST_KEY}),
        failure=JobFailure.of(FailureKind.UNEXPECTED, "\N{SNOWMAN}" * 5000),
    )
    attempts = tuple({"reason": "\N{SNOWMAN}" * 5000} for _ in range(3))
    prompt = "\N{SNOWMAN}" * 6000
    item = {**_fields(largest), "settings": {"prompt": prompt}, "attempts": attempts}
    table.put("JOB#1", {name: value for name, value in item.items() if value is not None})


def _fields(frozen: Any) -> dict[str, Any]:
    return {name: getattr(frozen, name) for name in frozen.__slots__}


# --- SQS, SNS, Step Functions --------------------------------------------------------------------


def test_the_longest_message_fits_into_the_queue_and_a_larger_one_does_not() -> None:
    sent: list[str] = []
    queue = Sqs(lambda body, _: sent.append(body))
    version = f'{LONGEST_KEY} "{"e" * 40}-10000" 2026-11-20T09:30:00.000Z'
    message = json.dumps(DropEvent(LONGEST_KEY, settled=(version, version)).recheck())
    queue.send_message(QueueUrl="queue", MessageBody=message, DelaySeconds=0)
    assert len(sent) == 1
    with pytest.raises(ClientError):
        queue.send_message(
            QueueUrl="queue", MessageBody="x" * (limits.MESSAGE_BYTES.most + 1), DelaySeconds=0
        )


def test_no_message_waits_longer_than_sqs_lets_it(template: Document) -> None:
    seconds = [
        template["Parameters"]["SidecarGraceSeconds"]["MaxValue"],
        template["Parameters"]["SettleSeconds"]["MaxValue"],
        60 * template["Parameters"]["DigestMinutes"]["MaxValue"] + 15,
    ]
    assert max(seconds) == limits.DELAY_S.most


def test_a_digest_of_1000_long_results_is_one_message_of_sns() -> None:
    sns = Sns(lambda: NOW)
    lines = [
        DigestEntry(f"mail-{number}", f"{number}{LONGEST_KEY}", "refused", "\N{SNOWMAN}" * 900)
        for number in range(1_000)
    ]
    mail = digest(Window.at(datetime(2026, 11, 20, tzinfo=UTC), 10), lines, Links("eu", "clips"))
    Publisher(sns, RESULTS).send(mail)  # type: ignore[arg-type]
    assert len(sns.published) == 1
    assert len(mail.subject) <= limits.SUBJECT.most


def test_an_execution_has_a_name_and_an_input_whatever_the_images_name() -> None:
    started: list[str] = []
    service = StepFunctions(lambda: NOW, lambda execution: started.append(execution.name))
    largest = make_job(
        source=Source(**{**_fields(make_job().source), "key": LONGEST_KEY}),
        estimate_usd=Decimal("999999.99"),
    )
    for key in (LONGEST_KEY, "x" * 1020 + ".jpg"):
        name = execution_name(key, "a" * 24, 999)
        service.start_execution(
            stateMachineArn=MACHINE, name=name, input=json.dumps(workflow_input(largest))
        )
        swept = f"{name[:60]}-started-2026112009"
        assert max(len(name), len(swept), len(f"{name[:74]}-again")) <= limits.NAME.most
    assert len(started) == 2


def test_the_definition_of_the_workflow_is_far_from_its_limit() -> None:
    text = (ROOT / "statemachine" / "render.asl.json").read_text(encoding="utf-8")
    assert len(text.encode()) < limits.DEFINITION_BYTES.most / 10


# --- Lambda, S3 ----------------------------------------------------------------------------------


def test_no_function_gets_more_variables_than_lambda_takes(template: Document) -> None:
    sizes = {
        name: sum(
            len(variable) + _longest_value(template, value)
            for variable, value in stack.variables(template, name).items()
        )
        for name in stack.functions(template)
    }
    assert 2_000 < max(sizes.values()) < limits.ENVIRONMENT_BYTES.most


_LISTED = 40  # characters of a list of providers
_RESOURCE = 160  # of an ARN or a URL


def _longest_value(template: Document, value: Any) -> int:
    parameter = template["Parameters"].get(value.get("Ref")) if isinstance(value, dict) else None
    if parameter is None:
        return _RESOURCE if isinstance(value, dict) else len(str(value))
    allowed = [*parameter.get("AllowedValues", []), parameter.get("MaxValue", "")]
    return int(parameter.get("MaxLength") or max(len(str(one)) for one in allowed) or _LISTED)


def test_the_call_for_a_thumbnail_is_small() -> None:
    sent: list[bytes | str] = []

    class Client:
        def invoke(self, **request: Any) -> dict[str, int]:
            sent.append(request["Payload"])
            return {"StatusCode": 202}

    ThumbnailRequests(Client(), "thumbnail").send("a" * 24, "sources/" + "b" * 1016)  # type: ignore[arg-type]
    assert 0 < len(sent[0]) < limits.ASYNC_BYTES.most / 100


def test_every_function_ends_before_lambda_ends_it(template: Document) -> None:
    seconds = {name: part["Timeout"] for name, part in stack.functions(template).items()}
    assert max(seconds.values()) < limits.FUNCTION_S.most
    layers = [len(stack.listed(f["Layers"])) for f in stack.functions(template).values()]
    assert max(layers) < limits.LAYERS.most


def test_the_keys_of_clips_are_no_longer_than_s3_takes() -> None:
    folder = output_folder(LONGEST_KEY)
    longest = f"{folder}/rejected-{'a' * 24}.json"
    assert len(LONGEST_KEY.encode()) == limits.KEY_BYTES.most
    assert len(longest.encode()) <= limits.KEY_BYTES.most


def test_the_largest_clip_has_few_enough_parts(template: Document) -> None:
    megabytes = template["Parameters"]["MaxClipMegabytes"]["MaxValue"]
    assert megabytes * 1024 * 1024 / PART_SIZE <= limits.PARTS.most


# --- EventBridge, CloudWatch, CloudFormation -----------------------------------------------------


def test_the_rules_are_short_enough_for_eventbridge(template: Document) -> None:
    rules = properties(template, "AWS::Events::Rule").values()
    longest = [len(json.dumps(rule["EventPattern"])) + _RESOURCE for rule in rules]
    assert 500 < max(longest) < limits.PATTERN.most
    retries = [
        target.get("RetryPolicy", {}).get("MaximumRetryAttempts", 0)
        for rule in rules
        for target in rule["Targets"]
    ]
    assert max(retries) == limits.RETRIES.most


def test_alarms_look_back_no_longer_than_cloudwatch_lets_them(template: Document) -> None:
    found = alarms(template).values()
    assert max(one["Period"] * one["EvaluationPeriods"] for one in found) <= limits.WINDOW_S.most
    assert max(len(one["AlarmDescription"]) for one in found) < limits.DESCRIPTION.most


def test_the_stack_has_room_in_cloudformation(template: Document) -> None:
    assert len(stack.deployed()["Resources"]) < limits.RESOURCES.most / 2
    assert len(template["Parameters"]) < limits.PARAMETERS.most / 2
    lengths = [part.get("MaxLength", 0) for part in template["Parameters"].values()]
    assert max(lengths) < limits.VALUE_BYTES.most


@pytest.mark.parametrize("limit", limits.LIMITS, ids=lambda one: f"{one.service}, {one.what}")
def test_every_limit_is_in_the_documents(limit: limits.Limit) -> None:
    assert limits.row(limit) in (ROOT / "docs" / "aws.md").read_text(encoding="utf-8").splitlines()


def test_every_limit_is_tried_at_its_edge() -> None:
    """Here, in the stand-ins, or where the history of an execution is counted."""
    places = ("tests/limits/test_edges.py", "local/faults/dynamo.py", "local/faults/services.py")
    text = "".join((ROOT / place).read_text(encoding="utf-8") for place in places)
    text += (ROOT / "tests/workflow/test_limits.py").read_text(encoding="utf-8")
    names = {name for name, value in vars(limits).items() if isinstance(value, limits.Limit)}
    assert [name for name in sorted(names) if f"{name}.most" not in text] == []
