"""Every half hour: jobs that were left behind go on, or are watched a little longer."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from dropreel.container import clips, new_session, providers, slots, table
from dropreel.lazy import lazy
from dropreel.mail.alerts import Alerts
from dropreel.mail.digest import Digests
from dropreel.mail.message import Links
from dropreel.mail.once import SendOnce
from dropreel.mail.publisher import Publisher
from dropreel.mail.subscribers import RESULTS, Subscribers
from dropreel.observability import logger, metrics
from dropreel.settings import SweepSettings
from dropreel.steps.sweep import Sweep

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@cache
def sweep() -> Sweep:
    settings = SweepSettings.from_environment()
    session = new_session()
    items, sns = table(settings, session), session.client("sns")
    alerts = Alerts(SendOnce(items), Publisher(sns, settings.operators_topic_arn))
    links = Links(settings.aws_region, settings.clips_bucket)
    digests = Digests(items, Publisher(sns, settings.results_topic_arn), links)
    topics = {RESULTS: settings.results_topic_arn, "operators": settings.operators_topic_arn}
    return Sweep(
        table=items,
        slots=slots(settings, items, session),
        clips=clips(settings, session),
        provider=providers(lambda: settings, session),
        workflow=lazy(lambda: session.client("stepfunctions")),
        machine_arn=settings.state_machine_arn,
        deadline=timedelta(minutes=settings.job_deadline_minutes),
        cancel_stalled=settings.cancel_stalled_orders,
        chores=[digests.tell_overdue, Subscribers(sns, topics, alerts).check],
        caps=settings.caps(),
    )


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:  # noqa: ARG001
    return sweep().run()
