"""What SAM makes of the template: the resources that nobody wrote down."""

from __future__ import annotations

import pytest

from tests.support.stack import Document, deployed, properties

# Names that a second stack in the same account and region would meet again.
FIXED = {
    "AWS::Lambda::Function": "FunctionName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::Events::Rule": "Name",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::SecretsManager::Secret": "Name",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
    "AWS::CloudWatch::Alarm": "AlarmName",
}


@pytest.fixture
def made() -> Document:
    return deployed()


def test_every_role_takes_the_permissions_boundary(made: Document) -> None:
    roles = properties(made, "AWS::IAM::Role")
    boundary = ["HasPermissionsBoundary", {"Ref": "PermissionsBoundary"}, {"Ref": "AWS::NoValue"}]
    assert len(roles) >= 10
    held = {name: role.get("PermissionsBoundary") for name, role in roles.items()}
    assert held == {name: {"Fn::If": boundary} for name in roles}


def test_no_resource_has_a_fixed_name(made: Document) -> None:
    found = [
        f"{kind} {name}"
        for kind, attribute in FIXED.items()
        for name, resource in properties(made, kind).items()
        if attribute in resource
    ]
    assert found == []
    assert sum(len(properties(made, kind)) for kind in FIXED) > 25
