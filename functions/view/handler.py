"""The pages that mails link to: the HTTP API calls this for every visit.

The event holds the token of a link: it is never logged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dropreel.container import container
from dropreel.observability import logger
from dropreel.steps.outcomes import ViewEvent
from dropreel.steps.view import View

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@logger.inject_lambda_context(clear_state=True, log_event=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001
    return container().step(View).handle(ViewEvent.of(event)).payload()
