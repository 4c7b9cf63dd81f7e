"""The alarms of the template, and the metrics that they may watch."""

from __future__ import annotations

from local.metrics import Metric
from tests.support.metrics import PUBLISHED, catalogue
from tests.support.stack import Document, properties

# What names the one resource that a dimension means. `Ref` of a machine is its ARN, that of a
# queue its URL.
MEANT = {
    "StateMachineArn": ("AWS::Serverless::StateMachine", "Ref"),
    "QueueName": ("AWS::SQS::Queue", "QueueName"),
    "FunctionName": ("AWS::Serverless::Function", "Ref"),
    "RuleName": ("AWS::Events::Rule", "Ref"),
    "TopicName": ("AWS::SNS::Topic", "TopicName"),
}


def alarms(template: Document) -> dict[str, Document]:
    return properties(template, "AWS::CloudWatch::Alarm")


def on_dead_metrics(template: Document) -> list[str]:
    """Alarms on what nobody publishes, or publishes under other dimensions."""
    living = PUBLISHED | set(catalogue())
    return [
        f"{name}: {metric_of(alarm)}"
        for name, alarm in alarms(template).items()
        if metric_of(alarm) not in living
    ]


def metric_of(alarm: Document) -> Metric:
    names = tuple(sorted(dimension["Name"] for dimension in alarm["Dimensions"]))
    return Metric(alarm["Namespace"], alarm["MetricName"], names)
