"""Deploys the built template into the embedded AWS with the SAM command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dropreel.providers.catalog import CATALOG
from local import sam
from local.builds import PAGES
from local.embedded_aws import REGION, EmbeddedAws
from local.simulators import Simulators

NAME = "dropreel"
PROVIDERS = tuple(CATALOG)
KEYS = {name: f"{name}-local-key" for name in PROVIDERS}


@dataclass(frozen=True)
class Stack:
    """A deployed stack with the queues that stand for people's mailboxes."""

    aws: EmbeddedAws
    outputs: Mapping[str, str]
    results: str
    operators: str


def launch(
    aws: EmbeddedAws, simulators: Simulators, template: Path, parameters: Mapping[str, str]
) -> Stack:
    """Deploy `template` so that it talks to `simulators`, with working keys and mailboxes."""
    options = {name: {"base_url": address} for name, address in simulators.base_urls().items()}
    options["fal"]["api_base_url"] = f"{simulators.origin}/fal-api"
    defaults = {
        "Providers": ",".join(PROVIDERS),
        "ProviderOptions": json.dumps(options, separators=(",", ":")),
        "PagesUrl": f"{aws.endpoint}/_aws/execute-api/{PAGES}",
        "RequireHttps": "false",
        "TrustedResultOrigins": f"{simulators.origin},http://localhost:{simulators.port}",
    }
    outputs = deploy(aws, template, {**defaults, **parameters})
    put_keys(aws, outputs, KEYS)
    return Stack(
        aws,
        outputs,
        results=mailbox(aws, outputs["ResultsTopicArn"], "results-mailbox"),
        operators=mailbox(aws, outputs["OperatorsTopicArn"], "operators-mailbox"),
    )


def deploy(aws: EmbeddedAws, template: Path, parameters: Mapping[str, str]) -> dict[str, str]:
    """Deploy with `sam deploy` and return the stack's outputs."""
    bucket = f"{NAME}-artifacts"
    aws.client("s3").create_bucket(Bucket=bucket)
    to = ["--s3-bucket", bucket, "--no-progressbar"]
    sam.deploy(template, NAME, REGION, parameters, _credentials(aws), *to)
    found = aws.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}


def put_keys(aws: EmbeddedAws, outputs: Mapping[str, str], keys: Mapping[str, str]) -> None:
    aws.client("secretsmanager").put_secret_value(
        SecretId=outputs["ProviderKeysSecretArn"], SecretString=json.dumps(dict(keys))
    )


def mailbox(aws: EmbeddedAws, topic_arn: str, name: str) -> str:
    """A queue that gets what the topic's mail subscribers get; returns its URL."""
    sqs = aws.client("sqs")
    url = str(sqs.create_queue(QueueName=name)["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    aws.client("sns").subscribe(
        TopicArn=topic_arn, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"]
    )
    allow = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn["Attributes"]["QueueArn"],
            }
        ],
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(allow)})
    return url


def _credentials(aws: EmbeddedAws) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": aws.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "SAM_CLI_POLL_DELAY": "0.1",  # nothing here is far away
    }
