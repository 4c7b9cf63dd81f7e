"""The workflow's "Poll": reads the job's status at the provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dropreel.container import container
from dropreel.observability import bind, logger, metrics
from dropreel.steps.outcomes import PollEvent
from dropreel.steps.poll import Poll

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    poll = PollEvent.of(event)
    bind(job_id=poll.job_id, execution_id=poll.execution_id)
    outcome = (
        container().step(Poll).handle(poll, lambda: context.get_remaining_time_in_millis() / 1000)
    )
    return outcome.payload()
