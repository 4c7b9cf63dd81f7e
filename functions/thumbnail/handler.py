"""Called by the submit function, which does not wait: makes one small picture, or none."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from dropreel.clips.bucket import ClipsBucket
from dropreel.container import new_session
from dropreel.dashboard.thumbnails import store_thumbnail
from dropreel.observability import logger
from dropreel.settings import ThumbnailSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@cache
def clips() -> ClipsBucket:
    settings = ThumbnailSettings.from_environment()
    return ClipsBucket(new_session().client("s3"), settings.clips_bucket)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001
    logger.append_keys(job_id=event["job_id"])
    store_thumbnail(clips(), event["job_id"], event["pinned_key"])
