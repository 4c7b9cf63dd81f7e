"""The workflow's "Wait for a slot": the job stands in line until its provider has room for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dropreel.container import container
from dropreel.observability import bind, logger, metrics
from dropreel.steps.outcomes import SlotEvent
from dropreel.steps.slot import Slot

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001
    slot = SlotEvent.of(event)
    bind(job_id=slot.job_id, execution_id=slot.execution_id)
    container().step(Slot).handle(slot)
