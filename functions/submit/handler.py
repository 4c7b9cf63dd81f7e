"""Ingest queue -> a job in the ledger and an execution of the workflow, or a rejection."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from dropreel.intake import Intake
from dropreel.observability import logger, metrics
from dropreel.settings import SubmitSettings

processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)


@cache
def intake() -> Intake:
    return Intake.build(SubmitSettings.from_environment(), boto3.session.Session())


def handle_record(record: SQSRecord) -> None:
    logger.remove_keys(["image_key", "job_id"])
    try:
        intake().handle(json.loads(record.body))
    except Exception:
        # The batch processor reports the failure to SQS but logs nothing.
        logger.exception("this drop could not be handled; it will be tried again")
        raise


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return dict(
        process_partial_response(
            event=event, record_handler=handle_record, processor=processor, context=context
        )
    )
