"""For the tests of the stand-ins for AWS: a time, and what a call comes to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from dropreel.errors import ConditionFailedError

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def outcome(call: Callable[[], Any]) -> Any:
    """What a call comes to: its answer, or why it was refused."""
    try:
        return call()
    except ConditionFailedError as failed:
        return "refused", failed.index, failed.item
    except ClientError as error:
        return error.response["Error"].get("Code")
