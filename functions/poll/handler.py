"""The workflow's "Look at the clip": reads the job's status at the provider."""

from __future__ import annotations

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext

from dropreel.observability import bind, logger, metrics
from dropreel.polling import Polling
from dropreel.settings import PollSettings
from dropreel.wiring import ledger, providers


@cache
def polling() -> Polling:
    settings = PollSettings.from_environment()
    session = boto3.session.Session()
    return Polling(ledger=ledger(settings, session), provider=providers(settings, session))


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001
    bind(event)
    return polling().run(event["job_id"])
