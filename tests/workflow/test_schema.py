"""Step Functions would take the definition: cfn-lint knows the fields that each state may have."""

from __future__ import annotations

import json

import pytest

from tests.support.stack import Document, spoilt
from tests.support.stack import workflow as load

ARN = "arn:aws:lambda:us-east-1:111122223333:function:function"


def refused(workflow: Document) -> list[str]:
    """What cfn-lint says of a state machine with this definition."""
    from cfnlint.api import lint  # takes half a second, which no other test should wait for

    text = json.dumps(workflow)
    for placeholder in ("Slot", "Generate", "Poll", "Finalize"):
        text = text.replace(f"${{{placeholder}FunctionArn}}", ARN)
    properties = {"RoleArn": "arn:aws:iam::111122223333:role/role", "Definition": json.loads(text)}
    machine = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
    return [match.message for match in lint(json.dumps({"Resources": {"Machine": machine}}), None)]


def test_the_definition_has_no_field_that_step_functions_does_not_know() -> None:
    assert refused(load()) == []


@pytest.mark.parametrize(
    "path", [("Start", "Asign"), ("Delivered", "Assign"), ("Wait to poll", "Retry")]
)
def test_a_field_in_the_wrong_place_is_noticed(path: tuple[str, str]) -> None:
    assert refused(spoilt(load(), "States", *path, to={})) != []
