"""The dashboard's custom widget: CloudWatch calls this and shows the HTML that it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dropreel.container import container
from dropreel.observability import logger
from dropreel.steps.outcomes import WidgetEvent
from dropreel.steps.widget import Widget

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> str:
    return container().step(Widget).handle(WidgetEvent.of(event), context.invoked_function_arn)
