"""Ingest queue -> a job in the ledger and an execution of the workflow, or a rejection.

Through the same queue comes, at the end of a window with many results, the message that its digest
is due.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dropreel.container import container
from dropreel.observability import logger, metrics
from dropreel.steps.submit import Submit

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


def handled(record: dict[str, Any]) -> bool:
    """One message; whatever goes wrong with it must not keep the others of its batch waiting."""
    logger.remove_keys(["image_key", "job_id"])
    try:
        container().step(Submit).handle(json.loads(record["body"]))
    except Exception:
        logger.exception("this drop could not be handled; it will be tried again")
        return False
    return True


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001
    failed = [record["messageId"] for record in event["Records"] if not handled(record)]
    return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}
