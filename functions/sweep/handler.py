"""Every half hour: jobs that were left behind go on, or are watched a little longer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dropreel.container import container
from dropreel.observability import logger, metrics
from dropreel.steps.sweep import Sweep

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:  # noqa: ARG001
    return container().step(Sweep).handle(lambda: context.get_remaining_time_in_millis() / 1000)
