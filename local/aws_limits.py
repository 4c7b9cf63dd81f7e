"""Every limit of AWS that the code relies on: one table, shown in docs/aws.md.

The stand-ins of `local/faults` refuse what passes a limit, as the services do, and
`tests/limits/test_edges.py` tries the largest that the code can make. Sources were read in 2026-11.
"""

from __future__ import annotations

from dataclasses import dataclass

_GUIDE = "https://docs.aws.amazon.com/"
_DYNAMODB = f"{_GUIDE}amazondynamodb/latest/developerguide/Constraints.html"
_EVENTS = f"{_GUIDE}eventbridge/latest/userguide/eb-quota.html"
_FORMATION = f"{_GUIDE}AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"
_LAMBDA = f"{_GUIDE}lambda/latest/dg/gettingstarted-limits.html"
_KEYS = f"{_GUIDE}AmazonS3/latest/userguide/object-keys.html"
_RETRIES = f"{_GUIDE}eventbridge/latest/userguide/eb-rule-retry-policy.html"
_S3 = f"{_GUIDE}AmazonS3/latest/userguide/qfacts.html"
_SNS = f"{_GUIDE}sns/latest/api/API_Publish.html"
_SQS = f"{_GUIDE}AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"
_STATES = f"{_GUIDE}step-functions/latest/dg/service-quotas.html"
_ALARM = f"{_GUIDE}AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"


@dataclass(frozen=True, slots=True)
class Limit:
    """`most` that a service takes of something, and where the code comes near it."""

    service: str
    what: str
    most: int
    where: str
    source: str


ITEM_BYTES = Limit("DynamoDB", "bytes of an item", 409_600, "`SLOTS#`, jobs", _DYNAMODB)
EXPRESSION_BYTES = Limit(
    "DynamoDB", "bytes of an expression", 4_096, "grants in `ledger/slots.py`", _DYNAMODB
)
WRITES = Limit(
    "DynamoDB", "actions in a transaction, checks included", 100, "grants, digests", _DYNAMODB
)
TRANSACTION_BYTES = Limit(
    "DynamoDB", "bytes of a transaction", 4_194_304, "digests, orders", _DYNAMODB
)
MESSAGE_BYTES = Limit("SQS", "bytes of a message (256 KiB until 2025)", 262_144, "rechecks", _SQS)
DELAY_S = Limit("SQS", "seconds that a message waits", 900, "grace, settling, digests", _SQS)
PUBLISH_BYTES = Limit("SNS", "bytes of a message", 262_144, "mails, digests", _SNS)
SUBJECT = Limit("SNS", "characters of a subject", 99, "`MAX_SUBJECT` in `mail/message.py`", _SNS)
EVENTS = Limit("Step Functions", "events of an execution", 25_000, "`render.asl.json`", _STATES)
NAME = Limit(
    "Step Functions", "characters of a name", 80, "`execution_name`, names of the sweep", _STATES
)
INPUT_BYTES = Limit(
    "Step Functions", "bytes of an input or output", 262_144, "`workflow_input`", _STATES
)
DEFINITION_BYTES = Limit(
    "Step Functions", "bytes of a definition", 1_048_576, "`render.asl.json`", _STATES
)
ENVIRONMENT_BYTES = Limit(
    "Lambda", "bytes of a function's variables", 4_096, "parameters in JSON", _LAMBDA
)
ASYNC_BYTES = Limit(
    "Lambda", "bytes of an asynchronous call (256 KiB until 2025)", 262_144, "thumbnails", _LAMBDA
)
FUNCTION_S = Limit("Lambda", "seconds of one run", 900, "`finalize`", _LAMBDA)
LAYERS = Limit("Lambda", "layers of a function", 5, "`thumbnail`", _LAMBDA)
PATTERN = Limit("EventBridge", "characters of a pattern", 2_048, "`DropRule`", _EVENTS)
RETRIES = Limit("EventBridge", "retries of a delivery", 185, "`DropRule`", _RETRIES)
KEY_BYTES = Limit("S3", "bytes of a key", 1_024, "`output_folder`", _KEYS)
PARTS = Limit("S3", "parts of an upload", 10_000, "`PART_SIZE`, `MaxClipMegabytes`", _S3)
WINDOW_S = Limit(
    "CloudWatch",
    "seconds that an alarm looks back (604,800 if its period is an hour or more)",
    86_400,
    "`SweepMissingAlarm`",
    _ALARM,
)
DESCRIPTION = Limit(
    "CloudWatch", "characters of an alarm's description", 1_024, "template.yaml", _ALARM
)
RESOURCES = Limit("CloudFormation", "resources of a stack", 500, "template.yaml", _FORMATION)
PARAMETERS = Limit("CloudFormation", "parameters of a template", 200, "template.yaml", _FORMATION)
VALUE_BYTES = Limit(
    "CloudFormation", "bytes of a parameter's value", 4_096, "parameters in JSON", _FORMATION
)

LIMITS = tuple(value for value in vars().copy().values() if isinstance(value, Limit))


def row(limit: Limit) -> str:
    """The limit as docs/aws.md shows it."""
    page = limit.source.removeprefix(_GUIDE).partition("/")[2].rpartition("/")[2]
    return (
        f"| {limit.service} | {limit.what} | {limit.most:,} | {limit.where} "
        f"| [{page.removesuffix('.html')}]({limit.source}) |"
    )
