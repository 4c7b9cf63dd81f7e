"""The rights in the template, and the calls of a play in one process as AWS would check them."""

from __future__ import annotations

import re
from typing import Any

from local.faults.services import IMAGE_READER, MACHINE, OPERATORS, RESULTS
from tests.support.policies import Call, Statement
from tests.support.stack import Document, listed, policies

TABLE = "arn:aws:dynamodb:us-east-1:111122223333:table/ledger"
# What the stack's resources are called in a play.
PLAYED = {
    "LedgerTable.Arn": TABLE,
    "ClipsBucket.Arn": "arn:aws:s3:::clips",
    "InboxBucket.Arn": "arn:aws:s3:::inbox",
    "ResultsTopic": RESULTS,
    "OperatorsTopic": OPERATORS,
    "RenderStateMachine": MACHINE,
    "RenderStateMachine.Name": MACHINE.rpartition(":")[2],
    "IngestQueue.Arn": "https://queue/ingest",
    "ThumbnailFunction.Arn": "thumbnail",
    "ProviderKeysSecret.Id": "keys",
    "ImageReaderRole.Arn": IMAGE_READER,
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::AccountId": "111122223333",
}
_ONE_JOB = re.compile("[0-9a-f]{24}")
_BUCKETS = {"put_object": "PutObject", "head_object": "GetObject", "get_object": "GetObject"}
# Where else the resource of a call is named.
_NAMED_BY = {
    "sns.publish": ("sns:Publish", "TopicArn"),
    "sns.get_topic_attributes": ("sns:GetTopicAttributes", "TopicArn"),
    "sqs.send_message": ("sqs:SendMessage", "QueueUrl"),
    "lambda.invoke": ("lambda:InvokeFunction", "FunctionName"),
    "secretsmanager.get_secret_value": ("secretsmanager:GetSecretValue", "SecretId"),
    "sts.assume_role": ("sts:AssumeRole", "RoleArn"),
    "stepfunctions.start_execution": ("states:StartExecution", "stateMachineArn"),
    "stepfunctions.describe_execution": ("states:DescribeExecution", "executionArn"),
}


def statements(made: Document) -> dict[str, list[Statement]]:
    """Of the functions, by name: `submit`."""
    found: dict[str, list[Statement]] = {}
    for owner, document in policies(made):
        if owner.endswith("Function"):
            read = [_statement(one) for one in document["Statement"]]
            found.setdefault(owner.removesuffix("Function").lower(), []).extend(read)
    return found


def _statement(given: Document) -> Statement:
    resources = [_resolved(resource) for resource in listed(given["Resource"])]
    return Statement.read({**given, "Resource": resources})


def _resolved(value: Any) -> str:
    if isinstance(value, str):
        return value
    ((kind, inner),) = value.items()
    if kind == "Fn::Sub":
        return re.sub(r"\$\{([^}]+)\}", lambda found: _named(found.group(1)), inner)
    return _named(inner if kind == "Ref" else ".".join(inner))


def _named(name: str) -> str:
    return PLAYED.get(name, name)


def called(function: str, call: str, request: dict[str, Any]) -> list[Call]:
    """What AWS checks when `function` makes this call of boto3."""
    service, _, method = call.partition(".")
    if service == "dynamodb":
        return _at_the_table(function, method, request)
    if service == "s3":
        return [Call(function, *one) for one in _at_a_bucket(method, request)]
    if call == "stepfunctions.send_task_success":
        return [Call(function, "states:SendTaskSuccess", "")]
    action, name = _NAMED_BY[call]
    return [Call(function, action, request[name])]


def short(call: Call) -> Call:
    """The call without the names of single jobs, images and executions: few kinds are left."""
    items = tuple((action, f"{key.partition('#')[0]}#") for action, key in call.items)
    return Call(call.role, call.action, _ONE_JOB.sub("job", call.resource), items)


def _at_a_bucket(method: str, request: dict[str, Any]) -> list[tuple[str, str]]:
    bucket = f"arn:aws:s3:::{request['Bucket']}"
    if method == "list_objects_v2":
        return [("s3:ListBucket", bucket)]
    place = f"{bucket}/{request['Key']}"
    if method == "copy_object":
        source = request["CopySource"]
        read = f"arn:aws:s3:::{source['Bucket']}/{source['Key']}"
        return [("s3:GetObject", read), ("s3:PutObject", place)]
    return [(f"s3:{_BUCKETS[method]}", place)]


def _at_the_table(function: str, method: str, request: dict[str, Any]) -> list[Call]:
    if method == "query" and "IndexName" in request:
        place = f"{TABLE}/index/{request['IndexName']}"
        return [Call(function, "dynamodb:Query", place)]
    items = tuple(_items(method, request))
    actions = dict.fromkeys(action for action, _ in items)
    return [Call(function, action, TABLE, items) for action in actions]


def _items(method: str, request: dict[str, Any]) -> list[tuple[str, str]]:
    if method == "query":
        return [("dynamodb:Query", request["ExpressionAttributeValues"][":pk"]["S"])]
    if method == "transact_write_items":
        entries = [entry for one in request["TransactItems"] for entry in one.items()]
        return [(f"dynamodb:{kind}Item", _pk(item)) for kind, item in entries]
    action = "".join(part.capitalize() for part in method.split("_"))
    return [(f"dynamodb:{action}", _pk(request))]


def _pk(request: dict[str, Any]) -> str:
    return str((request.get("Key") or request["Item"])["pk"]["S"])
