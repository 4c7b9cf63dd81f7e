"""The workflow's "Look at the clip": reads the job's status at the provider."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from dropreel.container import clips, new_session, providers, slots, table
from dropreel.ledger.jobs import Ledger
from dropreel.ledger.runtimes import MeasuredRuntimes
from dropreel.observability import bind, logger, metrics
from dropreel.settings import PollSettings
from dropreel.steps.poll import Poll
from dropreel.steps.watch import Watcher

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@cache
def polling() -> Poll:
    settings = PollSettings.from_environment()
    session = new_session()
    items = table(settings, session)
    return Poll(
        ledger=Ledger(items),
        slots=slots(settings, items, session),
        clips=clips(settings, session),
        provider=providers(lambda: settings, session),
        watcher=Watcher(MeasuredRuntimes(items), longest_s=settings.watch_seconds),
        max_orders=settings.max_orders_per_job,
        deadline=timedelta(minutes=settings.job_deadline_minutes),
    )


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    bind(event)
    return polling().run(
        event["job_id"],
        execution=event["execution_id"],
        tries=event.get("tries", 0),
        searches=event.get("searches", 0),
        pending_at=event.get("pending_at", ""),
        resume=event.get("resume"),
        may_order=event.get("may_order", True),
        time_left=lambda: context.get_remaining_time_in_millis() / 1000,
    )
