"""The workflow's "Finish", and the net below it: every end is stored and told once.

Besides the workflow, EventBridge calls this for executions that failed, timed out or were
aborted; where the workflow had told people before, nothing happens a second time.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from dropreel.container import clips, new_session, providers, table
from dropreel.lazy import lazy
from dropreel.mail.digest import result_mailer
from dropreel.mail.publisher import Publisher
from dropreel.observability import bind, logger, metrics
from dropreel.providers.client import new_client
from dropreel.settings import FinalizeSettings, ProviderSettings
from dropreel.steps.finalize import Finalize, FinalizeEvent

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@cache
def delivery() -> Finalize:
    settings = FinalizeSettings.from_environment()
    session = new_session()
    sns, items = session.client("sns"), table(settings, session)
    results = Publisher(sns, settings.results_topic_arn)
    return Finalize(
        table=items,
        clips=clips(settings, session),
        provider=providers(ProviderSettings.from_environment, session),
        http=lazy(new_client),
        results=result_mailer(settings, results, items, lazy(lambda: session.client("sqs"))),
        operators=Publisher(sns, settings.operators_topic_arn),
        region=settings.aws_region,
        trusted_origins=settings.trusted_result_origins,
        max_clip_bytes=settings.max_clip_megabytes * 1024 * 1024,
    )


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    ending = FinalizeEvent.of(event)
    bind({"job_id": ending.job_id, "execution_id": ending.execution_id})
    return delivery().run(ending, lambda: context.get_remaining_time_in_millis() / 1000)
