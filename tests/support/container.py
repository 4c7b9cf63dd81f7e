"""The container on in-process AWS, with a stand-in for the provider and a clock of its own."""

from __future__ import annotations

from typing import Any

import httpx

from dropreel.container import Container
from local import environment
from local.faults.services import Sts
from tests.support.aws import Aws, Clock, FakeProvider

ENVIRONMENT = {
    **environment.ENVIRONMENT,
    "PROVIDERS": "luma,fal,oxen",
    "SETTLE_SECONDS": "0",
    "DIGEST_ABOVE": "0",
    "WATCH_SECONDS": "0",
    "MAX_CLIP_MEGABYTES": "1",
}


class FakeContainer(Container):
    """As the functions have it, but that waking is only noted (`Aws.woken`).

    `environment` holds variables that differ from those above.
    """

    def __init__(
        self,
        aws: Aws,
        clock: Clock,
        provider: FakeProvider | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
        **environment: str,
    ) -> None:
        resources = {
            "INGEST_QUEUE_URL": aws.ingest_queue,
            "RESULTS_TOPIC_ARN": aws.results.topic_arn,
            "OPERATORS_TOPIC_ARN": aws.operators.topic_arn,
            "STATE_MACHINE_ARN": aws.machine_arn,
        }
        super().__init__(
            {**ENVIRONMENT, **resources, **environment},
            aws,
            transport=transport,
            now=clock,
            sleep=lambda seconds: clock.pass_time(seconds=seconds),
        )
        self._aws = aws
        self._clients["sts"] = Sts(clock)
        self.table, self.ledger = aws.table, aws.ledger
        if provider:
            self.provider = lambda _: provider

    def wake(self, token: str, granted: Any) -> bool:
        return self._aws.wake(token, granted)
