"""Ingest queue -> a job in the ledger and an execution of the workflow, or a rejection."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext

from dropreel.intake import Intake
from dropreel.observability import logger, metrics
from dropreel.settings import SubmitSettings


@cache
def intake() -> Intake:
    return Intake.build(SubmitSettings.from_environment(), boto3.session.Session())


def handled(record: dict[str, Any]) -> bool:
    """One drop; whatever goes wrong with it must not keep the others of its batch waiting."""
    logger.remove_keys(["image_key", "job_id"])
    try:
        intake().handle(json.loads(record["body"]))
    except Exception:
        logger.exception("this drop could not be handled; it will be tried again")
        return False
    return True


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001
    failed = [record["messageId"] for record in event["Records"] if not handled(record)]
    return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}
