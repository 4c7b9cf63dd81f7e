"""The workflow's "Ask provider": asks for one clip, exactly once."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from dropreel.container import clips, new_session, providers, slots, table
from dropreel.lazy import lazy
from dropreel.ledger.breaker import Breaker
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.runtimes import MeasuredRuntimes
from dropreel.mail.alerts import Alerts
from dropreel.mail.once import SendOnce
from dropreel.mail.publisher import Publisher
from dropreel.observability import bind, logger, metrics
from dropreel.settings import GenerateSettings
from dropreel.steps.generate import Generate
from dropreel.steps.watch import Watcher

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@cache
def generation() -> Generate:
    settings = GenerateSettings.from_environment()
    session = new_session()
    items = table(settings, session)
    operators = Publisher(lazy(lambda: session.client("sns")), settings.operators_topic_arn)
    return Generate(
        ledger=Ledger(items),
        clips=clips(settings, session),
        provider=providers(lambda: settings, session),
        watcher=Watcher(MeasuredRuntimes(items), longest_s=settings.watch_seconds),
        rules=settings.rules(),
        breaker=Breaker(items),
        alerts=Alerts(SendOnce(items), operators),
        slots=slots(settings, items, session),
        deadline=timedelta(minutes=settings.job_deadline_minutes),
        source_url_seconds=settings.source_url_seconds,
    )


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001
    bind(event)
    return generation().run(
        event["job_id"],
        execution=event["execution_id"],
        tries=event["tries"],
        ask_at=event.get("ask_at", 0),
    )
