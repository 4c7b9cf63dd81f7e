"""Asks the `thumbnail` function for the small pictures of the dashboard's widget."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from dropreel.observability import logger

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class ThumbnailRequests:
    """Asks for thumbnails, without waiting for them. Never a reason to fail the job."""

    def __init__(self, functions: LambdaClient, name: str) -> None:
        self._functions = functions
        self._name = name

    def send(self, job_id: str, pinned_key: str) -> None:
        request = {"job_id": job_id, "pinned_key": pinned_key}
        try:
            self._functions.invoke(
                FunctionName=self._name,
                InvocationType="Event",
                Payload=json.dumps(request).encode(),
            )
        except (BotoCoreError, ClientError) as error:
            logger.warning("no thumbnail was asked for", reason=type(error).__name__)
