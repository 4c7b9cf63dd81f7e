"""The dashboard's custom widget: CloudWatch calls this and shows the HTML that it returns."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from dropreel.clips.bucket import ClipsBucket
from dropreel.container import new_session
from dropreel.dashboard.gallery import Gallery
from dropreel.ledger.table import Table
from dropreel.observability import logger
from dropreel.settings import WidgetSettings

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@cache
def gallery() -> Gallery:
    settings = WidgetSettings.from_environment()
    session = new_session()
    return Gallery(
        table=Table(session.client("dynamodb"), settings.ledger_table),
        clips=ClipsBucket(session.client("s3"), settings.clips_bucket),
        region=settings.aws_region,
        machine_arn=settings.state_machine_arn,
    )


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> str:
    return gallery().show(event, context.invoked_function_arn)
