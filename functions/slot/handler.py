"""The workflow's "Wait for a slot": the job stands in line until its provider has room for it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from dropreel.container import new_session, slots, table
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.slots import Slots
from dropreel.observability import bind, logger, metrics
from dropreel.settings import WaitSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@cache
def parts() -> tuple[Ledger, Slots]:
    settings = WaitSettings.from_environment()
    session = new_session()
    items = table(settings, session)
    return Ledger(items), slots(settings, items, session)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001
    bind(event)
    ledger, line = parts()
    line.wait(ledger.require(event["job_id"]), event["token"])
