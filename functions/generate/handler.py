"""The workflow's "Generate": orders one clip, at most once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dropreel.container import container
from dropreel.observability import bind, logger, metrics
from dropreel.steps.generate import Generate
from dropreel.steps.outcomes import GenerateEvent

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001
    generate = GenerateEvent.of(event)
    bind(job_id=generate.job_id, execution_id=generate.execution_id)
    return container().step(Generate).handle(generate).payload()
