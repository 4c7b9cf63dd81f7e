"""The workflow's "Finalize", and the net below it: every end is stored and mailed once.

Besides the workflow, EventBridge calls this for executions that failed, timed out or were
aborted; where the workflow had sent the mails before, nothing happens a second time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dropreel.container import container
from dropreel.observability import bind, logger, metrics
from dropreel.steps.finalize import Finalize
from dropreel.steps.outcomes import FinalizeEvent

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    finalize = FinalizeEvent.of(event)
    bind(job_id=finalize.job_id, execution_id=finalize.execution_id)
    outcome = (
        container()
        .step(Finalize)
        .handle(finalize, lambda: context.get_remaining_time_in_millis() / 1000)
    )
    return outcome.payload()
