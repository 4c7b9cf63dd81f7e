"""Called by the submit function, which does not wait: makes one small picture, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dropreel.container import container
from dropreel.observability import bind, logger
from dropreel.steps.outcomes import ThumbnailEvent
from dropreel.steps.thumbnail import Thumbnail

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001
    thumbnail = ThumbnailEvent.of(event)
    bind(job_id=thumbnail.job_id)
    container().step(Thumbnail).handle(thumbnail)
