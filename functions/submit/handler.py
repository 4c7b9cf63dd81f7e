"""Ingest queue -> a job in the ledger and an execution of the workflow, or a rejection.

Through the same queue comes, at the end of a window with many results, the word to tell them.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from dropreel.container import new_session, table
from dropreel.mail.digest import Digests
from dropreel.mail.message import Links
from dropreel.mail.publisher import Publisher
from dropreel.mail.windows import Window
from dropreel.observability import logger, metrics
from dropreel.settings import SubmitSettings
from dropreel.steps.submit import Submit

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@cache
def intake() -> Submit:
    return Submit.build(SubmitSettings.from_environment(), new_session())


@cache
def digests() -> Digests:
    settings, session = SubmitSettings.from_environment(), new_session()
    return Digests(
        table(settings, session),
        Publisher(session.client("sns"), settings.results_topic_arn),
        Links(settings.aws_region, settings.clips_bucket),
    )


def handle(message: dict[str, Any]) -> None:
    if "digest" in message:
        digests().tell(Window.named(message["digest"]))
    else:
        intake().handle(message)


def handled(record: dict[str, Any]) -> bool:
    """One drop; whatever goes wrong with it must not keep the others of its batch waiting."""
    logger.remove_keys(["image_key", "job_id"])
    try:
        handle(json.loads(record["body"]))
    except Exception:
        logger.exception("this drop could not be handled; it will be tried again")
        return False
    return True


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001
    failed = [record["messageId"] for record in event["Records"] if not handled(record)]
    return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}
