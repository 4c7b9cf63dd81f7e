"""Ingest queue -> a job in the ledger and an execution of the workflow, or a rejection.

Through the same queue comes, at the end of a window with many results, the word to tell them.
"""

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

from dropreel.digests import Digests
from dropreel.intake import Intake
from dropreel.mail import Place
from dropreel.notices import Notifier
from dropreel.observability import logger, metrics
from dropreel.settings import SubmitSettings
from dropreel.windows import Window
from dropreel.wiring import table

processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)


@cache
def intake() -> Intake:
    return Intake.build(SubmitSettings.from_environment(), boto3.session.Session())


@cache
def digests() -> Digests:
    settings, session = SubmitSettings.from_environment(), boto3.session.Session()
    return Digests(
        table(settings, session),
        Notifier(session.client("sns"), settings.results_topic_arn),
        Place(settings.aws_region, settings.clips_bucket),
    )


def handle(message: dict[str, Any]) -> None:
    if "digest" in message:
        digests().tell(Window.named(message["digest"]))
    else:
        intake().handle(message)


def handle_record(record: SQSRecord) -> None:
    logger.remove_keys(["image_key", "job_id"])
    try:
        handle(json.loads(record.body))
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
